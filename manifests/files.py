"""Files and digests: written whole or not at all, read with clear errors, named by what is in them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import JSON, Refused
from relaionet.manifests.containers.texts import parse_json, read_bounded
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.replacing import replacing

CHUNK_BYTES = 1 << 20
HEX_64 = r"[0-9a-f]{64}"  # what a sha256 looks like, in names and digests
CHUNK_ITEMS = 4096
LATER = {"later": True}  # metadata of a field: it counts only where it is set
EXPLAINS = {"explains": True}  # metadata of a field: it only tells people something, and counts nowhere


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hex, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def counted_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that count in digests and records, by name.

    A field with the metadata `LATER` was added after runs were made without it: where it has its default it is left
    out, so that what was made before keeps its digest. A field with the metadata `EXPLAINS` is always left out.
    """
    fields = [field for field in dataclasses.fields(value) if not field.metadata.get("explains")]
    held = {field.name: getattr(value, field.name) for field in fields}
    later = [field for field in dataclasses.fields(value) if field.metadata.get("later")]
    unset = {field.name for field in later if held[field.name] == _default(field)}
    return {name: item for name, item in held.items() if name not in unset}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(held) for name, held in counted_fields(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    raise BadInput(f"cannot digest a {type(value).__name__}; pass numbers, strings, lists, dicts or dataclasses.")


def digest_of(*parts: Any) -> str:
    """sha256 (hex, 64 digits) of anything made of dataclasses, dicts, lists, strings and numbers.

    Equal content gives equal digests on every machine; a path counts as its text, so pass the digest of a file or of
    its receipt where the content matters. Long lists are read in pieces.
    """
    digest = hashlib.sha256(b"[")
    for index, part in enumerate(parts):
        digest.update(b"," if index else b"")
        for text in _spell(part):
            digest.update(text.encode())
    digest.update(b"]")
    return digest.hexdigest()


def _spell(value: Any) -> Iterator[str]:
    """The JSON text of a value, a long list in pieces."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        yield json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return
    yield "["
    for start in range(0, len(value), CHUNK_ITEMS):
        part = _plain(list(value[start : start + CHUNK_ITEMS]))
        text = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield ("," if start else "") + text[1:-1]
    yield "]"


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write bytes to `path` so that it holds either the old content or all of the new, never a part."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def json_bytes(value: Any) -> bytes:
    """Indented JSON in UTF-8, with a line end, as it is stored.

    Args:
        value: anything JSON has a form for; half a surrogate pair in a text is written as JSON's escape of it.
    """
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, json_bytes(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: it does not exist or cannot be read.
        Corrupt: it is no JSON, or holds more than such a file does.
    """
    try:
        return parse_json(read_bounded(path, JSON.max_bytes))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.") from None
    except Refused as error:
        raise Corrupt(f"{path} is no JSON: {error}.") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        BadInput: it does not exist or cannot be read.
        Corrupt: it is no JSON, holds something else, or more than such a file does.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise Corrupt(f"{path} holds {type(found).__name__}; expected an object of keys and values.")
    return found
