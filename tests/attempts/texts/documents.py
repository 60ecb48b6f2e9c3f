"""Texts in documents: dataset cards, front matter, leaderboards for pages and papers, Croissant, charts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from markdown_it import MarkdownIt

from relaionet.flows.pages.charts.reliability import draw_reliability
from relaionet.flows.pages.evaluation.leaderboard import make_leaderboard
from relaionet.flows.pages.evaluation.table_files import format_board
from relaionet.manifests.release.release import make_release
from relaionet.manifests.tables import SCORES, shape_table
from relaionet.pipeline.exports.card import write_export_card, write_export_croissant
from relaionet.pipeline.proposals.reliability import measure_reliability
from tests.attempts.attempt import Attempt, family
from tests.attempts.texts.pages import BENIGN, Shape
from tests.unit.manifests.conftest import manifest_rows

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
IN_MARKDOWN = {
    "a link that runs a script": "[click](javascript:alert(1))",
    "a picture that tells who reads": "![](http://evil.test/x)",
    "a link by reference": "[a][b]\n\n[b]: javascript:alert(1)", "an address in brackets": "<javascript:alert(1)>",
    "a script": "<script>alert(1)</script>", "a picture with a handler": "<img src=x onerror=alert(1)>",
    "a comment that hides the rest": "<!--", "details that hide the rest": "<details>", "a heading": "\n# Terms: MIT\n",
    "a heading by underline": "\nTerms\n=====\n", "a list": "\n- one\n- two\n",
    "a quotation": "\n> said by the authors\n",
    "a fence": "\n```\n", "a fence of tildes": "\n~~~\n", "a code span": "`rm -rf /`", "a rule": "\n---\n",
    "bold": "**safe**",
    "struck out": "~~not~~", "a table's cell": "| yes | 1 |", "a table's row": "\n| n1 | 1 | x | 9 |\n",
    "an entity": "&lt;script&gt; &#106;", "a backslash at the end": "text\\", "escapes of its own": "\\[a\\](b)",
    "a formula": "$\\href{javascript:alert(1)}{x}$", "mentions": "@everyone", "an indented block": "\n\n        code\n",
    "an HTML block": "\n<div>\n\n**x**\n\n</div>\n", "front matter in the middle": "\n---\nlicense: mit\n---\n",
}  # fmt: skip
IN_YAML = {
    "another key": '"\nlicense: mit\nx: "', "another key, without quotes": "x\nlicense: mit",
    "ends the front matter": "\n---\n# x",
    "an object of Python": "!!python/object/apply:os.system [id]", "an anchor and an alias": "&a [*a, *a]",
    "a map": "{a: b}",
    "a list": "[a, b]", "a comment": "x # y", "a block": "|\n  x", "a folded block": ">\n  x",
    "a directive": "%YAML 1.1",
    "a key": "a: b", "yes that becomes true": "yes", "a date": "2020-01-01", "a number": "1e3", "null": "~",
    "quotes": "'\"'\"",
    "a backslash": "\\x41\\", "a zero byte": "a\0b", "next line (U+0085)": "a\x85b",
    "line separator": "a\u2028license: mit",
    "a byte-order mark": "\ufeffa", "a tab": "a\tb: c", "an emoji": "\U0001f41f",
}  # fmt: skip
IN_LATEX = {
    "reads a file": "\\input{/etc/passwd}", "runs a command": "\\write18{id}",
    "runs a command by immediate": "\\immediate\\write18{x}",
    "a comment": "x % y", "another cell": "a & b", "another row": "a \\\\ b", "ends the table": "\\end{tabular}",
    "an open brace": "{", "a closing brace": "}", "mathematics": "$x$", "display mathematics": "$$x$$",
    "a parameter": "#1",
    "a superscript code": "^^5cinput{x}", "catcode": "\\catcode`\\@=0", "a paragraph": "a\n\nb",
    "options of a row": "[9999pt]",
    "a starred row": "*", "defines a macro": "\\def\\x{y}", "a loop": "\\loop\\iftrue\\repeat",
    "an active tilde": "a~b",
    "carriage return": "a\rb", "a zero byte": "a\0b", "opening quotes": "``x''", "a control space": "\\ ",
}  # fmt: skip
IN_JSON = {
    "ends its script": "</script><script>alert(1)</script>", "a comment": "<!--<script>",
    "line separators": "\u2028\u2029",
    "an address that runs a script": "javascript:alert(1)", "a file": "file:///etc/passwd", "quotes": '"}],"@type":"x',
    "another context": '{"@context": "http://evil.test"}', "an escape code": "\x1b[2J",
}  # fmt: skip
IN_CHARTS = {
    "a formula that cannot be set": "$\\frac{1$", "a formula": "$x^2$", "an escaped dollar": "\\$x\\$",
    "two dollars": "$$",
    "an unknown command": "$\\evil$", "a line feed": "a\nb", "right-to-left override": "\u202eb",
    "markup of SVG": "</text><script>",
}  # fmt: skip


def tags_of(markdown: str) -> list[str]:
    """The tags of a document, but for links to the web, which are checked."""
    shape = Shape(MARKDOWN.render(markdown))
    assert all(re.match(r"https?://|#|$", one) for one in shape.addresses), "a link to something else"
    return [tag for tag, _ in shape.tags if tag != "a"]


def front_matter(card: str) -> tuple[dict[str, Any], str]:
    """A card's front matter as the Hub reads it, and the rest."""
    _, head, body = re.split(r"^---$\n?", card, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(head), body


def write_card(folder: Path, trick: str) -> str:
    """The card of a release whose maker's words are a stranger's."""
    cards = []
    for name, text in (("hostile", f"goldfish {trick}"), ("benign", BENIGN)):
        notes = {
            "licence": text, "homepage": text, "limitations": [text], "adopted": {"layout": text}, "cite": text,
            "agreement": {"about": text}, "url": text,
        }  # fmt: skip
        path = make_release(manifest_rows(3), folder / name, name="adopted-set", notes=notes)
        cards.append((path / "README.md").read_text(encoding="utf-8"))
    (hostile, told), (benign, other) = map(front_matter, cards)
    assert hostile == benign, "the front matter changed"
    assert tags_of(told) == tags_of(other), "the card has other parts"
    return "shown as text"


def board_of(text: str) -> Any:
    """Scores of a set with that name, and their leaderboard."""
    rows = [
        (text, text, "paper", 4, 1.5, 8.0, metric, 3.0, 2.0, 4.0, 50, text, text) for metric in ("FID", "precision")
    ]  # fmt: skip
    scores = shape_table(pl.DataFrame(rows, schema=list(SCORES.columns), orient="row"), SCORES)
    return make_leaderboard(scores, {}), scores


def write_board(folder: Path, trick: str) -> str:
    """A leaderboard in Markdown, and the same as an artifact of a Prefect server."""
    told = tags_of(format_board(*board_of(f"goldfish {trick}"), "markdown"))
    assert told == tags_of(format_board(*board_of(BENIGN), "markdown")), "the table has other parts"
    return "shown as text"


def export_info(text: str) -> dict[str, Any]:
    """What an export of a split with such names says."""
    split = {
        "name": text, "release": text, "release_digest": text, "policy": text, "coverage_frac": 0.5, "digest": text,
        "notes": {"url": text},
    }  # fmt: skip
    shard = {"file": "data/test-00000-of-00001.parquet", "rows_count": 1, "bytes_count": 9, "sha256": "0" * 64}
    return {
        "form": "parquet", "positions": "kept", "rows_count": 1, "classes_count": 1, "bytes_count": 9, "split": split,
        "class_counts": {"n02012849": 1}, "shards": [shard],
    }  # fmt: skip


def write_front_matter(folder: Path, trick: str) -> str:
    """The card of an exported split whose name and release are a stranger's."""
    write_export_card(folder / "README.md", export_info(trick))
    write_export_card(folder / "benign.md", export_info(BENIGN))
    told, body = front_matter((folder / "README.md").read_text(encoding="utf-8"))
    benign, other = front_matter((folder / "benign.md").read_text(encoding="utf-8"))
    assert told["pretty_name"] == told["source_release"] == trick, "it is read as something else"
    assert {**told, "pretty_name": "", "source_release": ""} == {**benign, "pretty_name": "", "source_release": ""}
    assert tags_of(body) == tags_of(other), "the card has other parts"
    return "read as the same text"


TEX_ESCAPED = re.compile(
    r"\\(?:text(?:backslash|asciitilde|asciicircum|less|greater|bar|quotedbl|asciigrave))\{\}|\\[&%$#_{}]|\{[\[\]*]\}"
)


def write_paper(folder: Path, trick: str) -> str:
    """A leaderboard in LaTeX."""
    told, other = (format_board(*board_of(text), "latex") for text in (f"{trick} fish", "fish"))
    assert told.count("\n") == other.count("\n"), "the table has other lines"
    for line, same in zip(told.split("\n"), other.split("\n"), strict=True):
        own, left = TEX_ESCAPED.sub("", line), TEX_ESCAPED.sub("", same)
        assert re.findall(r"\\[a-z]+|[\\{}$&#%^~]", own) == re.findall(r"\\[a-z]+|[\\{}$&#%^~]", left), (
            "it is a command"
        )
        assert not line.lstrip().startswith(("[", "*")), "it is an option of the row before"
    return "printed as text"


def write_croissant(folder: Path, trick: str) -> str:
    """The Croissant metadata of an export, within a page as search engines want it."""
    write_export_croissant(folder / "croissant.json", export_info(trick))
    text = (folder / "croissant.json").read_text(encoding="utf-8")
    page = Shape(f'<script type="application/ld+json">{text}</script>')
    assert [tag for tag, _ in page.tags] == ["script"], "the script ends early"
    document = json.loads(page.text)
    assert document["name"] == trick, "it is read as something else"
    assert document["url"] == "."
    assert "@type" not in trick or document["@type"] == "sc:Dataset"
    return "read as the same text; no link"


def draw_chart(folder: Path, trick: str) -> str:
    """The title of a reliability diagram."""
    measured = measure_reliability(np.array([0.2, 0.5, 0.8, 0.9]), np.array([False, True, True, True]))
    drawn = draw_reliability({f"{trick} fish": measured}).decode()
    shape = Shape(drawn)
    assert "script" not in {tag for tag, _ in shape.tags}
    assert "fish" in shape.text, "the title is missing"
    return "drawn as text"


ATTEMPTS: list[Attempt] = [
    *family(
        "Markdown: a release's card", "shown as text: the same parts as with harmless words", write_card, IN_MARKDOWN
    ),
    *family("Markdown: leaderboards", "shown as text: the same table as with harmless names", write_board, IN_MARKDOWN),
    *family("YAML: front matter of a card", "read as the same text, no other key", write_front_matter, IN_YAML),
    *family("LaTeX: leaderboards", "printed as text: no command, cell or row of its own", write_paper, IN_LATEX),
    *family("JSON-LD: Croissant metadata", "read as the same text, also in a page", write_croissant, IN_JSON),
    *family("Charts: titles", "drawn as text", draw_chart, IN_CHARTS),
]
