"""JSON and TOML of strangers: length, number of values and depth are looked at before a parser is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import JSON, TOML, Limits, Refused
from relaionet.manifests.escape import message_of

# what is never closed reaches to the end, so that no part of it is looked at twice
STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
BRACKETS = re.compile(r"[\[{]|[\]}]")
# TOML: texts of three and of one mark, in either kind of mark, and comments
TOML_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\Z)|'
    r"\'\'\'(?:[^']|'(?!''))*+(?:'{3,5}|\Z)|"
    r'"(?:[^"\\\n]|\\[^\n])*+(?:"|\Z|(?=\\?\n))|'
    r"'[^'\n]*+(?:'|\Z|(?=\n))|#[^\n]*",
    re.DOTALL,
)
PART = r"[A-Za-z0-9_-]++"


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a file that is expected to be small.

    Args:
        path: of the file.
        most: bytes it may have.

    Raises:
        Refused: it is longer, or no file of bytes.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise Refused(f"{path} is no file.")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Refused(f"{path} is longer than {most:,} bytes.")
    return data


def parse_json(data: bytes | str, limits: Limits = JSON) -> Any:
    """A JSON text, parsed once it is known to be of bounded length, size and depth.

    Args:
        data: in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark.
        limits: how much it may hold.

    Raises:
        Refused: it is no JSON or holds more; the message has no file's name and no full stop.
    """
    if len(data) > limits.max_bytes:
        raise Refused(f"longer than {limits.max_bytes:,} bytes")
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
        text = text.removeprefix("\ufeff")
        openers = text.count("[") + text.count("{")
        if openers + text.count(",") > limits.max_members:
            raise Refused(f"more than {limits.max_members:,} values")
        if openers > limits.max_depth and _depth(STRING.sub("", text), limits.max_depth) > limits.max_depth:
            raise Refused(f"nested more than {limits.max_depth} levels deep")
        return json.loads(text)
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        raise Refused(message_of(error)) from None


def parse_toml(text: str, limits: Limits = TOML) -> dict[str, Any]:
    """A TOML text, parsed once it is known to be of bounded length and depth; a dotted key is as deep as its parts.

    Args:
        text: of the file.
        limits: how much it may hold.

    Raises:
        Refused: it is no TOML or holds more; the message has no file's name and no full stop.
    """
    if len(text) > limits.max_bytes:
        raise Refused(f"longer than {limits.max_bytes:,} characters")
    bare = TOML_TEXT.sub(_stand_in, text)
    if bare.count("=") + bare.count("[") + bare.count(",") > limits.max_members:
        raise Refused(f"more than {limits.max_members:,} values")
    dotted = rf"(?<![A-Za-z0-9_-])(?:{PART}[ \t]*+\.[ \t]*+){{{limits.max_depth}}}"
    if re.search(dotted, bare) or _depth(bare, limits.max_depth) > limits.max_depth:
        raise Refused(f"nested more than {limits.max_depth} levels deep")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(message_of(error)) from None


def _stand_in(found: re.Match[str]) -> str:
    return "" if found[0].startswith("#") else "s"


def _depth(text: str, enough: int) -> int:
    """How deep the brackets of a text stand in each other; counting ends above `enough`."""
    depth = deepest = 0
    for found in BRACKETS.finditer(text):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
        if deepest > enough:
            break
    return deepest


def read_toml(path: Path, limits: Limits = TOML) -> dict[str, Any]:
    """A TOML file in UTF-8, with or without a byte-order mark.

    Raises:
        Refused: it is none, or holds more; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    try:
        text = read_bounded(path, limits.max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("no UTF-8 text") from None
    return parse_toml(text.replace("\r\n", "\n"), limits)


def check_json_file(path: Path, limits: Limits = JSON) -> None:
    """Look at a JSON file somebody else's reader is about to read.

    Raises:
        Refused: it is none, or holds more; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    parse_json(read_bounded(path, limits.max_bytes), limits)
