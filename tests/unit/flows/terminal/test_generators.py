"""`generators list` says which entries run and which want something of the user's first."""

from __future__ import annotations

import tomllib

from relaionet.evaluators.generators.catalogue import catalogue_names, find_entry, read_entry
from relaionet.flows.terminal.generators import HEADINGS, SCRIPT, list_lines, list_needs, show_lines


def listed() -> dict[str, list[str]]:
    """Heading -> slugs under it."""
    found: dict[str, list[str]] = {}
    for line in list_lines(everything=False):
        if line.startswith("  "):
            found[list(found)[-1]].append(line.split()[0])
        elif line:
            found[line] = []
    return found


def test_an_entry_that_wants_a_script_of_the_users_does_not_stand_among_those_that_run() -> None:
    here, elsewhere, scripted = (set(listed()[heading]) for heading in HEADINGS)
    assert len(here) > 20
    for slug in catalogue_names():
        raw = tomllib.loads(find_entry(slug).read_text(encoding="utf-8"))
        command = " ".join(map(str, raw.get("command", ())))
        assert (slug in scripted) == ("RELAIONET_SCRIPT" in command), slug
        assert (slug in elsewhere) == ("RELAIONET_" in command and "RELAIONET_SCRIPT" not in command), slug
        assert (slug in here) == (not command and raw["type"] != "none"), slug


def test_what_an_entry_needs_is_shown() -> None:
    needs = list_needs(read_entry("sid"))
    assert SCRIPT in needs
    assert f"needs:       {', '.join(needs)}" in show_lines("sid")
    assert not [line for line in show_lines("dit-xl2-256") if line.startswith("needs:")]
