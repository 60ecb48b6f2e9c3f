"""Words that go with counts: no page, command or card writes "1 rows" or "1089", whatever the number is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relaionet.manifests.words import name_many

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("flows/pages", "flows/terminal", "flows/reviewing", "flows/curation", "flows/runs", "flows/adoption",
         "flows/comparison", "flows/lookups", "flows/tracing", "manifests/release")  # fmt: skip
NOUNS = ("row", "picture", "image", "class", "set", "answer", "reviewer", "file", "task", "candidate", "caption",
         "shard", "label", "request", "round", "control", "pair", "generator", "number", "site", "folder", "question",
         "address", "proposal", "step")  # fmt: skip
COUNTED = re.compile(rf"^ (?:[a-z-]+ )?(?:{'|'.join(map(name_many, NOUNS))})\b")
COUNT = re.compile(r"count|height|len\(|total|n_unique|\['n'\]|\.n$|answers|reviewers|\bsum\(")
IN_TEMPLATE = re.compile(rf"\{{\{{([^}}]*)\}}\}} (?:[a-z-]+ )?(?:{'|'.join(map(name_many, NOUNS))})\b")


def list_strings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, expression and the words behind it, of every value filled into a string."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for value, words in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(words, ast.Constant):
                    yield value.lineno, ast.unparse(value.value), str(words.value)


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_counted_is_named_by_the_count(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {{{value}}}{words[:30]}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, value, words in list_strings(path)
        if COUNTED.match(words) and COUNT.search(value) and not value.isupper()
    ]
    assert not wrong, "use relaionet.manifests.words.say_count:\n" + "\n".join(wrong)


def test_so_it_is_in_templates() -> None:
    wrong = [
        f"{path.name}: {found[0]}"
        for path in sorted((ROOT / "flows" / "pages" / "templates").glob("*.html"))
        for found in IN_TEMPLATE.finditer(path.read_text(encoding="utf-8"))
        if re.search(r"count|length|total|\.n\b|left_out|thousands", found[1])
    ]
    assert not wrong, "use the filter `counted`:\n" + "\n".join(wrong)
