"""Text tables of strangers: comma- and tab-separated, JSON lines, in any encoding, packed or not."""

from __future__ import annotations

import bz2
import codecs
import gzip
from collections.abc import Iterator

from tests.attempts.tables.trying import TableAttempt

A, B, C = (f"http://a.example/{name}.jpg" for name in "abc")
HEAD = "url,caption\n"
ROWS = f"{A},a goldfish\n{B},a tench\n{C},a hen\n"
OBJECTS = "".join(f'{{"url": "{url}", "caption": "a goldfish"}}\n' for url in (A, B, C))
MANY = "".join(f"http://a.example/{number}.jpg,a goldfish\n" for number in range(5_000))

COMMA = {
    "an opening quote before a caption": (
        f'{HEAD}{A},"a goldfish\n{B},a tench\n{C},a hen\n',
        "3 rows: 1 malformed, 2 ok",
    ),
    "opening quotes before two captions": (
        f'{HEAD}{A},"a goldfish\n{B},a tench\n{C},"a hen\n',
        "3 rows: 2 malformed, 1 ok",
    ),
    "a closing quote without an opening one": (f'{HEAD}{A},a goldfish"\n{B},a tench\n', "2 rows: 2 ok"),
    "opening and closing quotes rows apart": (
        f'{HEAD}{A},"a goldfish\n{B},a tench\n{C},a hen"\n',
        "3 rows: 1 malformed, 2 ok",
    ),
    "a quote before an address": (f'{HEAD}"{A},a goldfish\n{B},a tench\n{C},a hen\n', "3 rows: 1 malformed, 2 ok"),
    "captions first, a quote before one": (
        f'caption,url\n"a goldfish,{A}\na tench,{B}\na hen,{C}\n',
        "3 rows: 1 malformed, 2 ok",
    ),
    "captions first, quotes rows apart": (
        f'caption,url\n"a goldfish,{A}\na tench",{B}\na hen,{C}\n',
        "3 rows: 1 malformed, 2 ok",
    ),
    "a quote in the middle of a caption": (f'{HEAD}{A},a 5" goldfish\n{B},a tench\n', "2 rows: 2 ok"),
    "a quote in the middle of a quoted caption": (
        f'{HEAD}{A},"a 5" goldfish"\n{B},a tench\n',
        "2 rows: 1 malformed, 1 ok",
    ),
    "a quote escaped with a backslash": (f'{HEAD}{A},"a \\"5\\" goldfish"\n{B},a tench\n', "2 rows: 1 malformed, 1 ok"),
    "a quote that opens in the last line": (f'{HEAD}{A},a goldfish\n{B},"a tench', "2 rows: 1 malformed, 1 ok"),
    "a quote alone on the last line": (f'{HEAD}{A},a goldfish\n"', "2 rows: 1 malformed, 1 ok"),
    "a quote in the line of names": (f'url,"caption\n{ROWS}', "4 rows: 1 malformed, 3 ok"),
    "three quotes before a caption": (f'{HEAD}{A},"""a goldfish\n{B},a tench\n', "2 rows: 1 malformed, 1 ok"),
    "two quotes after a caption": (f'{HEAD}{A},"a goldfish""\n{B},a tench\n', "2 rows: 1 malformed, 1 ok"),
    "an opening quote before every caption": (f"{HEAD}{MANY}".replace(",a", ',"a'), "5000 rows: 5000 malformed"),
    "an opening quote before 5,000 rows": (f'{HEAD}{A},"a goldfish\n{MANY}', "5001 rows: 1 malformed, 5000 ok"),
    "a whole quoted caption of three lines": (f'{HEAD}{A},"a\n\ngoldfish"\n{B},a tench\n', "2 rows: 2 ok"),
    "a quoted caption of three lines before its address": (
        f'caption,url\n"a\r\nlarge,\ngoldfish",{A}\n',
        "1 rows: 1 ok",
    ),
    "a row within a quoted caption": (f'{HEAD}{A},"see\n{B},a tench\n"\n{C},a hen\n', "4 rows: 2 malformed, 2 ok"),
    "rows of too many and too few fields": (f"{HEAD}{A}\n{B},a tench,5\n{C},a hen\n", "3 rows: 2 malformed, 1 ok"),
    "empty lines": (f"\n{HEAD}\n{ROWS}\n", "6 rows: 3 malformed, 3 ok"),
    "lines that end in three ways": (f"{HEAD}{A},a goldfish\r\n{B},a tench\r{C},a hen\n", "3 rows: 3 ok"),
    "lines that end with CR": (f"{HEAD}{ROWS}".replace("\n", "\r"), "3 rows: 3 ok"),
    "lines that end with CR CR LF": (f"{HEAD}{ROWS}".replace("\n", "\r\r\n"), "3 rows: 3 ok"),
    "a CR within a caption": (f"{HEAD}{A},a large\rgoldfish\n{B},a tench\n", "2 rows: 2 ok"),
    "semicolons": (f"{HEAD}{ROWS}".replace(",", ";"), "3 rows: 3 ok"),
    "tabs": (f"{HEAD}{ROWS}".replace(",", "\t"), "3 rows: 3 ok"),
    "bars": (f"{HEAD}{ROWS}".replace(",", "|"), "3 rows: 3 ok"),
    "no line of names": (ROWS, "3 rows: 3 ok"),
    "nothing but a line of names": (HEAD, "0 rows"),
    "nothing but empty lines": ("\n\n\n", "refused: none of its first lines is a row"),
    "two columns of one name": (
        f"url,caption,caption\n{A},a goldfish,a tench\n",
        "refused: 2 columns are called 'caption'",
    ),
    "two columns that differ in case": (
        f"URL,Caption,CAPTION\n{A},a goldfish,a tench\n",
        "refused: differ in upper and lower",
    ),
    "two unused columns of one name": (f"url,caption,x,x\n{A},a goldfish,1,2\n", "1 rows: 1 ok"),
    "NUL characters": (f"{HEAD}{A},a \0goldfish\nhttp://\0,a tench\n", "2 rows: 1 bad_text, 1 bad_url"),
    "a line of 6 MB": (f"{HEAD}{A},{'a' * 6_000_000}\n{B},a tench\n", "2 rows: 1 malformed, 1 ok"),
    "a quoted caption of 6 MB in many lines": (
        f'{HEAD}{A},"{"goldfish " * 10}\n' + "large goldfish\n" * 400_000 + f'"\n{B},a tench\n',
        "400003 rows: 400002 malformed, 1 ok",
    ),
    "a thousand columns": ("url,caption" + ",x" * 1000 + f"\n{A},a goldfish" + ",1" * 1000 + "\n", "1 rows: 1 ok"),
    "a million commas": (f"{HEAD}{',' * 1_000_000}\n{A},a goldfish\n", "2 rows: 1 malformed, 1 ok"),
}

OBJECT_LINES = {
    "a field that comes late": (
        OBJECTS + f'{{"url": "{A}?", "caption": "a hen", "punsafe": 0.99}}\n',
        "4 rows: 3 ok, 1 unsafe",
    ),
    "a field that only the first line has": (
        f'{{"url": "{A}", "caption": "a hen", "punsafe": 0.99}}\n' + OBJECTS[len(OBJECTS) // 3 :],
        "3 rows: 2 ok, 1 unsafe",
    ),
    "captions from the second line on": (f'{{"url": "{A}?"}}\n{OBJECTS}', "4 rows: 1 no_label, 3 ok"),
    "a field of another collection, after 30,000 lines": (
        OBJECTS.splitlines()[0] + "\n" + "{}\n" * 30_000 + f'{{"url": "{B}", "text": "a hen", "NSFW": "NSFW"}}\n',
        "30002 rows: 30000 bad_url, 1 ok, 1 unsafe",
    ),
    "addresses after 30,000 lines": ('{"caption": "a hen"}\n' * 30_000 + OBJECTS, "30003 rows: 30000 bad_url, 3 ok"),
    "numbers and texts by turns": (
        f'{{"url": "{A}", "caption": 7, "width": "640", "height": 1e2}}\n{OBJECTS[len(OBJECTS) // 3 :]}',
        "3 rows: 1 no_label, 2 ok",
    ),
    "a list as a caption": (
        f'{{"url": "{A}?", "caption": ["a goldfish", "a hen"]}}\n{OBJECTS}',
        "4 rows: 1 bad_text, 3 ok",
    ),
    "an object as an address": (
        f'{{"url": {{"href": "{A}"}}, "caption": "a hen"}}\n{OBJECTS}',
        "4 rows: 1 bad_url, 3 ok",
    ),
    "lists as captions throughout": (
        OBJECTS.replace('"a goldfish"', '["a goldfish"]'),
        "refused: column 'caption' holds lists; expected text",
    ),
    "lists as sizes throughout": (OBJECTS.replace("}", ', "width": [1, 2]}'), "3 rows: 3 ok"),
    "NaN as a caption": (OBJECTS.replace('"a goldfish"', "NaN", 1), "3 rows: 1 no_label, 2 ok"),
    "NaN and Infinity as sizes": (OBJECTS.replace("}", ', "width": NaN, "height": -Infinity}'), "3 rows: 3 ok"),
    "two values of one name": (
        f'{{"url": "{A}?", "caption": "a hen", "caption": "a goldfish"}}\n{OBJECTS}',
        "4 rows: 1 malformed, 3 ok",
    ),
    "one value twice under one name": (f'{{"url": "{A}?", "url": "{A}?", "caption": "a hen"}}\n', "1 rows: 1 ok"),
    "a JSON array on one line": (f"[{','.join(OBJECTS.splitlines())}]", "refused: it holds a JSON array"),
    "a JSON array of several lines": (
        f"[\n{','.join(OBJECTS.splitlines(keepends=True))}]\n",
        "refused: it holds a JSON array",
    ),
    "an array on every line": (f'["url", "caption"]\n["{A}", "a goldfish"]\n', "refused: it holds a JSON array"),
    "an array on one line of several": (f"{OBJECTS}[1, 2]\n", "4 rows: 1 malformed, 3 ok"),
    "an object of several lines": (OBJECTS.replace(", ", ",\n  "), "refused: no line of it is a whole JSON object"),
    "comma-separated values": (f"{HEAD}{ROWS}", "refused: no line of it is a JSON object"),
    "no JSON at all": ("a goldfish\n", "refused: no line of it is a JSON object"),
    "empty lines": (f"\n{OBJECTS}\n\n", "6 rows: 3 malformed, 3 ok"),
    "a last line that is cut": (OBJECTS[:-30], "3 rows: 1 malformed, 2 ok"),
    "lines that end in three ways": (OBJECTS.replace("\n", "\r\n", 1).replace('"}\n', '"}\r', 1), "3 rows: 3 ok"),
    "100,000 brackets": (f'{{"url": {"[" * 100_000}\n{OBJECTS}', "4 rows: 1 malformed, 3 ok"),
    "a number of 100,000 digits": (
        OBJECTS.replace("}", f', "width": {"9" * 100_000}}}', 1),
        "3 rows: 1 malformed, 2 ok",
    ),
    "a number of 400 digits": (OBJECTS.replace("}", f', "width": {"9" * 400}}}', 1), "3 rows: 3 ok"),
    "halves of characters": (OBJECTS.replace("goldfish", "\\ud800", 1), "3 rows: 1 bad_text, 2 ok"),
    "a line of 6 MB": (f'{{"url": "{"a" * 6_000_000}"}}\n{OBJECTS}', "4 rows: 1 malformed, 3 ok"),
    "another field in each of 20,000 lines": (
        "".join(f'{{"url": "http://a.example/{n}", "caption": "a hen", "k{n}": 1}}\n' for n in range(20_000)),
        "20000 rows: 20000 ok",
    ),
}

TEXT = f"{HEAD}{ROWS}"
ENCODED = {
    "UTF-8 with a byte-order mark": (codecs.BOM_UTF8 + TEXT.encode(), "3 rows: 3 ok"),
    "UTF-8 with a mark, no line of names": (codecs.BOM_UTF8 + ROWS.encode(), "3 rows: 3 ok"),
    "UTF-16 with a mark": (TEXT.encode("utf-16"), "3 rows: 3 ok"),
    "UTF-16, big end first, with a mark": (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "3 rows: 3 ok"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "3 rows: 3 ok"),
    "UTF-16, big end first, without a mark": (TEXT.encode("utf-16-be"), "3 rows: 3 ok"),
    "UTF-16, cut within a character": (TEXT.encode("utf-16")[:-3], "3 rows: 1 bad_text, 2 ok"),
    "UTF-32": (TEXT.encode("utf-32"), "refused: its text is in UTF-32"),
    "Latin-1": (TEXT.replace("tench", "tête").encode("latin-1"), "3 rows: 1 bad_text, 2 ok"),
    "halves of characters in UTF-8": (
        TEXT.replace("tench", "\ud800").encode("utf-8", "surrogatepass"),
        "3 rows: 1 bad_text, 2 ok",
    ),
    "a parquet file by another name": (
        b"PAR1" + bytes(100) + b"PAR1",
        "refused: its bytes are not those of a csv file",
    ),
    "a gzip file by another name": (
        gzip.compress(TEXT.encode(), mtime=0),
        "refused: its bytes are not those of a csv file",
    ),
    "a workbook by another name": (b"PK\x03\x04" + bytes(100), "refused: its bytes are not those of a csv file"),
}

LONG = (HEAD + MANY).encode()
PACKED = {
    "gzip": ("t.csv.gz", gzip.compress(LONG, mtime=0), "5000 rows: 5000 ok"),
    "gzip, cut": ("t.csv.gz", gzip.compress(LONG, mtime=0)[:-9], "refused: it ends early"),
    "gzip, changed": (
        "t.csv.gz",
        gzip.compress(LONG, mtime=0)[:500] + b"\xff" * 9 + gzip.compress(LONG, mtime=0)[509:],
        "refused: damaged",
    ),
    "gzip, in two parts": (
        "t.csv.gz",
        gzip.compress(HEAD.encode(), mtime=0) + gzip.compress(MANY.encode(), mtime=0),
        "5000 rows: 5000 ok",
    ),
    "gzip with its checksum wrong": ("t.csv.gz", gzip.compress(LONG, mtime=0)[:-8] + bytes(8), "refused: damaged"),
    "no gzip at all": ("t.csv.gz", LONG, "refused: damaged"),
    "bzip2, cut": ("t.csv.bz2", bz2.compress(LONG)[:-5], "refused: it ends early"),
    "JSON lines in bzip2": ("t.jsonl.bz2", bz2.compress(OBJECTS.encode()), "3 rows: 3 ok"),
    "1 GB of one letter in 1 MB of gzip": (
        "t.csv.gz",
        gzip.compress(TEXT.encode(), mtime=0) + gzip.compress(b"a" * (64 << 20), mtime=0) * 16,
        "4 rows: 1 malformed, 3 ok",
    ),
}


def text_attempts() -> Iterator[TableAttempt]:
    """All of them."""
    for name, (text, outcome) in COMMA.items():
        yield TableAttempt(
            kind="Comma-separated tables", name=name, file="t.csv", content=text.encode(), outcome=outcome
        )
    for name, (text, outcome) in OBJECT_LINES.items():
        yield TableAttempt(kind="JSON lines", name=name, file="t.jsonl", content=text.encode(), outcome=outcome)
    for name, (content, outcome) in ENCODED.items():
        yield TableAttempt(kind="Encodings of tables", name=name, file="t.csv", content=content, outcome=outcome)
    for name, (file, content, outcome) in PACKED.items():
        yield TableAttempt(kind="Packed tables", name=name, file=file, content=content, outcome=outcome)
