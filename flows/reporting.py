"""What the flows hand to the report: counts, galleries, the same requests side by side, and where numbers came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.report import Picture, Report, SampleRow, set_label, write_report
from relaionet.evaluators.sample_shards import read_samples
from relaionet.flows.evaluate import set_records
from relaionet.flows.evaluate_plan import EvaluateRecipe, ScoredSet, read_rows
from relaionet.flows.stage import Run
from relaionet.manifests.labels import find_label
from relaionet.manifests.store import read_json

if TYPE_CHECKING:
    from relaionet.evaluators.sample_shards import ShardedImages

REAL_COLUMN = "real image"
ROWS_SHOWN = 20


def write_evaluation_report(run: Run, recipe: EvaluateRecipe, sets: Sequence[ScoredSet], **more: Any) -> Path:
    """Write `report.html` of an evaluation.

    Args:
        run: the evaluation.
        recipe: what was asked for.
        sets: what was scored.
        **more: further fields of `Report`: curation, agreement, reviewers, roles, notes, is_miniature, is_simulated,
            and `provenance` of what came before.
    """
    rows, split_name = read_rows(recipe)
    about_split = read_json(recipe.split / "split.json")
    more.setdefault("is_miniature", bool(about_split["notes"].get("miniature")))
    more.setdefault("is_simulated", bool(about_split["notes"].get("simulated_reviewers")))
    provenance = {
        "this evaluation": read_json(run.root / "run.json"),
        f"split {split_name}": about_split,
        f"protocol {recipe.protocol}": asdict(find_protocol(recipe.protocol)),
        **more.pop("provenance", {}),
    }
    for one, record in set_records(list(sets)):
        provenance[label_of(one)] = record
    report = Report(
        title=recipe.name,
        scores=pl.read_parquet(run.root / "scores.parquet"),
        gallery=make_gallery(rows),
        samples=make_sample_rows(rows, sets),
        provenance=provenance,
        **more,
    )
    return write_report(run.root / "report.html", report)


def label_of(one: ScoredSet) -> str:
    """How the report names a set."""
    return set_label(one.name, one.settings.steps, one.settings.guidance)


def make_gallery(rows: pl.DataFrame) -> dict[str, list[Picture]]:
    """All pictures of the split, by class; the page counts them and shows the first."""
    gallery: dict[str, list[Picture]] = {}
    for row in rows.iter_rows(named=True):
        name = find_label(row["wnid"]).name
        picture = Picture(image=Path(row["path"]), alt=name, note=row["candidate_id"][:12])
        gallery.setdefault(name, []).append(picture)
    return gallery


def make_sample_rows(rows: pl.DataFrame, sets: Sequence[ScoredSet]) -> list[SampleRow]:
    """The first request of every class, across the real image and all sets."""
    chosen = rows.unique("wnid", keep="first", maintain_order=True).sort("class_index").head(ROWS_SHOWN)
    made = [(one, *_made(one)) for one in sets]
    found = []
    for row in chosen.iter_rows(named=True):
        name = find_label(row["wnid"]).name
        pictures = {REAL_COLUMN: Picture(image=Path(row["path"]), alt=f"real image of {name}")}
        for one, places, images in made:
            place = places.get(row["candidate_id"])
            if place is not None:
                label = label_of(one)
                pictures[label] = Picture(image=images[[place]][0], alt=f"{name} by {label}")
        found.append(SampleRow(name=name, wnid=row["wnid"], pictures=pictures))
    return found


def _made(one: ScoredSet) -> tuple[Mapping[str, int], ShardedImages]:
    samples, images = read_samples(one.folder)
    kept = samples.filter(pl.col("row").is_not_null())
    return dict(kept.select("sample_id", "row").iter_rows()), images


def curation_facts(run: Run, **more: Any) -> dict[str, Any]:
    """What the report shows of a curation: its stages' counts, and further facts."""
    return {"stages": [asdict(count) for count in run.counts], **more}
