"""`screens.html`: what the screens ruled out, screen by screen, the most doubtful first, for a person to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.thumbnails import show_stored
from relaionet.flows.pages.write import write_page
from relaionet.flows.runs.run import Run
from relaionet.manifests.tables import ALIVE, CANDIDATES, DOWNLOADS, SCREENED, alive, count_statuses
from relaionet.manifests.words import format_count
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.plan import screens_asked, screens_of
from relaionet.pipeline.screens.screens import Screen

PAGE = "screens.html"
MOST_SHOWN = 24
THUMB_PX = 180
REFERENCE = "reference"  # the column that names a picture of a reference set, and begins the names of its numbers


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows of a screen that the page shows: those it ruled out, or those it gives a hint at.

    Attributes:
        screen: whose they are.
        name: heading.
        meaning: one line for people.
        rows: all of them, as in SCREENED.
    """

    screen: Screen
    name: str
    meaning: str
    rows: pl.DataFrame

    @property
    def shown(self) -> pl.DataFrame:
        """The most doubtful of them."""
        doubt = [self.screen.doubt] if self.screen.doubt else []
        descending = [self.screen.largest_first] * len(doubt) + [False]
        return self.rows.sort(*doubt, "candidate_id", descending=descending, nulls_last=True).head(MOST_SHOWN)


def write_screens_page(
    run: Run, title: str, config: ScreenConfig, references: Mapping[str, Path | None]
) -> Path:  # fmt: skip
    """Write `screens.html` into the run's folder, unless it is there and the screens have not changed.

    Args:
        run: a run whose rows are screened.
        title: name of the run.
        config: of the screens.
        references: name of a reference set -> folder of its pictures; None where that is not known.
    """
    page = run.root / PAGE
    if not page.is_file() or SCREENED.name in run.made:
        write_page(page, "screens.html", **make_context(run, title, config, references))
        run.reporter.say(f"  what the screens ruled out: {page}")
    return page


def make_context(
    run: Run, title: str, config: ScreenConfig, references: Mapping[str, Path | None]
) -> dict[str, Any]:  # fmt: skip
    """What the page shows."""
    screened = run.store.read_all(SCREENED)
    counts = count_statuses(screened)
    screens = [found.screen for found in screens_of(config)]
    return {
        "title": title,
        "cards": _cards(counts, screened.height),
        "counts": counts,
        "asked": screens_asked(config, list(references)),
        "meanings": {screen.status: screen.meaning for screen in screens},
        "most_shown": MOST_SHOWN,
        "sections": _show_sections(run, find_sections(screened, screens), config.max_pixels, references),
    }


def _cards(counts: Mapping[str, int], rows_count: int) -> list[tuple[str, str, str]]:
    told = "each has one status" if sum(counts.values()) == rows_count else "the counts do not add up"
    passed = counts.get("ok", 0)
    return [
        count_card(rows_count, "row screened", "rows screened", told),
        count_card(passed, "goes to review", "go to review"),
        (format_count(rows_count - passed), "ruled out", "none is deleted"),
    ]


def find_sections(screened: pl.DataFrame, screens: Sequence[Screen]) -> list[Section]:
    """The sections of the page that have rows: what each screen ruled out, and after it what it gives a hint at.

    Args:
        screened: SCREENED, with the columns of further screens.
        screens: in the order they count.
    """
    sections = []
    for screen in screens:
        ruled_out = screened.filter(status=screen.status)
        name = screen.status.replace("_", " ")
        sections.append(Section(screen=screen, name=name, meaning=screen.meaning, rows=ruled_out))
    for screen in screens:
        if hint := screen.hint:
            left = screened.filter((pl.col("status") == ALIVE) & pl.col(hint.column))
            sections.append(Section(screen=screen, name=hint.title, meaning=hint.meaning, rows=left))
    return [section for section in sections if section.rows.height]


def _show_sections(
    run: Run, sections: Sequence[Section], max_pixels: int, references: Mapping[str, Path | None]
) -> list[dict[str, Any]]:  # fmt: skip
    about = _about(run, sections)
    return [
        {
            "name": section.name,
            "anchor": f"s{place}",
            "count": section.rows.height,
            "meaning": section.meaning,
            "cards": [
                _card(run, section.screen, row, about, max_pixels, references)
                for row in section.shown.iter_rows(named=True)
            ],
        }
        for place, section in enumerate(sections)
    ]


def _about(run: Run, sections: Sequence[Section]) -> dict[str, dict[str, Any]]:
    """Id -> path of the picture and caption, of the rows shown and those they were compared with."""
    wanted = [pl.Series(dtype=pl.String)]
    for section in sections:
        columns = ["candidate_id", *(name for name in section.screen.beside if name != REFERENCE)]
        wanted += section.shown.select(columns).get_columns()
    ids = pl.DataFrame({"candidate_id": pl.concat(wanted).drop_nulls().unique()})
    paths = alive(run.store.read_all(DOWNLOADS)).select("candidate_id", "path")
    about = ids.join(paths, on="candidate_id", how="left")
    captions = [pl.DataFrame(schema={"candidate_id": pl.String, "caption": pl.String})]
    for shard in run.store.shards(CANDIDATES):
        part = alive(run.store.read(CANDIDATES, shard, columns=["candidate_id", "caption", "status"]))
        captions.append(part.drop("status").join(ids, on="candidate_id", how="semi"))
    about = about.join(pl.concat(captions), on="candidate_id", how="left")
    return {row["candidate_id"]: row for row in about.iter_rows(named=True)}


def _card(
    run: Run, screen: Screen, row: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]], max_pixels: int,
    references: Mapping[str, Path | None],
) -> dict[str, Any]:  # fmt: skip
    told = about.get(row["candidate_id"], {})
    column = next((name for name in screen.beside if row[name] is not None), None)
    other = None if column is None else row[column]
    folder: Path | None = run.images
    path = about.get(other, {}).get("path") if other else None
    if column == REFERENCE:
        of_set, _, inside = row[REFERENCE].partition(":")
        folder, path = references.get(of_set), inside
    mosaic = screen.mosaic
    return {
        "id": row["candidate_id"],
        "caption": told.get("caption") or "",
        "image": show_stored(run.images, told.get("path"), THUMB_PX, max_pixels=max_pixels, mosaic=mosaic),
        "other": show_stored(folder, path, THUMB_PX, max_pixels=max_pixels, mosaic=mosaic),
        "other_id": other,
        "told": [
            (key.removeprefix(f"{REFERENCE}_").replace("_", " "), _shown(row[key]))
            for key in screen.shown or screen.evidence
            if row[key] not in (None, [])
        ],
    }


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
