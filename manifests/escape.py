"""Texts of strangers as they may stand where they go: a terminal, a page, Markdown, YAML, LaTeX, a spreadsheet, XML.

A caption, a name, an address or an answer of a server is data until something reads it as more: escape codes move a
terminal's cursor, `=` begins a formula, `]` ends a link. There is one function for each kind of place. What writes to
such a place calls it, so that nobody else has to think of it; tests hold every place to that.

Tables that programs read (parquet, JSON) keep texts as they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

REPLACED = "\N{REPLACEMENT CHARACTER}"
MARKS_IN_A_ROW = 6  # accents on one letter; scripts that are written have fewer

# characters with a category of letters or marks that show nothing
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d"
_SELECTORS = re.compile("[\ufe00-\ufe0f]")


def show_text(text: str, *, lines: bool = False) -> str:
    """A text of which every character shows, and none does anything: for terminals, pages and messages.

    Spaces of all kinds and line ends become spaces. Joiners stay between letters and signs that are joined. All else
    that is no sign of its own (control and escape codes, marks of direction, zero-width and private characters, halves
    of surrogate pairs) becomes U+FFFD.

    Args:
        text: anything.
        lines: keep line feeds.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        return "\n".join(show_text(line) for line in text.replace("\r\n", "\n").split("\n"))
    shown: list[str] = []
    marks_count = 0
    for place, char in enumerate(text):
        kind = unicodedata.category(char)
        marks_count = marks_count + 1 if kind in ("Mn", "Me") else 0
        if char.isspace() or kind[0] == "Z":
            shown.append(" ")
        elif _SELECTORS.match(char) or marks_count > MARKS_IN_A_ROW:
            continue
        elif char in _JOINERS and _is_joined(text, place):
            shown.append(char)
        else:
            shown.append(char if char.isprintable() and not _BLANK.match(char) else REPLACED)
    return "".join(shown)


# of ECMA-48: control sequences (one that was cut off ends with the text), strings up to their end (titles, links, the
# clipboard), and the short ones. A string without an end near by would take the rest of a message with it.
_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
    r"|(?:\x1b[P\]X^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,200}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)


def drop_codes(text: str) -> str:
    """A message of a program without the codes by which it is bold, coloured or linked on a terminal.

    Args:
        text: anything; what is left of broken codes is for `show_text`.
    """
    return _CODES.sub("", text) if not text.isprintable() else text


def message_of(error: BaseException, most_chars: int = 200) -> str:
    """What an exception of a library says, on one line without terminal codes; its kind where it says nothing.

    Args:
        error: of any kind.
        most_chars: characters kept.
    """
    return " ".join(drop_codes(str(error)).split())[:most_chars] or type(error).__name__


def _is_joined(text: str, place: int) -> bool:
    """Whether a joiner stands between signs of scripts and emoji that joiners are made for."""
    before = text[:place].rstrip("\ufe0f")[-1:]
    return all(one and not one.isascii() and one.isprintable() for one in (before, text[place + 1 : place + 2]))


def one_line(text: str, most_chars: int = 2000) -> str:
    """A text on one line, its spaces run together, cut where it is too long.

    Args:
        text: anything.
        most_chars: characters kept.
    """
    line = " ".join(show_text(text[: 4 * most_chars]).split())
    return line if len(line) <= most_chars else line[: most_chars - 1] + "…"


_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$!&#])|((?<=[a-z]):(?=//))|((?<=www)\.)|(@)", re.IGNORECASE)
_MARKDOWN_START = re.compile(r"^(\s*)(?:([-+=])|(\d+)([.)]))")


def escape_markdown(text: str) -> str:
    """A text as a run of Markdown (CommonMark, GitHub's and the Hub's) that shows it and does nothing else.

    It may stand anywhere but in code: at the start of a line, in a list, in a cell of a table.

    Args:
        text: anything; it comes out on one line.
    """
    line = _MARKDOWN.sub(r"\\\g<0>", one_line(text))
    return _MARKDOWN_START.sub(lambda found: f"{found[1]}{found[3] or ''}\\{found[2] or found[4]}", line)


def markdown_code(text: str) -> str:
    """A text as a code span of Markdown.

    Args:
        text: anything; it comes out on one line.
    """
    line = one_line(text).replace("|", "\N{BROKEN BAR}") or " "
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def markdown_link(address: str) -> str:
    """An address of the web as a link of Markdown; anything else as text."""
    safe = safe_link(address)
    if not safe or not re.fullmatch(r"[\x21-\x7e]+", safe) or re.search(r"[<>\\`|]", safe):
        return escape_markdown(address)
    return f"<{safe}>"


def safe_link(address: str) -> str:
    """An address of the web, `http` or `https` with a host, or ""; nothing that runs a script or opens a file."""
    stripped = address.strip()
    if not stripped.isprintable() or " " in stripped:
        return ""
    try:
        parts = urlsplit(stripped)
        return stripped if parts.scheme in ("http", "https") and parts.hostname else ""
    except ValueError:
        return ""


def escape_yaml(text: str) -> str:
    """A text as a double-quoted scalar of YAML, on one line.

    Args:
        text: anything; halves of surrogate pairs, which YAML has no form for, become U+FFFD.
    """
    return '"' + "".join(map(_yaml_char, text)) + '"'


def _yaml_char(char: str) -> str:
    code = ord(char)
    if char in '"\\':
        return f"\\{char}"
    if 0xD800 <= code <= 0xDFFF:
        return REPLACED
    if char == " " or (char.isprintable() and not _BLANK.match(char)):
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "≈": r"$\approx$", "∞": r"$\infty$", "–": "--",
    "−": "$-$", "×": r"$\times$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "<": r"\textless{}", ">": r"\textgreater{}",
    # after the \\ that ends a row of a table these two would be its options
    "[": "{[}", "*": "{*}", "]": "{]}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
}  # fmt: skip


def escape_latex(text: str) -> str:
    """A text as LaTeX that prints it, in a cell of a table or a caption; a character TeX has no sign for stays.

    Args:
        text: anything; it comes out on one line.
    """
    return "".join(_LATEX.get(char, char) for char in one_line(text))


# what begins a formula in some spreadsheet, where a cell begins: at the start, or behind what another setting of the
# program takes for the end of a cell. Blanks and quotes in between are stripped on reading.
_CELL = r"(^|[;\t\r\n])([\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff" + '"]*)'
CSV_FORMULA = _CELL + r"('*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])"
_CSV_ESCAPED = _CELL + r"'('*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])"


def escape_csv(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula: an apostrophe stands before what would begin one.

    Args:
        text: anything.

    Returns:
        The text; `unescape_csv` gives the one that was put in.
    """
    return re.sub(CSV_FORMULA, r"\1\2'\3", text)


def unescape_csv(text: str) -> str:
    """The text that `escape_csv` was given."""
    return re.sub(_CSV_ESCAPED, r"\1\2\3", text)


_UNSAFE_IN_SCRIPTS = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def script_json(value: Any) -> str:
    """JSON that may also stand in a `<script>` of a page, where search engines look for it.

    Args:
        value: anything JSON has a form for.
    """
    return json.dumps(value, indent=2, ensure_ascii=False).translate(_UNSAFE_IN_SCRIPTS)


def shown_json(value: Any) -> str:
    """JSON of which every character shows, for programs that read what a command prints, and for the terminal.

    Args:
        value: anything JSON has a form for, or that has a text.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "".join(char if char == "\n" or char == show_text(char) else _json_char(char) for char in text)


def _json_char(char: str) -> str:
    return json.dumps(char)[1:-1]


_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """A text without the characters XML has no form for; whoever writes the XML escapes the others.

    Args:
        text: anything.
    """
    return _NOT_IN_XML.sub(REPLACED, text)


def chart_text(text: str) -> str:
    """A text as a label of a chart: matplotlib sets what stands between two `$` as a formula, or fails.

    Args:
        text: anything; it comes out on one line.
    """
    return one_line(text).replace("$", r"\$")
