"""Where texts leave the program there is one door of each kind, and nobody goes around it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_rooms import FACE, ROOMS, relative, sources

ROOT = Path(__file__).resolve().parents[2]
# scripts that train the miniature's models, and those that run beside other people's code
SCRIPTS = ("pipeline/miniature/training/", "evaluators/miniature/", "evaluators/generators/entries/commands/")
# call -> who may make it, and what everybody else calls
DOORS = {
    "print": ((), "console.echo"),
    "click.echo": (("flows/runs/console.py",), "console.echo"),
    "click.secho": ((), "console.echo"),
    "sys.stdout.write": ((), "console.echo"),
    "sys.stderr.write": ((), "console.echo"),
    "rich.print": ((), "console.echo"),
    "Console": (("flows/runs/reporter.py", "flows/terminal/trace.py"), "Reporter"),
    "console.print": (("flows/runs/reporter.py", "flows/terminal/trace.py"), "Reporter.say"),
    "Environment": (("flows/pages/frame.py",), "frame.render"),
    "write_csv": (("manifests/store.py",), "store.csv_bytes"),
    "csv.writer": ((), "store.csv_bytes"),
    "to_excel": ((), "store.csv_bytes"),
    "write_excel": ((), "store.csv_bytes"),
    "suptitle": (("flows/pages/charts/threshold.py",), "chart_text around it"),
    "set_title": (("flows/pages/charts/reliability.py",), "chart_text around it"),
    "mkstemp": ((), "replacing"),
    "mkdtemp": ((), "replacing"),
    "NamedTemporaryFile": ((), "replacing"),
}


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


@pytest.mark.parametrize("path", sources(*ROOMS, FACE), ids=relative)
def test_nobody_goes_around_a_door(path: Path) -> None:
    here = relative(path)
    if here.startswith(SCRIPTS):
        return
    for line, called in calls(path):
        for name, (allowed, instead) in DOORS.items():
            if called == name or (name != "print" and called.endswith(f".{name}")):
                assert here in allowed, f"{here}:{line} calls {called}; call {instead}"


# who else may speak of names that are not whole, and why
PART_NAMES = {
    "manifests/replacing.py": "the writer",
    "pipeline/downloads/ledger.py": "a picture before anybody knows its format",
    "pipeline/downloads/process.py": "takes those away when the fetching process ends",
    "pipeline/splits/files.py": "takes away those of earlier versions",
    "evaluators/features/extract.py": "takes away those of earlier versions",
    "evaluators/generators/entries/commands/job.py": "runs without this package",
}


@pytest.mark.parametrize("path", sources(*ROOMS, FACE), ids=relative)
def test_temporary_names_have_one_writer(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\.part$|\.tmp$", node.value):
            assert relative(path) in PART_NAMES, f"{relative(path)}:{node.lineno}: use manifests.replacing"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "flows" / "pages" / "templates").glob("*.html")), ids=lambda one: one.name
)
def test_every_address_on_a_page_is_checked(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for value in re.findall(r'\b(?:href|src|action|formaction|data|poster|xlink:href)="([^"]*)"', text):
        if "{{" in value:
            assert re.fullmatch(r"#\{\{ .* \}\}|\{\{ .* \| (link|picture) \}\}", value), value
    assert not re.findall(r"\bon\w+=", text), "no handler in a tag"
    assert not re.findall(r"=\{\{", text), "attributes stand in quotes"
    allowed = {"frame.style", "frame.script", "frame.links_start", "frame.links_end"}
    assert set(re.findall(r"\{\{ (\S+) \| safe \}\}", text)) <= allowed
    assert not re.search(r"autoescape|\bsafe\b(?! \}\})", re.sub(r"\| safe \}\}", "", text))
