"""The documentation is true where a machine can tell: links, paths, commands, recipes, generated parts and words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relaionet.evaluators.protocols import Protocol
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.drafts.keys import list_keys, list_tables, opened
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from tests.docs_tables.commands import commands, parse
from tests.docs_tables.examples import command_lines, recipe_blocks, try_recipe
from tests.docs_tables.pages import ROOT, Part, cell, stored
from tests.docs_tables.parts import ATTEMPTS, PARTS
from tests.docs_tables.words import banned_words, public_texts
from tests.toy_package.install import toy_installed

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
CODE = ("*.py", "*.toml", "*.html", "Makefile", ":!tests/unit/test_docs.py")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")

MARK = re.compile(r"^<!-- ([\w-]+): generated -->$", re.MULTILINE)


def test_pages_are_found() -> None:
    shelves = {page.parent.name for page in PAGES}
    assert {"tutorials", "guides", "reference", "decisions"} <= shelves


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "code", without_code(page.read_text(encoding="utf-8")))
    for match in LINK.finditer(text):
        yield match[1] or match[2]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found[anchor] = found.get(anchor, -1) + 1
        if count:
            found[f"{anchor}-{count}"] = 0
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)}: {link}; there are {sorted(anchors(target))}"


def test_every_page_and_picture_is_reached_from_the_index() -> None:
    seen, left = set(), [ROOT / "docs" / "index.md"]
    while left:
        page = left.pop()
        if page in seen or not page.is_relative_to(ROOT / "docs"):
            continue
        seen.add(page)
        if page.suffix == ".md":
            left += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link]
    readme = {(ROOT / link).resolve() for link in links(ROOT / "README.md") if ":" not in link}
    there = {path for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert there - seen - readme == set()


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout: git says which files are ours")
def test_every_page_that_code_names_is_there() -> None:
    named = {
        (name_of(path), page)
        for path in tracked(*CODE)
        for page in re.findall(r"(?<![\w/.-])docs/[\w./-]+\.(?:md|png)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert {pair for pair in named if not (ROOT / pair[1]).exists()} == set()


PLACE = re.compile(r"`((?:manifests|pipeline|annotations|evaluators|flows|tests|relaionet)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_the_code_that_a_page_names_is_there(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it names what was there before
        return
    for place in PLACE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / place).exists(), f"{name_of(page)}: {place}"


def test_every_function_that_a_page_names_beside_its_file_is_there() -> None:
    named = {
        (file, name) for page in PAGES for file, name in re.findall(r"`([\w/]+\.py)`: `(\w+)`", page.read_text("utf-8"))
    }
    assert ("manifests/store.py", "is_done") in named
    for file, name in named:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", code, re.MULTILINE), f"{file} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_can_be_read(page: Path) -> None:
    for line, words in command_lines(page.read_text(encoding="utf-8")):
        wrong = parse(words)
        if wrong and words[-1].startswith("--"):  # a sentence names an option without its value
            wrong = parse([*words, "X"])
        assert wrong is None, f"{name_of(page)}: {line}: {wrong}"


def test_command_lines_are_found_and_wrong_ones_refused() -> None:
    text = "```\nrelaionet review push|pull --run DIR [--all] \\\n    --x   # why\n```\n"
    text += "and `relaionet --debug release show`"
    found = [words for _, words in command_lines(text)]
    assert found == [
        ["review", "push", "--run", "DIR", "--all", "--x"],
        ["review", "pull", "--run", "DIR", "--all", "--x"],
        ["--debug", "release", "show"],
    ]
    assert parse(["review", "push", "--run", "DIR"]) is None
    assert parse(["review", "shove"]) == "relaionet review has no command shove"
    assert "No such option" in str(parse(["rebuild", "r", "--colour", "red"]))
    assert parse(["trace", "one", "two"]) == "relaionet trace takes no two"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_recipe_fits_its_dataclasses(page: Path) -> None:
    for block in recipe_blocks(page.read_text(encoding="utf-8")):
        try_recipe(block, name_of(page))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_generated_parts_are_as_the_code_says(part: Part) -> None:
    assert stored(part) == part.render().strip("\n"), "run `python -m tests.docs_tables`"


def test_what_another_package_declares_stands_in_the_tables(tmp_path: Path) -> None:
    renders = {part.name: part.render for part in PARTS}
    added = {
        "screens": "mostly_green", "source-schemas": "Open-Gallery", "export-formats": "csv_list",
        "generator-adapters": "grey", "metrics": "mean brightness", "protocols": "dark and light",
    }  # fmt: skip
    with toy_installed(tmp_path):
        assert {part: name in renders[part]() for part, name in added.items()} == dict.fromkeys(added, True)
    assert {part: name in renders[part]() for part, name in added.items()} == dict.fromkeys(added, False)


def test_every_mark_of_a_generated_part_has_one() -> None:
    marks = {(name_of(page), name) for page in PAGES for name in MARK.findall(page.read_text(encoding="utf-8"))}
    assert marks == {(part.page, part.name) for part in (*PARTS, ATTEMPTS)}


@pytest.mark.parametrize("recipe", [CurateRecipe, EvaluateRecipe, Protocol])
def test_every_key_of_a_recipe_has_a_line(recipe: type) -> None:
    page = (ROOT / "docs" / "reference" / "recipes.md").read_text(encoding="utf-8")
    for heading, table in list_tables(recipe):
        for key in list_keys(table):
            meaning = key.meaning or opened(key)
            assert meaning, f"{table.__name__}.{key.name} has no line in the docstring"
            assert f"| `{key.name}` | {cell(key.kind)} |" in page, f"{heading} {key.name}"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout: git says which files are ours")
def test_every_entry_point_group_is_named_and_no_other() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in tracked("*.py", ":!tests"))
    groups = set(re.findall(r'GROUP = "(relaionet\.\w+)"', code))
    assert {"relaionet.metrics", "relaionet.screens"} <= groups
    page = (ROOT / "docs" / "guides" / "contributing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\| `(relaionet\.\w+)` \|$", page, re.MULTILINE)) == groups
    shown = {
        name for path in PAGES for name in re.findall(r'entry-points\."([\w.]+)"', path.read_text(encoding="utf-8"))
    }
    assert shown <= groups


def test_every_command_and_option_has_a_line() -> None:
    for context in commands():
        assert context.command.help, context.command_path
        for option in context.command.params:
            if option.param_type_name == "option":
                assert getattr(option, "help", None), f"{context.command_path} {option.opts}"


@pytest.mark.parametrize(("where", "text"), public_texts(), ids=lambda value: "" if "\n" in value else value)
def test_texts_use_the_words_of_the_glossary(where: str, text: str) -> None:
    assert banned_words(text) == [], where
