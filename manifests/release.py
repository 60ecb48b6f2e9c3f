"""Releases: a manifest with everything needed to check it and to say what it is; written once, never changed.

    <folder>/<name>-v<n>/manifest.parquet  release.json  README.md  croissant.json

A manifest read from anywhere is a stranger's: it is checked whole before anything is done with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import labels_table
from relaionet.manifests.release_card import write_card, write_croissant
from relaionet.manifests.store import digest_of, file_sha256, read_json, write_json
from relaionet.manifests.tables import MANIFEST, check_table, shape_table

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
VERSION_FOLDER = re.compile(r"(?P<name>.+)-v(?P<version>[1-9][0-9]{0,8})")
MANIFEST_FILE, INFO_FILE, CARD_FILE, CROISSANT_FILE = "manifest.parquet", "release.json", "README.md", "croissant.json"
MAX_URL_CHARS = 8192
# columns later than the first release: a manifest without them is read as null there, and its digest is without them
LATER_COLUMNS = ("thumbprint",)


@dataclass(frozen=True, kw_only=True)
class ReleaseInfo:
    """`release.json`.

    Attributes:
        name: of the release, without version.
        version: from 1.
        created: UTC, ISO 8601.
        rows_count: rows of the manifest.
        classes_count: classes with at least one row.
        digest: of the manifest's content, the name and the notes; equal content has equal digests.
        files: file name -> sha256 of its bytes, hex; all files but this one.
        class_counts: wnid -> rows.
        notes: how it was made: `miniature` and `simulated_reviewers` (true or false), `agreement`, `settings`,
            `lineage` (table -> digest), `limitations` (sentences), and whatever else the maker wrote.
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

    @property
    def full_name(self) -> str:
        """Name with version, as the folder is called."""
        return f"{self.name}-v{self.version}"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release that was read and checked: its folder, `release.json`, and MANIFEST rows."""

    path: Path
    info: ReleaseInfo
    manifest: pl.DataFrame


def content_digest(manifest: pl.DataFrame, name: str, notes: Mapping[str, Any]) -> str:
    """sha256 (hex) of a manifest's rows whatever their order and encoding, its name and its notes."""
    unused = [name for name in LATER_COLUMNS if manifest[name].null_count() == manifest.height]
    columns = [name for name in MANIFEST.columns if name not in unused]
    lines = manifest.sort("candidate_id").select(columns).write_ndjson()
    return digest_of(hashlib.sha256(lines.encode()).hexdigest(), name, notes)


def check_manifest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a manifest's rows if every value is what it claims to be.

    Raises:
        BadInput: a column is missing, or a row breaks a rule; the message names the first such row and the rule.
    """
    missing = [pl.lit(None, pl.String).alias(name) for name in LATER_COLUMNS if name not in rows.columns]
    rows = shape_table(rows.with_columns(missing), MANIFEST)
    try:
        check_table(rows, MANIFEST)
    except Corrupt as error:
        raise BadInput(str(error)) from None
    known = labels_table().select("wnid", pl.col("class_index").alias("known_index"))
    checked = rows.join(known, on="wnid", how="left", maintain_order="left")
    hex_64 = r"^[0-9a-f]{64}$"
    rules = {
        "candidate_id is no 64 hex digits": pl.col("candidate_id").str.contains(hex_64),
        "image_sha256 is no 64 hex digits": pl.col("image_sha256").str.contains(hex_64),
        "phash is no 16 hex digits": pl.col("phash").str.contains(r"^[0-9a-f]{16}$"),
        "thumbprint is no 768 hex digits": pl.col("thumbprint").fill_null("0" * 768).str.contains(r"^[0-9a-f]{768}$"),
        "url is not http(s)": pl.col("url").str.contains(r"^(?i:https?)://[^\s/?#]+[^\s\x00-\x1f]*$"),
        f"url is longer than {MAX_URL_CHARS} characters": pl.col("url").str.len_chars() <= MAX_URL_CHARS,
        "wnid is no ImageNet-1k wnid": pl.col("known_index").is_not_null(),
        "class_index is not the wnid's": pl.col("class_index") == pl.col("known_index"),
        "bytes_count or a size is not positive": pl.all_horizontal(pl.col("bytes_count", "width_px", "height_px") > 0),
        "votes are not 0 ≤ yes_count ≤ votes_count": (pl.col("yes_count") >= 0)
        & (pl.col("yes_count") <= pl.col("votes_count")),
        "selection_frac is not between 0 and 1": pl.col("selection_frac").is_between(0, 1),
    }
    for rule, holds in rules.items():
        wrong = checked.filter(~holds.fill_null(value=False))
        if not wrong.is_empty():
            shown = repr(wrong["candidate_id"][0])[:80]
            raise BadInput(f"manifest: {rule} in {wrong.height} of {rows.height} rows, first candidate_id {shown}.")
    return rows


def _versions(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = VERSION_FOLDER.fullmatch(path.name)
        if match and (path / INFO_FILE).is_file():
            found.setdefault(match["name"], []).append(int(match["version"]))
    return {name: sorted(versions) for name, versions in found.items()}


def make_release(manifest: pl.DataFrame, folder: Path, *, name: str = "relaionet", notes: Mapping[str, Any]) -> Path:
    """Write a manifest as the next version of a release.

    Args:
        manifest: MANIFEST rows, in any order.
        folder: holds the versions, `<name>-v1`, `<name>-v2`, …
        name: lower-case letters, digits, `.`, `_`, `-`.
        notes: as in `ReleaseInfo`; part of the content, so leave out what differs from run to run (times, paths).

    Returns:
        The version's folder. The same content again gives the version that is there; older versions are never touched.

    Raises:
        BadInput: the name is unfit, or a row of the manifest breaks a rule.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"release name '{name}': expected lower-case letters, digits, '.', '_' and '-'.")
    rows = check_manifest(manifest).sort("class_index", "candidate_id")
    digest = content_digest(rows, name, notes)
    versions = _versions(folder).get(name, [])
    for version in versions:
        path = folder / f"{name}-v{version}"
        if _read_info(path).digest == digest:
            return path
    version = versions[-1] + 1 if versions else 1
    return _write_version(rows, folder, name, version, digest, notes)


def _write_version(
    rows: pl.DataFrame, folder: Path, name: str, version: int, digest: str, notes: Mapping[str, Any]
) -> Path:
    path = folder / f"{name}-v{version}"
    part = folder / f"{path.name}.{os.getpid()}.part"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    counts = dict(rows.group_by("wnid").len().sort("wnid").iter_rows())
    part.mkdir(parents=True)
    try:
        rows.write_parquet(part / MANIFEST_FILE, compression="zstd", statistics=True)
        about: dict[str, Any] = {
            "name": name, "version": version, "created": created, "rows_count": rows.height,
            "classes_count": len(counts), "digest": digest, "class_counts": counts, "notes": dict(notes),
        }  # fmt: skip
        sha256 = file_sha256(part / MANIFEST_FILE)
        write_card(part / CARD_FILE, about, rows)
        write_croissant(part / CROISSANT_FILE, about, sha256)
        files = {file: file_sha256(part / file) for file in (MANIFEST_FILE, CARD_FILE, CROISSANT_FILE)}
        write_json(part / INFO_FILE, asdict(ReleaseInfo(**about, files=files)))
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _read_info(path: Path) -> ReleaseInfo:
    told = read_json(path / INFO_FILE)
    expected: dict[str, type] = {
        "name": str, "version": int, "created": str, "rows_count": int, "classes_count": int, "digest": str,
        "files": dict, "class_counts": dict, "notes": dict,
    }  # fmt: skip
    names = {field.name for field in fields(ReleaseInfo)}
    if not isinstance(told, dict) or not names <= set(told):
        raise Corrupt(f"{path / INFO_FILE} is no release.json: expected the keys {', '.join(sorted(names))}.")
    for key, kind in expected.items():
        if not isinstance(told[key], kind):
            raise Corrupt(f"{path / INFO_FILE}: {key} is {type(told[key]).__name__}, expected {kind.__name__}.")
    # a stranger's name is printed and names folders
    if not NAME.fullmatch(told["name"]) or told["version"] < 1:
        found = f"{told['name']!r:.80}, version {told['version']}"
        raise Corrupt(f"{path / INFO_FILE}: {found} is no name of a release: expected letters as in 'relaionet', 1.")
    return ReleaseInfo(**{key: told[key] for key in names})


def find_release(path: Path) -> Path:
    """The folder of one release: `path` itself, or the newest version inside it.

    Raises:
        BadInput: there is none, or releases of several names.
    """
    if (path / INFO_FILE).is_file():
        return path
    if not path.is_dir():
        raise BadInput(f"{path}: no such folder; expected a release (a folder with {INFO_FILE}).")
    versions = _versions(path)
    if len(versions) != 1:
        found = "none" if not versions else "several: " + ", ".join(sorted(versions))
        raise BadInput(f"{path}: expected a release or versions of one release inside; found {found}.")
    name, numbers = next(iter(versions.items()))
    return path / f"{name}-v{numbers[-1]}"


def read_release(path: Path) -> Release:
    """Read a release and check its manifest whole.

    Args:
        path: a release's folder, or a folder of versions, of which the newest is taken.

    Raises:
        BadInput: no release there, or its manifest breaks a rule.
        Corrupt: a file is missing, unreadable, or not what `release.json` says.
    """
    path = find_release(Path(path))
    info = _read_info(path)
    file = path / MANIFEST_FILE
    if not file.is_file():
        raise Corrupt(f"{file} is missing; fetch the release again.")
    if info.files.get(MANIFEST_FILE) != file_sha256(file):
        raise Corrupt(f"{file} is not what {INFO_FILE} says; fetch the release again.")
    try:
        rows = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{file} cannot be read as parquet: {str(error).splitlines()[0]}.") from None
    return Release(path=path, info=info, manifest=check_manifest(rows))


def check_release(path: Path) -> Release:
    """Read a release and check every byte and every count of it.

    Raises:
        BadInput: as for `read_release`.
        Corrupt: a file or a number is not what `release.json` says; the message names it.
    """
    release = read_release(path)
    info, rows = release.info, release.manifest
    for name, sha256 in info.files.items():
        file = release.path / Path(name).name
        if name != file.name or not file.is_file() or file_sha256(file) != sha256:
            raise Corrupt(f"{file} is missing or not what {INFO_FILE} says; fetch the release again.")
    counts = dict(rows.group_by("wnid").len().iter_rows())
    found = {
        "rows_count": rows.height, "classes_count": len(counts), "class_counts": counts,
        "digest": content_digest(rows, info.name, info.notes),
    }  # fmt: skip
    for key, value in found.items():
        if getattr(info, key) != value:
            raise Corrupt(f"{release.path / INFO_FILE}: {key} is not that of the manifest.")
    return release
