"""Texts of strangers, read back by what reads them where they go."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import polars as pl
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.escape import (
    REPLACED,
    chart_text,
    drop_codes,
    escape_csv,
    escape_latex,
    escape_markdown,
    escape_yaml,
    markdown_code,
    markdown_link,
    message_of,
    one_line,
    safe_link,
    script_json,
    show_text,
    shown_json,
    unescape_csv,
    xml_text,
)
from relaionet.manifests.store import csv_bytes
from tests.depth import deep

MANY = settings(max_examples=deep(300), deadline=None)
# what each kind of place reads as more than text, so that examples meet it often
TELLING = [
    *"\\`*_{}[]<>()#+-.!|~$&:@^=%\"';,/\t\r\n\0\x1b\x07\x08\x0b\x0c\x7f\x9b\x85\u202e\u2066\u200b\u200d\ufeff\u2028\xa0",
    "https://", "www.", "javascript:", "<script>", "</script>", "-->", "![](", "1. ", "---", "```", "&lt;", "=1+1",
    "\x1b[2J", "\x1b]0;x\x07", "\ufe0f", "\u0301", "\U000e0041", "\ud800", "{{7*7}}", "\\input{/etc/passwd}", "^^4d",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(TELLING), st.characters(), st.text("abc 019", max_size=3)), max_size=12).map(
    "".join
)

# independent of the code: what moves a cursor, turns writing round, or takes no place
DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_hidden(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in DIRECTION
        or char in "\u200b\u200e\u200f\u061c\u2060\ufeff\u00ad\u034f\u3164\u115f"
        or 0xE0000 <= ord(char) <= 0xE01EF
    )


@MANY
@given(TEXTS)
def test_what_is_shown_holds_nothing_hidden(text: str) -> None:
    shown = show_text(text, lines=True)
    assert [hex(ord(char)) for char in shown if char != "\n" and is_hidden(char)] == []
    assert shown.count("\n") == text.replace("\r\n", "\n").count("\n")
    assert show_text(shown, lines=True) == shown
    assert "\n" not in show_text(text)
    shown.encode()
    error = str(BadInput(text))
    assert [char for char in error if char != "\n" and is_hidden(char)] == []


@pytest.mark.parametrize(
    "text",
    [
        "a goldfish", "Ein Goldfisch – größer", "金魚の写真", "कुत्ता", "می\u200cخواهم", "กระต่าย", "שלום",
        "👨\u200d👩\u200d👧 family", "e\u0301toile", "Ωμέγα", "10 € / m²",
    ],
)  # fmt: skip
def test_texts_of_people_are_shown_as_they_are(text: str) -> None:
    assert show_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", f"{REPLACED}[2J"), ("evil\u202egpj.exe", f"evil{REPLACED}gpj.exe"), ("a\tb\xa0c", "a b c"),
        ("pay\u200dpal", f"pay{REPLACED}pal"), ("❤\ufe0f", "❤"), ("Z" + "\u0301" * 90, "Z" + "\u0301" * 6),
        ("one\r\ntwo", "one  two"), ("\ud800", REPLACED), ("\x9b31m", f"{REPLACED}31m"),
    ],
)  # fmt: skip
def test_what_does_not_show_is_replaced(text: str, shown: str) -> None:
    assert show_text(text) == shown


class Seen(HTMLParser):
    """Tags and text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read_html(html: str) -> Seen:
    seen = Seen()
    seen.feed(html)
    seen.close()
    return seen


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@MANY
@given(TEXTS)
@example("1. list")
@example("# heading")
@example("closed #")
@example("http://x.test/ and www.x.test")
def test_markdown_shows_the_text_and_does_nothing(text: str) -> None:
    line = one_line(text)
    for around, tags in (
        ("{}", ["p"] if line else []), ("- {}", ["ul", "li"]), ("# {}", ["h1"]),
        ("| a | b |\n|---|---|\n| {} | 2 |", ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]),
    ):  # fmt: skip
        seen = read_html(MARKDOWN.render(around.format(escape_markdown(text))))
        assert seen.tags == tags
        assert " ".join(seen.text.split()) == " ".join({"|": f"a b {line} 2"}.get(around[0], line).split())


@MANY
@given(TEXTS)
def test_markdown_code_is_one_span(text: str) -> None:
    seen = read_html(MARKDOWN.render(f"| a |\n|---|\n| {markdown_code(text)} |"))
    assert seen.tags == ["table", "thead", "tr", "th", "tbody", "tr", "td", "code"]


@MANY
@given(TEXTS)
@example("https://x.test/a(b)_c_?q=1&r=2")
def test_a_link_leads_to_the_web_or_is_text(text: str) -> None:
    html = MARKDOWN.render(markdown_link(text))
    links = re.findall(r'href="([^"]*)"', html)
    assert all(link.startswith(("http://", "https://")) for link in links)
    assert "<script" not in html
    if safe_link(text):
        assert safe_link(text).startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
        "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//x.test/a", "https:", "https:///x", "http://[::1",
        "\x01javascript:alert(1)", "https://x.test/\u202egpj", "https://x.test/ a", "ftp://x.test/",
    ],
)  # fmt: skip
def test_other_addresses_are_no_links(address: str) -> None:
    assert safe_link(address) == ""
    assert "<a " not in MARKDOWN.render(markdown_link(address))


@MANY
@given(TEXTS)
def test_yaml_reads_the_text(text: str) -> None:
    expected = re.sub("[\ud800-\udfff]", REPLACED, text)
    document = f"name: {escape_yaml(text)}\nlicense: other\n"
    for loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        assert yaml.load(document, Loader=loader) == {"name": expected, "license": "other"}


# what TeX reads as more than a letter, once what was escaped is taken out
TEX_ESCAPED = re.compile(
    r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textquotedbl|textasciigrave)\{\}"
    r"|\\[&%$#_{}]|\$(?:\\approx|\\infty|\\times|\\downarrow|\\uparrow|-)\$|\{[\[\]*]\}"
)


@MANY
@given(TEXTS)
def test_latex_prints_the_text(text: str) -> None:
    escaped = escape_latex(text)
    assert re.findall(r"[\\{}$&#^_%~\[\]*\n\r]", TEX_ESCAPED.sub("", escaped)) == []
    assert len(TEX_ESCAPED.sub("x", escaped).replace("--", "-")) <= len(one_line(text))


# what spreadsheets take for the beginning of a formula, in any language
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would compute a cell, once it has stripped what it strips; a number is none."""
    return bool(FORMULA.match(cell.strip(" \t\r\n\xa0\ufeff\u200b\"\0\x0b\x0c")))  # fmt: skip


@MANY
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["=1+1", "-2", "+3", "@SUM(A1)", "\t=1", "\r=1", "x;=1", '";=1', "a\n=1"])
@example(["'=1", "''=1", "'", "\uff1d1+1", " =1", "\ufeff=1"])
def test_no_spreadsheet_computes_a_text(texts: list[str]) -> None:
    texts = [re.sub("[\ud800-\udfff]", REPLACED, text) for text in texts]
    table = pl.DataFrame({"text": texts, "number": [-1.5] * len(texts)})
    written = csv_bytes(table).decode()
    assert [unescape_csv(row["text"]) for row in csv.DictReader(io.StringIO(written, newline=""))] == texts
    for text in texts:
        assert unescape_csv(escape_csv(text)) == text
    for delimiter in ",;\t":
        read = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter)
        found = [cell for row in read for cell in row if is_formula(cell)]
        assert [cell for cell in found if not re.match(r"-1\.5", cell)] == []


@MANY
@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_json_in_a_page_ends_no_script(value: dict[str, str]) -> None:
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(shown_json(value)) == value
    assert [char for char in shown_json(value) if char != "\n" and is_hidden(char)] == []


@MANY
@given(TEXTS)
def test_xml_is_read_back(text: str) -> None:
    element = ET.Element("Header", value=xml_text(text))
    element.text = xml_text(text)
    read = ET.fromstring(ET.tostring(element, encoding="unicode"))
    assert read.get("value", "").replace("\r", "\n") == xml_text(text).replace("\r", "\n")


@settings(max_examples=deep(30), deadline=None)
@given(TEXTS)
@example(r"$\frac{1")
@example("$a$ $b$")
@example(r"\$x$")
def test_a_chart_sets_no_formula(text: str) -> None:
    from matplotlib.text import Text

    words, is_formula = Text()._preprocess_math(chart_text(text))
    assert not is_formula
    assert words == one_line(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1mbold\x1b[0m and \x1b[38;5;9mred\x1b[39m", "bold and red"), ("\x1b[2Ja\x1b[1;1Hb", "ab"),
        ("\x1b]8;;http://evil.test/\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]0;title\x07a", "a"), ("\x1bcx\x1b(0q", "xq"),
        ("a\x9b31mb", "ab"), ("cut off \x1b[3", "cut off "), ("\x1bP$qm\x1b\\a", "a"),
        ("plain [1m text é\n", "plain [1m text é\n"),
        ("\x1b]0;no end, and what to do", "0;no end, and what to do"),
    ],
)  # fmt: skip
def test_a_message_carries_no_terminal_codes(text: str, plain: str) -> None:
    """Nor their remains; a code without an end takes nothing of the message with it."""
    assert drop_codes(text) == plain
    for kind in (BadInput, Unavailable, Corrupt):
        assert str(kind(text)) == plain
    assert message_of(ValueError(text)) == " ".join(plain.split())


def test_a_message_is_cut_behind_its_codes() -> None:
    assert message_of(ValueError("\x1b[1m" * 50 + "x" * 300), 10) == "x" * 10
    assert message_of(KeyError()) == "KeyError"


@given(st.text(alphabet="\x1b[]m;0\x07\\P?A \x9b\n", max_size=400))
def test_messages_of_any_codes_are_plain(text: str) -> None:
    assert "\x1b" not in str(BadInput(text))
    assert "\x9b" not in str(BadInput(text))
    assert set(drop_codes(text)) <= set(text)
