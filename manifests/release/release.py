"""Releases: a manifest with everything needed to check it and to say what it is; written once, never changed.

    <folder>/<name>-v<n>/manifest.parquet  release.json  README.md  croissant.json
        [decisions.parquet]  [evidence.parquet]  [withdrawn.parquet]  [vectors.parquet]

A manifest read from anywhere is a stranger's: it is checked whole before anything is done with it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from re import compile as pattern
from typing import Any

import polars as pl

from relaionet.manifests.containers.limits import ParquetLimits
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import file_sha256, write_json
from relaionet.manifests.release.beside import EVIDENCE_FILE, WITHDRAWN_FILE, Beside, check_evidence, check_withdrawn
from relaionet.manifests.release.card import write_card
from relaionet.manifests.release.croissant import write_croissant
from relaionet.manifests.release.decisions import DECISIONS_FILE, check_decisions, check_votes
from relaionet.manifests.release.digest import content_digest
from relaionet.manifests.release.info import FORMAT, INFO_FILE, NAME, NEEDS_RELAIONET, ReleaseInfo, read_info
from relaionet.manifests.release.manifest_check import check_manifest, shape_manifest
from relaionet.manifests.replacing import drop_parts, replacing
from relaionet.manifests.store import write_parquet
from relaionet.manifests.tables import MANIFEST, PICTURE_VECTORS, check_table, shape_table
from relaionet.manifests.words import say_count

VERSION_FOLDER = pattern(r"(?P<name>.+)-v(?P<version>[1-9][0-9]{0,8})")
MANIFEST_FILE, CARD_FILE, CROISSANT_FILE = "manifest.parquet", "README.md", "croissant.json"
VECTORS_FILE = "vectors.parquet"
# a candidate has few answers, so there are not many times more of them than rows
DECISION_LIMITS = ParquetLimits(max_rows=50_000_000)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release that was read and checked.

    Attributes:
        path: its folder.
        info: `release.json`.
        manifest: MANIFEST rows.
        decisions: RELEASED_DECISIONS, the answers it rests on; None where it ships none.
        evidence: EVIDENCE, what is known of each row; None where it ships none.
        withdrawn: WITHDRAWN, what was taken out of the set; None where it ships none.
        remarks: what this version of relaionet does not know about it, in words.
    """

    path: Path
    info: ReleaseInfo
    manifest: pl.DataFrame
    decisions: pl.DataFrame | None = None
    evidence: pl.DataFrame | None = None
    withdrawn: pl.DataFrame | None = None
    remarks: tuple[str, ...] = ()


def _versions(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = VERSION_FOLDER.fullmatch(path.name)
        if match and (path / INFO_FILE).is_file():
            found.setdefault(match["name"], []).append(int(match["version"]))
    return {name: sorted(versions) for name, versions in found.items()}


def list_releases(folder: Path) -> list[Path]:
    """Folders of the releases in a folder, by name and version; the folder itself where it is one."""
    if (folder / INFO_FILE).is_file():
        return [folder]
    found = sorted(_versions(folder).items())
    return [folder / f"{name}-v{number}" for name, numbers in found for number in numbers]


def make_release(
    manifest: pl.DataFrame,
    folder: Path,
    *,
    name: str = "relaionet",
    notes: Mapping[str, Any],
    decisions: pl.DataFrame | None = None,
    evidence: pl.DataFrame | None = None,
    withdrawn: pl.DataFrame | None = None,
    vectors: pl.DataFrame | None = None,
) -> Path:
    """Write a manifest as the next version of a release.

    Args:
        manifest: MANIFEST rows, in any order.
        folder: holds the versions, `<name>-v1`, `<name>-v2`, …
        name: lower-case letters, digits, `.`, `_`, `-`.
        notes: as in `ReleaseInfo`; part of the content, so leave out what differs from run to run (times, paths).
        decisions: RELEASED_DECISIONS the votes rest on, to be shipped with it.
        evidence: EVIDENCE, what is known of each row, to be shipped with it.
        withdrawn: WITHDRAWN, to be shipped with it; none of its rows may be in the manifest.
        vectors: PICTURE_VECTORS of the images, to be shipped with it; made from the images, so no part of the content.

    Returns:
        The version's folder. The same content again gives the version that is there; older versions are never touched.
        Of two at once that write the same number, one gets it and the other the next.

    Raises:
        BadInput: the name is unfit, or a row of the manifest breaks a rule.
        Corrupt: the votes in the manifest are not those of the decisions.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"release name '{name}': expected lower-case letters, digits, '.', '_' and '-'.")
    rows = check_manifest(manifest).sort("class_index", "candidate_id")
    if decisions is not None:
        decisions = check_decisions(decisions)
        check_votes(rows, decisions)
    evidence = check_evidence(evidence) if evidence is not None else None
    withdrawn = check_withdrawn(withdrawn) if withdrawn is not None else None
    told = Beside(decisions=decisions, evidence=evidence, withdrawn=withdrawn)
    digests = {FORMAT: content_digest(rows, name, notes, *told)}
    while True:
        versions = _versions(folder).get(name, [])
        same = _find_same(folder, name, versions, digests, rows, notes, told)
        if same is not None:
            return same
        version = versions[-1] + 1 if versions else 1
        written = _write_version(rows, folder, name, version, digests[FORMAT], notes, told, vectors)
        if written is not None:
            return written


def _find_same(
    folder: Path, name: str, versions: Sequence[int], digests: dict[int, str], rows: pl.DataFrame,
    notes: Mapping[str, Any], told: Beside,
) -> Path | None:  # fmt: skip
    """The first version that holds the same content, in whatever format; `digests` gains those that were needed."""
    for version in versions:
        path = folder / f"{name}-v{version}"
        info = read_info(path)
        if not told.fits(info.format):  # with what the older format has no place for it is new content
            continue
        if info.format not in digests:
            digests[info.format] = content_digest(rows, name, notes, *told, format=info.format)
        if info.digest == digests[info.format]:
            return path
    return None


def _write_version(
    rows: pl.DataFrame, folder: Path, name: str, version: int, digest: str, notes: Mapping[str, Any],
    told: Beside, vectors: pl.DataFrame | None,
) -> Path | None:  # fmt: skip
    """Write one version whole; None where another process took the number meanwhile."""
    path = folder / f"{name}-v{version}"
    drop_parts(folder, below=False)
    try:
        with replacing(path) as part:  # onto a folder that holds something, this fails: the first one there stays
            part.mkdir()
            _write_files(part, rows, name, version, digest, notes, told, vectors)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and (path / INFO_FILE).is_file():
            return None
        raise
    return path


def _write_files(
    part: Path, rows: pl.DataFrame, name: str, version: int, digest: str, notes: Mapping[str, Any],
    told: Beside, vectors: pl.DataFrame | None,
) -> None:  # fmt: skip
    created = datetime.now(UTC).isoformat(timespec="seconds")
    counts = dict(rows.group_by("wnid").len().sort("wnid").iter_rows())
    write_parquet(part / MANIFEST_FILE, rows)
    for file, table in told.files().items():
        write_parquet(part / file, table)
    if vectors is not None:
        write_parquet(part / VECTORS_FILE, check_table(shape_table(vectors, PICTURE_VECTORS), PICTURE_VECTORS))
    about: dict[str, Any] = {
        "name": name, "version": version, "created": created, "rows_count": rows.height,
        "classes_count": len(counts), "digest": digest, "class_counts": counts, "notes": dict(notes),
        "format": FORMAT, "needs_relaionet": NEEDS_RELAIONET,
    }  # fmt: skip
    write_card(part / CARD_FILE, about, rows, told.decisions.height if told.decisions is not None else 0)
    write_croissant(part / CROISSANT_FILE, about, file_sha256(part / MANIFEST_FILE))
    files = {file.name: file_sha256(file) for file in sorted(part.iterdir())}
    write_json(part / INFO_FILE, asdict(ReleaseInfo(**about, files=files)))


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
        below = next((path / name for name in ("release", "releases") if (path / name).is_dir()), None)
        hint = f" Did you mean {below}?" if below is not None and not versions else ""
        raise BadInput(f"{path}: expected a release or versions of one release inside; found {found}.{hint}")
    name, numbers = next(iter(versions.items()))
    return path / f"{name}-v{numbers[-1]}"


def read_release(path: Path) -> Release:
    """Read a release and check its manifest whole.

    Args:
        path: a release's folder, or a folder of versions, of which the newest is taken.

    Raises:
        BadInput: no release there, its manifest breaks a rule, or only a newer relaionet reads it.
        Corrupt: a file is missing, unreadable, or not what `release.json` says.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Release, pl.DataFrame]:
    """A release, and its manifest's rows with the columns this version does not know."""
    path = find_release(Path(path))
    info = read_info(path)
    content, unread = _read_file(path, MANIFEST_FILE, info)
    rows = check_manifest(content)
    extra = [name for name in content.columns if name not in MANIFEST.columns]
    remarks = [f"column {name!r:.60} of {MANIFEST_FILE} is not known here and is left aside" for name in extra + unread]
    decisions = None
    if DECISIONS_FILE in info.files:
        decisions = check_decisions(_read_file(path, DECISIONS_FILE, info, DECISION_LIMITS)[0])
    beside = {
        name: check(_read_file(path, file, info, DECISION_LIMITS)[0])
        for name, file, check in (
            ("evidence", EVIDENCE_FILE, check_evidence), ("withdrawn", WITHDRAWN_FILE, check_withdrawn)
        )
        if file in info.files
    }  # fmt: skip
    release = Release(path=path, info=info, manifest=rows, decisions=decisions, remarks=tuple(remarks), **beside)
    return release, pl.concat([shape_manifest(rows), content.select(extra)], how="horizontal")


def _read_file(
    path: Path, name: str, info: ReleaseInfo, limits: ParquetLimits | None = None
) -> tuple[pl.DataFrame, list[str]]:
    file = path / name
    if not file.is_file():
        raise Corrupt(f"{file} is missing; fetch the release again.")
    if info.files.get(name) != file_sha256(file):
        raise Corrupt(f"{file} is not what {INFO_FILE} says; fetch the release again.")
    return read_guarded(file, limits)


def check_release(path: Path, say: Callable[[str], None] | None = None) -> Release:
    """Read a release and check every byte and every count of it.

    Args:
        path: as for `read_release`.
        say: called with one sentence per part that was found right.

    Raises:
        BadInput: as for `read_release`.
        Corrupt: a file or a number is not what `release.json` says; the message names it.
    """
    say = say or (lambda _text: None)
    release, content = _read(path)
    info, rows = release.info, release.manifest
    classes = say_count(rows["wnid"].n_unique(), "class")
    say(f"{say_count(rows.height, 'row')} of {classes}: every value is what it claims to be")
    size = sum(_check_file(release.path / name, sha256) for name, sha256 in info.files.items())
    say(f"{say_count(len(info.files), 'file')}, {say_count(size, 'byte')}: every byte is what {INFO_FILE} says")
    counts = dict(rows.group_by("wnid").len().iter_rows())
    found = {
        "rows_count": rows.height, "classes_count": len(counts), "class_counts": counts,
        "digest": content_digest(
            content, info.name, info.notes, release.decisions, release.evidence, release.withdrawn, format=info.format
        ),
    }  # fmt: skip
    for key, value in found.items():
        if getattr(info, key) != value:
            raise Corrupt(f"{release.path / INFO_FILE}: {key} is not that of the manifest.")
    say(f"the counts and the digest {info.digest[:12]} are those of the rows")
    if release.decisions is not None:
        check_votes(rows, release.decisions)
        reviewers = say_count(release.decisions["reviewer"].n_unique(), "reviewer")
        say(f"{say_count(release.decisions.height, 'answer')} of {reviewers}: the votes of every row are theirs")
    return release


def _check_file(file: Path, sha256: str) -> int:
    if file.is_symlink() or not file.is_file() or file_sha256(file) != sha256:
        raise Corrupt(f"{file} is missing or not what {INFO_FILE} says; fetch the release again.")
    return file.stat().st_size
