"""The pictures of one row side by side: the rebuilt one, its nearest reference, each generator's sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.curation.references import FOLDER_NAME, RUN_REFERENCES, reference_root
from relaionet.flows.pages.thumbnails import make_thumbnail, show_stored
from relaionet.flows.tracing.samples import find_samples
from relaionet.flows.tracing.values import show_value
from relaionet.manifests.errors import ReLAIONetError
from relaionet.manifests.release.beside import read_evidence
from relaionet.manifests.tables import DOWNLOADS, EVIDENCE, SCREENED, SPLIT
from relaionet.pipeline.screens.references import pictures_folder_of
from relaionet.pipeline.screens.screens import SCREENS

if TYPE_CHECKING:
    from relaionet.flows.tracing.places import Place

SIDE_PX = 320


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A picture of the page.

    Attributes:
        title: what it is, in words.
        uri: its data URI; None where it cannot be shown.
        missing: why it cannot.
        told: name and value of what is known of it.
    """

    title: str
    uri: str | None
    missing: str = ""
    told: tuple[tuple[str, str], ...] = ()


def find_shots(place: Place, candidate_id: str) -> list[Shot]:
    """The row's pictures on this machine: as it was fetched, as it was rebuilt, its nearest reference, its samples.

    Args:
        place: where it is asked about.
        candidate_id: of the row.
    """
    shots = [*_fetched(place, candidate_id), *_rebuilt(place, candidate_id), *_reference(place, candidate_id)]
    for evaluation in place.stored_evaluations:
        for found in find_samples(evaluation, candidate_id):
            image, told = found.image(), found.told()
            told = {key: value for key, value in told.items() if key != "generator"}
            shots.append(
                Shot(
                    title=f"made by {found.one.label}",
                    uri=make_thumbnail(image, SIDE_PX) if image is not None else None,
                    missing=str(found.sample["reason"] or "its images are not there any more"),
                    told=tuple((key, show_value(key, value)) for key, value in told.items()),
                )
            )
    return shots


def _fetched(place: Place, candidate_id: str) -> list[Shot]:
    """The picture a run fetched, which reviewers saw."""
    if place.run is None:
        return []
    path = _value(place.rows(DOWNLOADS), candidate_id, "path")
    if path is None:
        return []
    uri = show_stored(place.run / "images", path, SIDE_PX, mosaic=_is_hidden(place, candidate_id))
    return [Shot(title="as it was fetched", uri=uri, missing="it is not there any more, or cannot be read")]


def _is_hidden(place: Place, candidate_id: str) -> bool:
    """True for what a screen says nobody should have to look at."""
    status = _value(place.rows(SCREENED), candidate_id, "status")
    return any(screen.mosaic for screen in SCREENS if screen.status == status)


def _rebuilt(place: Place, candidate_id: str) -> list[Shot]:
    """The picture of a split, kept or put aside, with its verdict."""
    row = place.rows(SPLIT).filter(pl.col("candidate_id") == candidate_id).to_dicts()
    if not row:
        return []
    path = row[0]["path"] or row[0]["aside_path"]
    told = tuple((name, show_value(name, row[0][name])) for name in ("status", "reason") if row[0][name])
    missing = "the split's pictures are not on this machine" if path else "no picture came"
    return [Shot(title="as it was rebuilt", uri=show_stored(place.pictures, path, SIDE_PX), missing=missing, told=told)]


def _reference(place: Place, candidate_id: str) -> list[Shot]:
    """The picture of a reference set nearest to the row, by what the screens saw."""
    seen = _seen_of_references(place, candidate_id)
    name = seen.get("reference") or seen.get("reference_near")
    if not isinstance(name, str) or ":" not in name:
        return []
    told = tuple((key, show_value(key, value)) for key, value in seen.items() if value is not None)
    folder = _folder_of_set(place, name.partition(":")[0])
    return [
        Shot(
            title="the nearest of the reference sets", uri=show_stored(folder, name.partition(":")[2], SIDE_PX),
            missing="that set is not on this machine", told=told,
        )
    ]  # fmt: skip


def _seen_of_references(place: Place, candidate_id: str) -> dict[str, Any]:
    names = [name for name in SCREENED.columns if name.startswith("reference")]
    if place.run is not None:
        rows = place.rows(SCREENED).filter(pl.col("candidate_id") == candidate_id).select(names).to_dicts()
        return rows[0] if rows else {}
    told = read_evidence(place.rows(EVIDENCE), candidate_id).get("leak", {})
    return {name: told[name] for name in names if name in told}


def _folder_of_set(place: Place, name: str) -> Path | None:
    """Where the pictures of a reference set lie on this machine; None where nothing says so."""
    try:
        if place.run is not None:
            if name == FOLDER_NAME:
                return pictures_folder_of(place.run / RUN_REFERENCES, name)
            return pictures_folder_of(reference_root(read_run_recipe(place.run).reference_store), name)
        return pictures_folder_of(reference_root(), name)
    except (ReLAIONetError, OSError):
        return None


def _value(rows: pl.DataFrame, candidate_id: str, column: str) -> Any:
    found = rows.filter(pl.col("candidate_id") == candidate_id)[column]
    return found[0] if found.len() else None
