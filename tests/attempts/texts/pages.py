"""Texts on the HTML pages: in headings, cells, attributes, reasons, links; and names of folders that pages link to."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from relaionet.evaluators.set_labels import set_label
from relaionet.flows.pages.evaluation.contents import Report, SampleRow, SetFacts
from relaionet.flows.pages.evaluation.page import write_report
from relaionet.flows.pages.frame import render
from relaionet.flows.pages.overview import Entry, Overview, Part
from relaionet.flows.pages.thumbnails import PagePicture
from relaionet.flows.pages.write import write_index
from relaionet.manifests.tables import SCORES, shape_table
from tests.attempts.attempt import Attempt, family
from tests.attempts.texts.terminal import check_printed

BENIGN = "goldfish swims"
TRICKS = {
    "a script": "<script>alert(1)</script>",
    "a script in capitals with a space": "<SCRIPT >alert(1)</SCRIPT >",
    "a picture with a handler": "<img src=x onerror=alert(1)>",
    "ends an attribute in double quotes": '" onmouseover="alert(1)',
    "ends an attribute in single quotes": "' onmouseover='alert(1)",
    "ends an attribute and a tag": '"><svg onload=alert(1)>',
    "ends the title": "</title><script>alert(1)</script>",
    "ends the style": "</style><script>alert(1)</script>",
    "ends our script": "</script><script>alert(1)</script>",
    "ends a comment": "--><script>alert(1)</script>",
    "begins a comment": "<!-- ",
    "begins CDATA": "<![CDATA[",
    "our own mark of the links": "<!-- pages beside this one --><a href=x>",
    "the end of our mark": "<!-- end of pages --><script>alert(1)</script>",
    "another base address": "<base href=http://evil.test/>",
    "a redirect": '<meta http-equiv=refresh content="0;url=http://evil.test/">',
    "a form": "<form action=http://evil.test/><input name=a>",
    "a frame": "<iframe srcdoc='<script>alert(1)</script>'>",
    "an unfinished tag": "<a href='http://evil.test/",
    "references that spell a tag": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "references without semicolons": "&#60script&#62alert(1)",
    "an expression of the template": "{{ 7 * 7 }}{% include 'frame.html' %}",
    "an expression that climbs out": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "UTF-7": "+ADw-script+AD4-alert(1)",
    "a zero byte within a tag": "<scr\0ipt>alert(1)</scr\0ipt>",
    "line separators": "\u2028<script>\u2029",
    "right-to-left override": "\u202e<gnp.exe",
    "an escape code": "\x1b[2J<b>",
    "full-width brackets": "\uff1cscript\uff1ealert(1)",
    "MathML and a namespace": "<math><mtext><mglyph><style><img src=x onerror=alert(1)>",
    "a password in a URL": "http://user:secret@host.test/",
}


class Shape(HTMLParser):
    """Tags with the names of their attributes, addresses, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "srcdoc")]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append((f"<!--{data}-->", ()))


PAPER = "https://arxiv.org/abs/2603.14186"
"""The one address elsewhere that the report links to, for a reader to click on."""


def check_page(hostile: str, benign: str, trick: str) -> str:
    """That a page has the same tags and attributes whatever its texts are, and loads and links to nothing new.

    Raises:
        AssertionError: it has not.
    """
    page, other = Shape(hostile), Shape(benign)
    assert page.tags == other.tags, "the page has other tags"
    schemes = {urlsplit(address).scheme for address in page.addresses if address != PAPER}
    assert schemes <= {"", "data"}, f"the page links to {schemes}"
    assert not any(address.startswith("//") for address in page.addresses)
    assert "49" not in page.text or "49" in other.text, "a template was filled in"
    check_printed(page.text + "goldfish swims pay")
    assert "secret" not in hostile, "the page shows a password"
    return "shown as text"


def make_report(text: str) -> Report:
    """A report whose every word is a stranger's."""
    image, label = np.zeros((8, 8, 3), np.uint8), set_label(text, 4, 2.0)
    scores = pl.DataFrame(
        [(text, text, text, 4, 2.0, 8.0, "FID", 3.0, 2.0, 4.0, 50, text, text)],
        schema=list(SCORES.columns), orient="row",
    )  # fmt: skip
    stage = {"stage": text, "rows_in": 2, "statuses": {"ok": 1, text: 1}, "reasons": {text: {text: 1}}, "seconds": 1.0}
    picture = PagePicture(image=image, alt=text, note=text, mark=text)
    facts: dict[str, Any] = {
        "title": text, "scores": shape_table(scores, SCORES), "curation": {"stages": [stage]},
        "gallery": {text: [picture]},
        "samples": [SampleRow(name=text, wnid=text, pictures={label: picture})],
        "agreement": {"alpha": 0.9, "low": 0.8, "high": 0.95},
        "reviewers": pl.DataFrame([{"reviewer": text, "answered": 7, "controls": 2, "right": 2, "accuracy": 1.0}]),
        "sets": [SetFacts(label=label, split=text, record={"a": text, "b": {"c": [text]}}, warnings=[text])],
        "provenance": {text: {"a": text}}, "notes": [text],
    }  # fmt: skip
    return Report(**facts)


def show_report(folder: Path, trick: str) -> str:
    """The report page with a hostile text in every place."""
    pages = [
        write_report(folder / f"{name}.html", make_report(text)).read_text(encoding="utf-8")
        for name, text in (("one", f"goldfish {trick}"), ("two", BENIGN))
    ]
    return check_page(pages[0], pages[1], trick)


def make_overview(text: str) -> Overview:
    """An index whose every word is a stranger's."""
    entry = Entry(name=text, href=text, about=text, files=[(text, text)])
    return Overview(
        kind="Run", title=text, said=text, cards=[(text, text, text)],
        parts=[Part(title=text, anchor="a", entries=[entry])],
        pictures=[(text, text)], figures=[(text, text)], columns=[text], sets=[[text, text]], stages=[],
    )  # fmt: skip


def show_index(folder: Path, trick: str) -> str:
    """The index page with a hostile text in every place, addresses too."""
    hostile, benign = (
        render("index.html", overview=make_overview(text), cards=make_overview(text).cards) for text in (trick, BENIGN)
    )
    return check_page(hostile, benign, trick)


ADDRESSES = {
    "javascript:": "javascript:alert(1)", "JavaScript: in mixed case": "JaVaScRiPt:alert(1)",
    "javascript: behind a space": " javascript:alert(1)", "javascript: with a tab": "java\tscript:alert(1)",
    "javascript: with a line feed": "java\nscript:alert(1)",
    "javascript: behind a control character": "\x01javascript:x",
    "vbscript:": "vbscript:msgbox(1)", "data: with a page": "data:text/html,<script>alert(1)</script>",
    "data: with an SVG that is not encoded": "data:image/svg+xml,<svg onload=alert(1)>",
    "file:": "file:///etc/passwd",
    "no scheme, another host": "//evil.test/x", "backslashes for slashes": "\\\\evil.test\\x", "blob:": "blob:http://x",
    "view-source:": "view-source:javascript:alert(1)", "a reference as colon": "javascript&colon;alert(1)",
}  # fmt: skip


def show_address(folder: Path, address: str) -> str:
    """An address in every place of the index that links or shows a picture."""
    page = Shape(render("index.html", overview=make_overview(address), cards=()))
    assert {one for one in page.addresses if not one.startswith("#")} <= {""}, "the address became a link"
    return "no link"


FOLDERS = {
    "javascript:": "javascript:alert(1)", "quotes and a handler": "\" onclick='alert(1)'",
    "a tag": "<img src=x onerror=x>",
    "a query and a fragment": "a?b#c", "percent signs": "%2e%2e%2f", "right-to-left override": "a\u202egpj",
    "an escape code": "a\x1b[2Jb", "a line feed": "a\nb", "two dots and more": "...",
    "a scheme and a host": "http:evil.test",
}  # fmt: skip


def link_folder(folder: Path, name: str) -> str:
    """A folder of that name, with a page of ours in it, below the folder whose index is written."""
    below = folder / name
    below.mkdir()
    write_index(below)
    write_index(folder)
    page = Shape((folder / "index.html").read_text(encoding="utf-8"))
    links = [one for one in page.addresses if one and not one.startswith(("#", "data:", "index.html", "../"))]
    assert all(not urlsplit(one).scheme and not urlsplit(one).netloc for one in links), "the link leads elsewhere"
    tags = {tag for tag, _ in page.tags} | {name for _, names in page.tags for name in names}
    assert not {"img", "onclick", "onerror"} & tags, "the name became a tag"
    check_printed(page.text + "goldfish swims")
    return "linked by its quoted name"


MUST = "shown as text: the same tags and attributes as with a harmless one"
ATTEMPTS: list[Attempt] = [
    *family("Pages: every text of the report", MUST, show_report, TRICKS),
    *family("Pages: every text of an index", MUST, show_index, TRICKS),
    *family("Pages: addresses of links and pictures", "no link, no picture", show_address, ADDRESSES),
    *family("Pages: names of folders", "a link to that folder, or none", link_folder, FOLDERS),
]
