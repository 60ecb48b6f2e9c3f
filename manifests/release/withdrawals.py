"""Lists of withdrawals: what somebody asked to be taken out, read from anywhere and joined; none is ever shortened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import file_sha256
from relaionet.manifests.release.beside import WITHDRAWN_FILE, check_withdrawn
from relaionet.manifests.release.info import INFO_FILE, read_info
from relaionet.manifests.release.release import find_release, list_releases
from relaionet.manifests.tables import WITHDRAWN, fill_later

MAX_CSV_BYTES = 50_000_000


def read_withdrawals(place: Path) -> pl.DataFrame:
    """WITHDRAWN of a release, of the newest in a folder of versions, or of a file of one's own.

    Args:
        place: folder, parquet file, or CSV file with the columns kind and value, and maybe since and why.

    Raises:
        BadInput: there is none, or a row breaks a rule.
        Corrupt: the release's list is not what `release.json` says.
    """
    if place.is_dir():
        return _read_of_release(find_release(place))
    if not place.is_file():
        raise BadInput(f"{place} does not exist; expected a release, or a CSV or parquet file with kind and value.")
    rows = _read_csv(place) if place.suffix.lower() == ".csv" else read_guarded(place)[0]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = rows if "since" in rows.columns else rows.with_columns(since=pl.lit(today))
    rows = rows if "why" in rows.columns else rows.with_columns(why=pl.lit(None, pl.String))
    return check_withdrawn(rows)


def _read_csv(place: Path) -> pl.DataFrame:
    if place.stat().st_size > MAX_CSV_BYTES:
        raise BadInput(f"{place} is longer than {MAX_CSV_BYTES:,} bytes.")
    try:
        return pl.read_csv(place, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{place} is no CSV file: {str(error).splitlines()[0][:200]}.") from None


def _read_of_release(folder: Path) -> pl.DataFrame:
    """The list of one release, without reading the rest of it."""
    info = read_info(folder)
    if WITHDRAWN_FILE not in info.files:
        return WITHDRAWN.empty()
    file = folder / WITHDRAWN_FILE
    if not file.is_file() or file_sha256(file) != info.files[WITHDRAWN_FILE]:
        raise Corrupt(f"{file} is missing or not what {INFO_FILE} says; fetch the release again.")
    return check_withdrawn(fill_later(read_guarded(file)[0], WITHDRAWN))


def join_withdrawals(*lists: pl.DataFrame | None) -> pl.DataFrame | None:
    """All that stands on any of some lists, each once as the first one has it; None where that is nothing."""
    there = [rows for rows in lists if rows is not None and not rows.is_empty()]
    if not there:
        return None
    return check_withdrawn(pl.concat(there).unique(WITHDRAWN.key, keep="first", maintain_order=True))


def carried_withdrawals(folder: Path, name: str) -> pl.DataFrame | None:
    """What all versions of a release that lie in a folder have withdrawn; None where that is nothing.

    Args:
        folder: of the versions; need not be there.
        name: of the release.
    """
    found = []
    for path in reversed(list_releases(folder)):
        if path.name.rpartition("-v")[0] == name:
            try:
                found.append(_read_of_release(path))
            except BadInput:  # of a format that only a newer relaionet reads
                continue
    return join_withdrawals(*found)
