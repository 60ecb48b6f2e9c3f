"""`comparison.html`: how far two sets of pictures are apart, number by number, class by class, picture by picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.comparison.measures import (
    ASPECT,
    BYTES,
    CLASS_KD,
    MEASURES,
    SHORT_SIDE,
    SIMILARITY,
    Measure,
)
from relaionet.evaluators.comparison.pictures import Overlap
from relaionet.evaluators.comparison.rows import find_sizes
from relaionet.flows.pages.charts.chart import format_number
from relaionet.flows.pages.charts.spread import SpreadChart, draw_spread, name_part
from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.thumbnails import show_stored
from relaionet.flows.pages.write import write_page
from relaionet.manifests.words import say_count

PAGE = "comparison.html"
THUMB_PX = 112
CLASSES_SHOWN, PICTURES_SHOWN, PAIRS_SHOWN = 6, 4, 12
MIXES = {
    "equal": ("Equally many pictures of each class", "equal"),
    "any": ("Classes as they are", "any"),
}
"""Mix -> heading, anchor."""
SIZES = {SHORT_SIDE.name: "shorter side, px", ASPECT.name: "longer side over shorter", BYTES.name: "file, bytes"}


@dataclass(frozen=True, kw_only=True)
class ShownSet:
    """What the page shows of a set.

    Attributes:
        name: as in tables.
        words: what it is.
        folder: of its pictures; None of statistics.
        prints: PRINTS of its pictures; None of statistics.
        wnids: class of each.
    """

    name: str
    words: str
    folder: Path | None = None
    prints: pl.DataFrame | None = None
    wnids: Sequence[str] = ()

    def of_class(self, wnid: str, count: int) -> list[str]:
        """The first pictures of a class, as data URIs."""
        if self.prints is None:
            return []
        paths = [path for path, one in zip(self.prints["path"], self.wnids, strict=True) if one == wnid][:count]
        found = (show_stored(self.folder, path, THUMB_PX) for path in paths)
        return [uri for uri in found if uri is not None]


def write_comparison_page(
    out: Path, rows: pl.DataFrame, sets: Sequence[ShownSet], overlap: Overlap | None, facts: Mapping[str, Any]
) -> Path:
    """Write the page of a comparison into its folder.

    Args:
        out: the folder.
        rows: SHIFTS.
        sets: A and B.
        overlap: which pictures both have; None where one of them is statistics.
        facts: what `comparison.json` holds.
    """
    representations = [name for name in rows["representation"].unique(maintain_order=True) if name]
    return write_page(
        out / PAGE, "comparison.html", sets=sets, facts=facts, cards=make_cards(rows, overlap),
        lead=say_verdict(rows, sets), parts=[part for mix in MIXES for part in make_parts(rows, mix, representations)],
        classes=list_classes(rows, representations), spreads=draw_spreads(rows, representations, sets),
        shown=show_classes(rows, representations, sets), sizes=[list_sizes(one) for one in sets],
        pairs=show_pairs(overlap, sets), pairs_count=0 if overlap is None else len(overlap.pairs),
        representations=representations, overlap=rows.filter(mix="all", metric="same picture").to_dicts(),
    )  # fmt: skip


def make_cards(rows: pl.DataFrame, overlap: Overlap | None) -> list[tuple[str, str, str]]:
    """The figures at the top: pictures, classes, and what both share."""
    cards = []
    for mix, (words, _) in MIXES.items():
        found = rows.filter(mix=mix, part="", about="both")
        if found.height:
            draws = found["draws"][0]
            detail = f"{words.lower()}, {say_count(draws, 'draw')}"
            cards.append(count_card(found["n"][0], "picture of each set", "pictures of each set", detail))
    classes = rows.filter(metric=CLASS_KD.name).filter(pl.col("part") != "")["part"].n_unique()
    cards.append(count_card(classes, "class compared", "classes compared", "with two pictures on each side"))
    if overlap is not None:
        both = int(overlap.same_picture[0].sum())
        cards.append(count_card(both, "picture of A is in B too", "pictures of A are in B too"))
    return cards


def say_verdict(rows: pl.DataFrame, sets: Sequence[ShownSet]) -> str:
    """What the unbiased distances say, in a sentence for each."""
    said = []
    for metric, what in (("KD", "as wholes"), (CLASS_KD.name, "within classes")):
        found = rows.filter(metric=metric, part="").filter(pl.col("low").is_not_null())
        found = found.filter(mix="equal") if (found["mix"] == "equal").any() else found
        apart = found.filter(pl.col("low") > 0)["representation"].to_list()
        if found.is_empty():
            continue
        rest = [name for name in found["representation"] if name not in apart]
        told = [f"are apart in {', '.join(apart)}"] if apart else []
        told += [f"cannot be told apart in {', '.join(rest)}"] if rest else []
        said.append(f"{what} they {' and '.join(told)}")
    start = f"{sets[0].name} and {sets[1].name}: "
    return start + ("; ".join(said) if said else "no distance without bias can be given") + "."


def make_parts(rows: pl.DataFrame, mix: str, representations: Sequence[str]) -> list[dict[str, Any]]:
    """The tables of one mix: distances, and the shapes of both sets; none where nothing was measured."""
    wholes = rows.filter(mix=mix, part="")
    if wholes.is_empty():
        return []
    distances, shapes = [], []
    for measure in MEASURES:
        found = wholes.filter(metric=measure.name)
        if found.is_empty():
            continue
        if measure.kind == "distance":
            distances.append((measure, [_cell(found, name, "both", measure) for name in representations]))
        else:
            shapes += [
                (measure, about, [_cell(found, name, about, measure) for name in representations])
                for about in found["about"].unique(maintain_order=True)
            ]
    heading, anchor = MIXES[mix]
    return [{"heading": heading, "anchor": anchor, "mix": mix, "distances": distances, "shapes": shapes,
             "n": wholes["n"][0]}]  # fmt: skip


def _cell(rows: pl.DataFrame, representation: str, about: str, measure: Measure) -> dict[str, Any] | None:
    found = rows.filter(representation=representation, about=about)
    if found.is_empty():
        return None
    row = found.row(0, named=True)
    return {
        "value": format_number(row["value"]), "interval": say_interval(row), "n": row["n"],
        "floor": "" if row["floor"] is None else format_number(row["floor"]), "word": judge(row, measure),
    }  # fmt: skip


def say_interval(row: Mapping[str, Any]) -> str:
    """The interval of a row in words; empty where there is none."""
    return "" if row["low"] is None else f"{format_number(row['low'])} to {format_number(row['high'])}"


def judge(row: Mapping[str, Any], measure: Measure) -> str:
    """What the interval decides: `apart`, `more in A`, `less in A` or `not told apart`; empty where nothing."""
    low, high, floor = row["low"], row["high"], row["floor"]
    if low is None:
        return ""
    if row["about"] == "A − B":
        return "more in A" if low > 0 else "less in A" if high < 0 else "not told apart"
    if measure.kind != "distance":
        return ""
    if floor is None:
        return ("apart" if low > 0 else "not told apart") if measure.is_free_of_count else ""
    falls = measure.name in ("precision", "recall")
    return "apart" if (high < floor if falls else low > floor) else "not told apart"


def list_classes(rows: pl.DataFrame, representations: Sequence[str]) -> list[dict[str, Any]]:
    """Every class with its distance and the likeness within it on either side, the furthest first."""
    parts = rows.filter(pl.col("part") != "")
    if parts.is_empty():
        return []
    found: dict[str, dict[str, Any]] = {}
    for row in parts.iter_rows(named=True):
        one = found.setdefault(
            row["part"], {"wnid": row["part"], "name": name_part(row["part"]), "n": row["n"], "cells": {}}
        )
        one["cells"][row["representation"], row["metric"], row["about"]] = {
            "raw": row["value"], "value": format_number(row["value"]), "interval": say_interval(row),
            "is_apart": row["low"] is not None and (row["low"] > 0 or row["high"] < 0),
        }  # fmt: skip
    kinds = ((CLASS_KD.name, "both"), (SIMILARITY.name, "A"), (SIMILARITY.name, "B"))
    columns = [(name, *kind) for name in representations for kind in kinds]
    for one in found.values():
        one["cells"] = [one["cells"].get(column) for column in columns]
    return sorted(found.values(), key=lambda one: (-(one["cells"][0] or {"raw": -np.inf})["raw"], one["wnid"]))


def draw_spreads(rows: pl.DataFrame, representations: Sequence[str], sets: Sequence[ShownSet]) -> list[SpreadChart]:
    """How the classes spread: their distances, and the likeness within them in either set."""
    parts = rows.filter(pl.col("part") != "").with_columns(kind=pl.lit("class"))
    charts = []
    for name in representations:
        own = parts.filter(representation=name)
        apart = own.filter(metric=CLASS_KD.name).with_columns(label=pl.lit(f"{name}, {CLASS_KD.name}"))
        names = {"A": f"A, {sets[0].name}", "B": f"B, {sets[1].name}"}
        alike = own.filter(pl.col("about").is_in(["A", "B"]), metric=SIMILARITY.name).with_columns(
            label=pl.col("about").replace(names)
        )
        for frame, metric, words in (
            (apart, CLASS_KD.name, f"{name}: 0 is no shift"),
            (alike, SIMILARITY.name, f"{name}: less is more varied"),
        ):
            chart = draw_spread(frame, metric, frame["label"].unique(maintain_order=True).to_list())
            if chart is not None:
                charts.append(replace(chart, arrow=words))
    return charts


def show_classes(
    rows: pl.DataFrame, representations: Sequence[str], sets: Sequence[ShownSet]
) -> list[tuple[str, str, str, list[list[str]]]]:
    """The furthest classes with pictures of either set: name, wnid, distance, pictures."""
    classes = list_classes(rows, representations)[:CLASSES_SHOWN]
    return [
        (
            one["name"],
            one["wnid"],
            one["cells"][0]["value"],
            [side.of_class(one["wnid"], PICTURES_SHOWN) for side in sets],
        )
        for one in classes
    ]


def list_sizes(one: ShownSet) -> list[tuple[str, str, str, str, int]]:
    """Measure, 5 %, median and 95 % of a set's sizes, and how many pictures; none of statistics."""
    if one.prints is None:
        return []
    found = []
    for measure, values in find_sizes(one.prints).items():
        low, middle, high = (format_number(float(value)) for value in np.quantile(values, (0.05, 0.5, 0.95)))
        found.append((SIZES[measure.name], low, middle, high, len(values)))
    return found


def show_pairs(overlap: Overlap | None, sets: Sequence[ShownSet]) -> list[tuple[str | None, str | None, str, str]]:
    """Pictures that are the same in other bytes, side by side: both pictures and both paths."""
    if overlap is None or sets[0].prints is None or sets[1].prints is None:
        return []
    found = []
    for rows in overlap.pairs[:PAIRS_SHOWN].tolist():
        paths = [side.prints["path"][row] for side, row in zip(sets, rows, strict=True) if side.prints is not None]
        uris = [show_stored(side.folder, path, THUMB_PX) for side, path in zip(sets, paths, strict=True)]
        found.append((uris[0], uris[1], paths[0], paths[1]))
    return found
