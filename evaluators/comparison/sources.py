"""What is compared: a rebuilt split, an export, a folder of pictures, or a file of reference statistics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.evaluators.comparison.draws import NO_CLASS
from relaionet.evaluators.features.statistics import Statistics, read_statistics
from relaionet.evaluators.generators.sample_files import label_by_table
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import read_json_object
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.pipeline.adoption.adopt import AdoptConfig, plan_adoption
from relaionet.pipeline.images.files import list_pictures
from relaionet.pipeline.splits.build import read_split

VERSION = "1"
SPLIT_FILE, EXPORT_FILE, RELEASE_FILE = "split.json", "export.json", "release.json"
BY_WNID = re.compile(r"(n\d{8})[_.\-].*")
SHOWN = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureSource:
    """A set of pictures on this disk, not read yet.

    Attributes:
        name: as it stands in tables.
        folder: of the paths.
        rows: id, wnid (empty where nobody says it) and path in the folder, one row per picture, by id.
        words: what it is, for people.
        about: of a split what its `split.json` says; else empty.
        notes: sentences a reader of any number of it should know.
    """

    name: str
    folder: Path
    rows: pl.DataFrame
    words: str
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class StatisticsSource:
    """Mean and covariance of pictures that are not at hand.

    Attributes:
        name: as it stands in tables.
        statistics: from the file.
    """

    name: str
    statistics: Statistics

    @property
    def words(self) -> str:
        """What it is, for people."""
        count = f"{self.statistics.n:,} pictures" if self.statistics.n else "a number of pictures that is not said"
        return f"mean and covariance of {count}, {len(self.statistics.mean):,} dimensions"


Source = PictureSource | StatisticsSource


def open_source(place: Path, *, name: str = "", labels: Path | None = None) -> Source:
    """Say what lies at a place; no picture is read.

    Args:
        place: a folder, or an npz of statistics (ours, ADM's, clean-fid's).
        name: as it stands in tables; that of the release, the folder or the file where empty.
        labels: CSV of `file` and `wnid` or `class_index`, for a folder that does not say its classes.

    Raises:
        BadInput: nothing that can be compared lies there.
        Corrupt: a split is not whole, or statistics are none.
    """
    if place.is_file():
        if labels is not None:
            raise BadInput(f"{place} is one file; labels are for a folder of pictures.")
        return StatisticsSource(name=name or place.stem, statistics=read_statistics(place))
    if not place.is_dir():
        raise BadInput(f"{place} does not exist; expected a split, a folder of pictures, or an npz of statistics.")
    if labels is None and (place / SPLIT_FILE).is_file():
        return _open_split(place, name)
    if (place / RELEASE_FILE).is_file():
        raise BadInput(f"{place} is a release, which holds no pictures; compare what `relaionet rebuild` made of it.")
    if labels is None and (place / EXPORT_FILE).is_file():
        return _open_export(place, name)
    return _open_folder(place, name or place.resolve().name, labels)


def _open_split(place: Path, name: str) -> PictureSource:
    rows, about = read_split(place)
    if rows.is_empty():
        raise BadInput(f"{place} keeps no picture; {place / SPLIT_FILE} says why.")
    root = str(place.absolute())
    found = rows.select(
        id="candidate_id", wnid="wnid", path=pl.col("path").str.strip_prefix(f"{root}/")
    )  # fmt: skip
    coverage = float(about["coverage_frac"])
    lost = (f"{coverage:.1%} of the release's rows came back; what is gone may differ from what is left.",)
    return PictureSource(
        name=name or str(about["release"]), folder=place, rows=found.sort("id"), about=about,
        words=f"split of {about['release']}, policy {about['policy']}, digest {str(about['digest'])[:12]}",
        notes=lost if coverage < 1 else (),
    )  # fmt: skip


def _open_export(place: Path, name: str) -> PictureSource:
    told = read_json_object(place / EXPORT_FILE)
    form, split = told.get("form"), told.get("split")
    if not isinstance(form, str) or not isinstance(split, dict):
        raise Corrupt(f"{place / EXPORT_FILE} does not say what was exported; export the split again.")
    if form not in ("imagefolder", "parquet"):
        raise BadInput(f"{place} is an export as {form}; compare the split itself, or an export as imagefolder.")
    inner = place / "images" if form == "imagefolder" else place
    found = _open_folder(inner, name or str(split.get("name") or place.resolve().name), None)
    return PictureSource(
        name=found.name, folder=inner, rows=found.rows, words=f"export as {form}: {found.words}", notes=found.notes
    )


def _open_folder(place: Path, name: str, labels: Path | None) -> PictureSource:
    """A folder of pictures, labelled by a table, by its layout, or by the wnids its file names begin with."""
    places, _ = list_pictures(place)
    paths = [one.path for one in places]
    if not paths:
        raise BadInput(f"{place} holds no pictures; expected a split, or files such as .jpeg and .png.")
    wnids, words, unclear = _label(place, paths, labels)
    rows = pl.DataFrame({"id": paths, "wnid": [wnids.get(path, NO_CLASS) for path in paths], "path": paths})
    without = rows.filter(wnid=NO_CLASS).height
    notes = [unclear] if unclear else []
    if without:
        notes.append(f"{without:,} of {rows.height:,} pictures have no class: they count only where classes do not.")
    return PictureSource(name=name, folder=place, rows=rows.sort("id"), words=words, notes=tuple(notes))


def _label(place: Path, paths: Sequence[str], labels: Path | None) -> tuple[dict[str, str], str, str]:
    """path -> wnid, how that was found, and what is unclear."""
    known = labels_by_wnid()
    if labels is not None:
        by_index = label_by_table(paths, labels)
        all_labels = read_labels()
        told = {path: all_labels[index].wnid for index, some in by_index.items() for path in some}
        return told, f"classes by {labels.name}", ""
    if all("/" not in path for path in paths):
        matches = {path: BY_WNID.fullmatch(path) for path in paths}
        told = {path: match[1] for path, match in matches.items() if match and match[1] in known}
        return told, "files named by wnid" if told else "pictures without classes", ""
    adoption = plan_adoption(place, AdoptConfig(name="compared"))
    told = {path: adoption.classes.get(group, NO_CLASS) for path, group in adoption.layout.groups.items()}
    lost = Counter(group for path, group in adoption.layout.groups.items() if group not in adoption.classes)
    some = ", ".join(f"'{group}'" for group, _ in lost.most_common(SHOWN))
    unclear = f"{len(lost)} folders fit two classes or none, first {some}; labels can say which." if lost else ""
    return {path: wnid for path, wnid in told.items() if wnid in known}, adoption.layout.words, unclear
