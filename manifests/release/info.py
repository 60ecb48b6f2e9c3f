"""`release.json`: what a release says about itself, in every format there has been; read as a stranger's words.

format 0   no `format` key: the first releases
format 1   `format`, `needs_relaionet`; the digest is over rows as JSON without nulls, so that a column added later
           changes no older digest; decisions.parquet may lie beside the manifest; a row may have a path and no URL
format 2   fingerprints of the picture as it is shown: the manifest's `fingerprint_version` says of each row which they
           are, and a row without one has those of version 1
format 3   a row may have several addresses (`other_urls`), several classes (`wnids`), a path and a URL, and may be of
           the core (`is_core`); evidence.parquet and withdrawn.parquet may lie beside the manifest

A format that was ever written stays readable; a new one gets a new number and a new line here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import HEX_64
from relaionet.manifests.words import say_count

FORMAT = 3
# the first version of this package that reads FORMAT
NEEDS_RELAIONET = "0.1.0"
INFO_FILE = "release.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
MAX_INFO_BYTES, MAX_FILES = 16 << 20, 1000


@dataclass(frozen=True, kw_only=True)
class ReleaseInfo:
    """`release.json`.

    Attributes:
        name: of the release, without version.
        version: from 1.
        created: UTC, ISO 8601.
        rows_count: rows of the manifest.
        classes_count: classes with at least one row.
        digest: of the rows, what lies beside them, the name and the notes; equal content has equal digests.
        files: file name -> sha256 of its bytes, hex; all files but this one.
        class_counts: wnid -> rows.
        notes: how it was made: `miniature` and `simulated_reviewers` (true or false), `agreement`, `settings`,
            `lineage` (table -> digest), `limitations` (sentences), `adopted` (from what), and whatever else the maker
            wrote.
        format: of the release; see the module.
        needs_relaionet: the first version of relaionet that reads this format.
    """

    name: str
    version: int
    created: str
    rows_count: int
    classes_count: int
    digest: str
    files: Mapping[str, str]
    class_counts: Mapping[str, int]
    notes: Mapping[str, Any]
    format: int = field(default=0)
    needs_relaionet: str = field(default=NEEDS_RELAIONET)

    @property
    def full_name(self) -> str:
        """Name with version, as the folder is called."""
        return f"{self.name}-v{self.version}"


TYPES: dict[str, type] = {
    "name": str, "version": int, "created": str, "rows_count": int, "classes_count": int, "digest": str,
    "files": dict, "class_counts": dict, "notes": dict, "format": int, "needs_relaionet": str,
}  # fmt: skip
OPTIONAL = ("format", "needs_relaionet")


def read_info(folder: Path) -> ReleaseInfo:
    """Read `release.json` and check everything in it that needs no other file.

    Raises:
        BadInput: it is not there, is absurdly large, or of a format only a newer relaionet reads.
        Corrupt: it is no `release.json`.
    """
    path = folder / INFO_FILE
    told = _read_bounded(path)
    needed = {field.name for field in fields(ReleaseInfo)} - set(OPTIONAL)
    if isinstance(told, dict):
        _check_format(told, path)
    if not isinstance(told, dict) or not needed <= set(told):
        raise Corrupt(f"{path} is no release.json: expected the keys {', '.join(sorted(needed))}.")
    told = {key: value for key, value in told.items() if key in TYPES}
    for key, value in told.items():
        if not isinstance(value, TYPES[key]) or isinstance(value, bool):
            raise Corrupt(f"{path}: {key} is {type(value).__name__}, expected {TYPES[key].__name__}.")
    # a stranger's name is printed and names folders
    if not NAME.fullmatch(told["name"]) or not 1 <= told["version"] < 10**9:
        found = f"{told['name']!r:.80}, version {told['version']}"
        raise Corrupt(f"{path}: {found} is no name of a release: expected letters as in 'relaionet', 1.")
    _check_files(told["files"], path)
    _check_counts(told, path)
    if not re.fullmatch(HEX_64, told["digest"]) or not told["created"].isprintable() or len(told["created"]) > 40:
        raise Corrupt(f"{path}: digest is no 64 hex digits, or created is no time.")
    return ReleaseInfo(**told)


def _read_bounded(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_INFO_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.") from None
    if len(data) > MAX_INFO_BYTES:
        raise BadInput(f"{path} is longer than {MAX_INFO_BYTES:,} bytes; a release.json is not that large.")
    try:
        told = parse_json(data)
        json.dumps(told, ensure_ascii=False).encode()  # half a surrogate pair can be neither printed nor digested
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{path} is no JSON: {str(error)[:200]}.") from None
    return told


def _check_format(told: Mapping[str, Any], path: Path) -> None:
    found = told.get("format", 0)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise Corrupt(f"{path}: format is {found!r:.40}, expected a number from 0.")
    if found > FORMAT:
        needs = str(told.get("needs_relaionet", ""))
        needs = (
            f"relaionet {needs} or later" if re.fullmatch(r"\d{1,4}(\.\d{1,4}){0,3}", needs) else "a newer relaionet"
        )
        raise BadInput(
            f"{path}: the release is of format {found}; relaionet {metadata.version('relaionet')} reads formats 0 to "
            f"{FORMAT}. It needs {needs}: pip install --upgrade relaionet."
        )


def _check_files(files: Mapping[str, Any], path: Path) -> None:
    if len(files) > MAX_FILES:
        raise Corrupt(f"{path}: {say_count(len(files), 'file')}; expected at most {MAX_FILES:,}.")
    for name, sha256 in files.items():
        if not FILE_NAME.fullmatch(name) or name == INFO_FILE:
            raise Corrupt(f"{path}: files names {name!r:.80}, which is no file name inside the release.")
        if not isinstance(sha256, str) or not re.fullmatch(HEX_64, sha256):
            raise Corrupt(f"{path}: files gives {name} {sha256!r:.80}; expected a sha256, 64 hex digits.")


def _check_counts(told: Mapping[str, Any], path: Path) -> None:
    counts = told["class_counts"]
    if len(counts) > 1000 or not all(_is_count(count) for count in counts.values()):
        raise Corrupt(f"{path}: class_counts are no numbers from 0 for at most 1000 classes.")
    if not _is_count(told["rows_count"]) or not _is_count(told["classes_count"]):
        raise Corrupt(f"{path}: rows_count and classes_count: expected numbers from 0.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
