"""An image set on a disk -> the rows of a release: read once, labelled by what the set itself says, nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import show_text
from relaionet.manifests.labels import labels_table
from relaionet.manifests.release.info import NAME
from relaionet.manifests.release.manifest_check import MAX_PATH_CHARS, NO_PATH, adopted_id
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.tables.adoption import ADOPTED, CHOICES
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.adoption.class_names import Unclear
from relaionet.pipeline.adoption.layout import Kind, Layout
from relaionet.pipeline.adoption.layouts import find_layout
from relaionet.pipeline.adoption.mapping import SKIP, apply_mapping, read_mapping
from relaionet.pipeline.adoption.published import Names, find_root
from relaionet.pipeline.adoption.relabel import name_real, relabel
from relaionet.pipeline.images.files import PictureLimits, Place, list_pictures

VERSION = "1"
UNCLEAR_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class AdoptConfig:
    """How an image set is adopted.

    Attributes:
        name: of the release.
        kind: how the set says its classes; "auto" looks and takes only what fits whole.
        mapping: CSV or TOML that says which class a folder is, where its name does not.
        devkit: folder of the ILSVRC2012 devkit; None looks into the set's own folder.
        names: whose rule names the classes of the published reLAIONet's folders: this project's, or its authors'.
        encoder: of pictures and texts, that looks where a folder's name may mean several classes; None leaves those
            to the mapping that ships with the project.
        device: the encoder's.
        sure: probability from which the encoder decides, 0.5 to 1.
        config: configuration of a dataset that `datasets` reads; None where it has one alone.
        split: of it, or part of the name of the archive that is meant; None where there is one alone.
        label: column of its label; None looks for it.
        real: ReaL's `real.json`, whose labels ImageNet's validation pictures get in place of their own.
        limits: how much of one file is looked at.
        rows_per_shard: pictures read between two points a stopped run continues from.
    """

    name: str
    kind: Kind | Literal["auto"] = "auto"
    mapping: Path | None = None
    devkit: Path | None = None
    names: Names = "relaionet"
    encoder: str | None = None
    device: str = "auto"
    sure: float = 0.95
    config: str | None = None
    split: str | None = None
    label: str | None = None
    real: Path | None = None
    limits: PictureLimits = field(default_factory=PictureLimits)
    rows_per_shard: int = 500

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadInput(f"release name '{self.name}': expected lower-case letters, digits, '.', '_' and '-'.")
        if self.rows_per_shard <= 0:
            raise BadInput(f"rows_per_shard = {self.rows_per_shard}: expected more than 0.")
        if not 0.5 <= self.sure <= 1:
            raise BadInput(f"sure = {self.sure}: expected a probability from 0.5 to 1.")


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What is to be adopted, before any picture is read.

    Attributes:
        source: folder of the set.
        shown: its place in words.
        layout: how it says its classes.
        places: files that may be pictures, in order.
        others: paths that by their name are none.
        classes: group -> wnid or `skip`.
        unclear: groups nobody knows the class of; nothing is adopted while there are any.
        unknown: groups nobody knows the class of, in words, where the layout lets that pass.
        could_be: groups that may mean several classes -> those, where the mapping file does not say.
        mapping: what the mapping file says.
    """

    source: Path
    shown: str
    layout: Layout
    places: tuple[Place, ...]
    others: tuple[str, ...]
    classes: dict[str, str]
    unclear: tuple[Unclear, ...]
    unknown: dict[str, str]
    could_be: dict[str, tuple[str, ...]]
    mapping: dict[str, str]


def plan_adoption(source: Path, config: AdoptConfig) -> Adoption:
    """Look at a set's names and say what each picture's class would be; reads no picture.

    Raises:
        BadInput: the folder, the layout or the mapping file is not what it should be.
    """
    if config.kind in ("auto", "published"):
        source = find_root(source)
    places, others = list_pictures(source)
    odd = {place.path for place in places if len(place.path) > MAX_PATH_CHARS or re.search(NO_PATH, place.path)}
    fit = [place.path for place in places if place.path not in odd]
    layout = find_layout(source, fit or sorted(odd), config.kind, config.devkit, config.names)
    if odd and not layout.is_whole:
        raise BadInput(
            f"{source}: {len(odd)} paths cannot stand in a manifest (longer than {MAX_PATH_CHARS} characters, or with "
            f"`\\` or `C:`), first {min(odd)[:80]}; rename them."
        )
    if config.real is not None:
        layout = relabel(layout, {path: path for path in fit}, name_real(config.real))
    if odd:
        layout = replace(layout, left={**layout.left, **dict.fromkeys(odd, "its path cannot stand in a manifest")})
    return join_mapping(source, layout, places, others, config.mapping)


def join_mapping(
    source: Path,
    layout: Layout,
    places: Sequence[Place],
    others: Sequence[str],
    file: Path | None,
    shown: str | None = None,
) -> Adoption:
    """What is adopted of a set, once the mapping file has said its part.

    Args:
        source: folder of the set.
        layout: what the set itself says.
        places: of its pictures.
        others: paths that are none.
        file: the mapping file; None where there is none.
        shown: its place in words; None is the folder.

    Raises:
        BadInput: the mapping file is not what it should be.
    """
    mapping = read_mapping(file) if file is not None else {}
    found = apply_mapping(layout.found, mapping, file)
    unclear = [what for what in found.values() if isinstance(what, Unclear)]
    return Adoption(
        source=source, shown=shown or str(source), layout=layout, mapping=mapping,
        places=tuple(places), others=tuple(others),
        classes={group: wnid for group, wnid in found.items() if isinstance(wnid, str)},
        unclear=() if layout.is_whole else tuple(unclear),
        unknown={what.folder: f"its folder {what}" for what in unclear} if layout.is_whole else {},
        could_be={group: classes for group, classes in layout.could_be.items() if group not in mapping},
    )  # fmt: skip


def explain_unclear(adoption: Adoption) -> str:
    """The folders nobody knows the class of, with the classes each fits or is near to."""
    several = [one for one in adoption.unclear if one.fits]
    lines = [f"  {show_text(str(one))}" for one in (*several, *(one for one in adoption.unclear if not one.fits))]
    rest = len(lines) - UNCLEAR_SHOWN
    named = "labels" if adoption.layout.kind in ("rows", "parquet") else "folders"
    shown = lines[:UNCLEAR_SHOWN] + ([f"  … and {rest} more"] if rest > 0 else [])
    return (
        f"{adoption.shown}: {len(lines)} of {len(adoption.layout.found):,} {named} fit two classes or none:\n"
        + "\n".join(shown)
    )


def label_pictures(pictures: pl.DataFrame, adoption: Adoption, choices: pl.DataFrame | None = None) -> pl.DataFrame:
    """Say of every file of a set what became of it.

    Args:
        pictures: PICTURES of the set, whole.
        adoption: from `plan_adoption`.
        choices: CHOICES of the pictures whose folder may mean several classes; None where nothing looked at them.

    Returns:
        ADOPTED: one row per file of the set, by path.
    """
    rows = pictures.join(_tell_classes(adoption), on="path", how="left")
    rows = rows.join(choices if choices is not None else CHOICES.empty(), on="path", how="left", suffix="_seen")
    seen = pl.col("wnid").is_not_null()
    rows = rows.with_columns(
        decided_by=pl.when(pl.col("could_be").is_null()).then(None).when(seen).then(pl.lit("encoder"))
        .when(pl.col("class").is_not_null()).then(pl.lit("mapping")),
        **{"class": pl.coalesce("wnid", "class")},
    ).drop("wnid")  # fmt: skip
    skipped, lost, left = pl.col("class") == SKIP, pl.col("class").is_null(), pl.col("left").is_not_null()
    broken = pl.col("status") != ALIVE
    rows = rows.with_columns(
        status=pl.when(broken).then("status").when(left | skipped).then(pl.lit("skipped"))
        .when(lost).then(pl.lit("unlabelled")).otherwise("status"),
        reason=pl.when(broken).then("reason").when(left).then("left")
        .when(skipped).then(pl.lit("the mapping file says skip"))
        .when(lost).then(pl.coalesce("unknown", pl.lit("it is in no class folder, or has no label"))).otherwise(None),
    )  # fmt: skip
    others = pl.DataFrame({"path": adoption.others}, schema={"path": pl.String}).with_columns(
        status=pl.lit("skipped"), reason=pl.lit("no picture by its name, hidden, or a link")
    )
    rows = pl.concat([rows, others], how="diagonal").sort("path")
    kept = pl.col("status") == ALIVE
    rows = rows.with_columns(wnid=pl.when(kept).then("class"), wnids=pl.when(kept).then("wnids"))
    rows = rows.join(labels_table().select("wnid", "class_index"), on="wnid", how="left", maintain_order="left")
    return shape_table(_name_ids(_find_same_bytes(rows)), ADOPTED)


def _tell_classes(adoption: Adoption) -> pl.DataFrame:
    """What the set says of each picture: path, folder, class, wnids, could_be, left and unknown (both in words)."""
    layout, rows = adoption.layout, []
    for path in dict.fromkeys([*layout.groups, *layout.left]):
        group = layout.groups.get(path, "")
        found = [adoption.classes.get(one) for one in layout.several.get(path, (group,))]
        # of several labels the first that is a class is the picture's own; others may be left out
        wnid = next((one for one in found if one not in (None, SKIP)), found[0])
        wnids = sorted({one for one in found if one is not None and one != SKIP})
        rows.append((
            path, layout.groups.get(path), wnid, wnids if len(wnids) > 1 else None, adoption.could_be.get(group),
            layout.left.get(path), adoption.unknown.get(group),
        ))  # fmt: skip
    text, texts = pl.String(), pl.List(pl.String())
    schema: dict[str, pl.DataType] = {
        "path": text, "folder": text, "class": text, "wnids": texts, "could_be": texts, "left": text, "unknown": text,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _name_ids(rows: pl.DataFrame) -> pl.DataFrame:
    known = rows.select("wnid", "image_sha256", "path").iter_rows()
    ids = [adopted_id(sha256, path) if wnid is not None else None for wnid, sha256, path in known]
    return rows.with_columns(pl.Series("candidate_id", ids, dtype=pl.String))


def _find_same_bytes(rows: pl.DataFrame) -> pl.DataFrame:
    """Name for each adopted file the first one with its bytes, and that one's class where it is another."""
    there = pl.col("wnid").is_not_null()
    first = rows.filter(there).unique("image_sha256", keep="first", maintain_order=True)
    first = first.select("image_sha256", first_path="path", first_wnid="wnid")
    rows = rows.join(first, on="image_sha256", how="left", maintain_order="left")
    again = there & (pl.col("first_path") != pl.col("path"))
    return rows.with_columns(
        same_bytes_as=pl.when(again).then("first_path"),
        same_bytes_wnid=pl.when(again & (pl.col("first_wnid") != pl.col("wnid"))).then("first_wnid"),
    )


def make_adopted_manifest(pictures: pl.DataFrame, adopted: pl.DataFrame) -> pl.DataFrame:
    """MANIFEST rows of what was adopted; nobody was asked about them, so the votes are empty.

    Args:
        pictures: PICTURES.
        adopted: ADOPTED of the same set.
    """
    kept = adopted.filter(pl.col("status") == ALIVE).select("path", "candidate_id", "wnid", "wnids", "class_index")
    rows = kept.join(pictures, on="path", how="left", maintain_order="left")
    names = labels_table().select("wnid", class_name="name")
    rows = rows.join(names, on="wnid", how="left", maintain_order="left").with_columns(votes_count=0, yes_count=0)
    empty = {name: pl.lit(None, dtype) for name, dtype in MANIFEST.schema.items() if name not in rows.columns}
    return shape_table(rows.with_columns(**empty).with_columns(reviewers=pl.lit([], pl.List(pl.String))), MANIFEST)
