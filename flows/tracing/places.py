"""Where a row can be asked about, and the tables each place holds: its own, and those of what it was made from.

a run         its tables, its releases, its split, its evaluations
a release     its manifest, evidence and answers
a split       its verdicts, and the release it keeps (`release/`)
an evaluation its samples and scores, and the rows it keeps (`rows/`: verdicts and release of its split)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from relaionet.flows.evaluation.stored_sets import FILE as SETS_FILE
from relaionet.flows.evaluation.stored_sets import StoredEvaluation, read_sets
from relaionet.flows.reviewing.resettle import settle_again
from relaionet.flows.tracing.keep import ROWS_FOLDER
from relaionet.manifests.errors import ReLAIONetError
from relaionet.manifests.files import HEX_64
from relaionet.manifests.release.copy import RELEASE_FOLDER
from relaionet.manifests.release.info import INFO_FILE
from relaionet.manifests.release.release import Release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import (
    CANDIDATES,
    DECISIONS,
    EVIDENCE,
    MANIFEST,
    SAMPLES,
    SPLIT,
    VERDICTS,
    Table,
    fill_later,
)  # fmt: skip
from relaionet.pipeline.splits.plan import INFO_FILE as SPLIT_FILE


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """One place, with what it knows of others; None and nothing where there is none.

    Attributes:
        folder: as it was found.
        run: folder of the run's tables.
        release: folder of the release.
        split: folder of the split's table.
        pictures: folder of the split's pictures.
        evaluations: folders of evaluations.
    """

    folder: Path
    run: Path | None = None
    release: Path | None = None
    split: Path | None = None
    pictures: Path | None = None
    evaluations: tuple[Path, ...] = ()

    @cached_property
    def read(self) -> Release | None:
        """The release, read and checked; of a run the newest."""
        return read_release(self.release) if self.release is not None else None

    @cached_property
    def stored_evaluations(self) -> list[StoredEvaluation]:
        """The evaluations, read."""
        return [read_sets(folder) for folder in self.evaluations]

    def rows(self, table: Table) -> pl.DataFrame:
        """All rows of a table that this place has; the empty table where it has none."""
        if table in (MANIFEST, EVIDENCE):
            return self._of_release(table)
        if table is SPLIT:
            return Store(self.split).read_all(SPLIT) if self.split is not None else SPLIT.empty()
        if self.run is not None:
            return Store(self.run).read_all(table)
        return self._of_release(table)

    def _of_release(self, table: Table) -> pl.DataFrame:
        release = self.read
        if release is None:
            return table.empty()
        if table is MANIFEST:
            return release.manifest
        if table is EVIDENCE:  # a run's own tables tell the same, and more
            return release.evidence if release.evidence is not None and self.run is None else table.empty()
        if release.decisions is None or table not in (DECISIONS, VERDICTS):
            return table.empty()
        if table is VERDICTS:
            return settle_again(release)
        return fill_later(release.decisions, DECISIONS).select(
            name for name in DECISIONS.columns if name != "annotation_id"
        )

    def ids(self) -> pl.Series:
        """Every candidate_id that this place knows of."""
        known = [self.rows(table)["candidate_id"] for table in (CANDIDATES, MANIFEST, DECISIONS, SPLIT)]
        return pl.concat([*known, *map(_requested, self.stored_evaluations)]).drop_nulls().unique().sort()


def _requested(evaluation: StoredEvaluation) -> pl.Series:
    """candidate_ids that an evaluation made samples for."""
    names = [pl.Series("candidate_id", dtype=pl.String)]
    for one in evaluation.sets:
        samples = Store(one.folder).read_all(SAMPLES)
        names.append(samples.select(candidate_id=row_of(pl.col("sample_id")))["candidate_id"])
    return pl.concat(names).unique()


def row_of(sample_id: pl.Expr) -> pl.Expr:
    """candidate_id of a sample's row: its id without the number of a further sample."""
    return sample_id.str.replace(rf"^({HEX_64})-\d+$", "${1}")


def find_places(folder: Path) -> list[Place]:
    """Runs, releases, splits and evaluations in a folder: the folder itself, or the sub-folders that are one."""
    own = _place(folder)
    found = [own] if own is not None else [_place(path) for path in sorted(folder.glob("*/"))]
    return [place for place in found if place is not None]


def _place(folder: Path) -> Place | None:
    if (folder / SETS_FILE).is_file():
        return _evaluation(folder)
    if (folder / SPLIT_FILE).is_file():
        return _split(folder)
    if (folder / INFO_FILE).is_file():
        return Place(folder=folder, release=folder)
    if (folder / CANDIDATES.name).is_dir():
        return _run(folder)
    return None


def _split(folder: Path) -> Place:
    kept = folder / RELEASE_FOLDER
    return Place(
        folder=folder, release=kept if (kept / INFO_FILE).is_file() else None, split=folder, pictures=folder
    )  # fmt: skip


def _run(folder: Path) -> Place:
    release, split = folder / "release", folder / "split"
    there = (split / SPLIT_FILE).is_file()
    return Place(
        folder=folder, run=folder, release=release if (release / INFO_FILE).is_file() else None,
        split=split if there else None, pictures=split if there else None,
        evaluations=tuple(path.parent for path in sorted(folder.glob(f"*/{SETS_FILE}"))),
    )  # fmt: skip


def _evaluation(folder: Path) -> Place:
    """An evaluation with the rows it keeps, else those of the split it names, where that is still there."""
    kept = folder / ROWS_FOLDER
    try:
        named = read_sets(folder).split
    except ReLAIONetError:
        named = kept
    split = next((path for path in (kept, named) if (path / SPLIT_FILE).is_file()), None)
    release = split / RELEASE_FOLDER if split is not None else None
    return Place(
        folder=folder, split=split, pictures=named if (named / SPLIT_FILE).is_file() else None,
        release=release if release is not None and (release / INFO_FILE).is_file() else None, evaluations=(folder,),
    )  # fmt: skip
