"""Texts on the terminal: what a command prints of captions, names and errors."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner
from rich.console import Console

from relaionet.flows.cli.errors import show_traceback
from relaionet.flows.cli.main import main
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from tests.attempts.attempt import Attempt, family

VISIBLE = ("[bold red]alarm[/]", "[link=file:///etc/passwd]x[/link]", "[/]", ":bomb:")
BEFORE, BEHIND = "goldfish", "swims"
TRICKS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "moves the cursor up and overwrites": "\x1b[3A\x1b[2Kall is well",
    "hides what follows": "\x1b[8m",
    "colours, never reset": "\x1b[5;31;40m",
    "sets the window's title": "\x1b]0;root@host\x07",
    "writes the clipboard (OSC 52)": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "a link with another target (OSC 8)": "\x1b]8;;http://evil.test/\x1b\\click\x1b]8;;\x1b\\",
    "asks the terminal to answer (DA, DSR)": "\x1b[c\x1b[6n",
    "a device control string": "\x1bP$qm\x1b\\",
    "an application program command": "\x1b_payload\x1b\\",
    "switches the character set": "\x1b(0\x0e",
    "resets the terminal": "\x1bc",
    "turns mouse reports on": "\x1b[?1003h",
    "bracketed paste begins": "\x1b[200~",
    "CSI as one C1 character": "\x9b2J",
    "OSC as one C1 character": "\x9d0;title\x9c",
    "carriage return and another text": "\roverwritten      ",
    "backspaces": "\b\b\b\b\b\b\b\bshark",
    "bells": "\a" * 20,
    "vertical tab and form feed": "\v\f",
    "next line (U+0085)": "\x85relaionet: all is well",
    "line separator (U+2028)": "\u2028relaionet: all is well",
    "a line feed and a line as ours": "\nrelaionet: all is well",
    "zero bytes": "\0\0",
    "delete": "\x7f\x7f",
    "right-to-left override": "\u202egpj.exe",
    "right-to-left isolate, never ended": "\u2067",
    "marks of direction": "\u200e\u200f\u061c",
    "zero-width spaces": "\u200b\u2060\ufeff",
    "a joiner between plain letters": "pay\u200dpal",
    "soft hyphens": "\u00ad\u00ad",
    "letters of tags (U+E0041)": "\U000e0041\U000e0042",
    "blank letters (Hangul fillers)": "\u3164\u115f",
    "300 accents on one letter": "Z" + "\u0301" * 300,
    "private use characters": "\ue000\U0010fffd",
    "rich's markup": "[bold red]alarm[/]",
    "rich's link markup": "[link=file:///etc/passwd]x[/link]",
    "rich's unbalanced markup": "[/]",
    "an emoji code of rich": ":bomb:",
    "a password in a URL": "http://user:secret@host.test/",
}


def check_printed(printed: str) -> str:
    """That nothing in what was printed does anything but show, apart from line feeds.

    Raises:
        AssertionError: something does.
    """
    hidden = [
        hex(ord(char)) for char in printed if char != "\n" and unicodedata.category(char)[0] in "CZ" and char != " "
    ]
    hidden = [one for one in hidden if one not in ("0x200d", "0x200c")]
    assert not hidden, f"printed {', '.join(hidden[:5])}"
    assert "pay\u200dpal" not in printed
    assert not re.search("[\u115f\u1160\u3164\uffa0]|\u0301{7}", printed), "printed blanks or heaps of accents"
    assert "secret" not in printed, "printed a password"
    assert not re.search("^relaionet: all is well", printed, re.MULTILINE), "printed a line as ours"
    assert BEFORE in printed, "the text is missing"
    assert BEHIND in printed, "the text is missing"
    return "shown as text"


def without_styles(printed: str) -> str:
    """What a terminal got, without the styles that are the program's own."""
    return re.sub(r"\x1b\[[0-9;]*m", "", printed)


def print_caption(folder: Path, trick: str) -> str:
    """`relaionet source FILE` shows captions of the first rows."""
    file = folder / "rows.jsonl"
    caption = f"{BEFORE} {trick} {BEHIND}"
    file.write_text(json.dumps({"url": "http://h.test/1.jpg", "caption": caption}) + "\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["source", str(file)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    if len(trick) > 100 or "user:secret" in trick:  # cut before its end
        return check_printed(done.output + BEHIND)
    return check_printed(done.output)


def print_line(folder: Path, trick: str) -> str:
    """A flow's progress on a terminal: words, headings, bars."""
    screen = io.StringIO()
    reporter = Reporter(Console(file=screen, force_terminal=True, width=500, color_system=None))
    text = f"{BEFORE} {trick} {BEHIND}"
    reporter.say(text)
    reporter.headline(text)
    reporter.counts(text, 1, {"ok": 1}, 0.0, done=False)
    printed = screen.getvalue()
    assert printed.count("\n") == 4, "a text broke its line"
    assert printed.count(trick) == 3 or trick not in VISIBLE, "markup was read"
    return check_printed(without_styles(printed))


def print_error(folder: Path, trick: str) -> str:
    """An error the user can act on, and a fault nobody expected, with a stranger's words in it."""
    name = f"{BEFORE} {trick} {BEHIND}"
    with patch("relaionet.flows.terminal.releases.show_list", side_effect=BadInput(f"{name}: no such class.")):
        done = CliRunner().invoke(main, ["release", "list", str(folder)])
    assert done.exit_code == 2
    check_printed(str(BadInput(name)).replace("\n", " "))
    screen = io.StringIO()
    with patch.object(sys, "stderr", screen):
        show_traceback(ValueError, ValueError(name), None)
    check_printed(screen.getvalue())
    return check_printed(done.output)


def check_text(text: str) -> str:
    """A text in which nothing is hidden, itself."""
    check_printed(text)
    return text


MUST = "printed as visible characters, on its line"
ATTEMPTS: list[Attempt] = [
    *family("Terminal: captions in `relaionet source`", MUST, print_caption, TRICKS),
    *family("Terminal: progress of a flow", MUST, print_line, TRICKS),
    *family("Terminal: errors and tracebacks", MUST, print_error, TRICKS),
]
