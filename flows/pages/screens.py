"""`screens.html`: what the screens ruled out, screen by screen, the most doubtful first, for a person to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.pages.thumbnails import show_stored
from relaionet.flows.runs.run import Run
from relaionet.manifests.files import write_atomic
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, SCREENED, alive, count_statuses
from relaionet.pipeline.screens.config import ScreenConfig, screens_asked

PAGE = "screens.html"
MOST_SHOWN = 24
THUMB_PX = 180
REFERENCE = "reference"
HINT = "looks drawn, and was not ruled out"
# status -> what decided, and whether the doubtful end of it is its largest
DOUBT: Mapping[str, tuple[str, bool]] = {
    "unsafe": ("unsafe_score", False), "watermark": ("pwatermark", False), "too_small": ("side_px", True),
    "thin": ("aspect", False), "plain": ("contrast", True), "placeholder": ("same_bytes_wnids", False),
    "leak": ("reference_detail", False), "duplicate": ("detail", False), "drawing": ("flat_frac", False),
    "text_in_image": ("text_words_frac", False), HINT: ("flat_frac", False),
}  # fmt: skip
TOLD: Mapping[str, Sequence[str]] = {
    "unsafe": ("punsafe", "unsafe_score"), "watermark": ("pwatermark", "watermark_score"), "too_small": ("side_px",),
    "thin": ("aspect",), "plain": ("contrast",), "placeholder": ("same_bytes_count", "same_bytes_wnids"),
    "leak": ("reference", "reference_detail", "reference_distance", "reference_cosine", "leak_via"),
    "duplicate": ("detail", "correlation", "shared_frac", "is_mirrored", "phash_distance", "nearest_cosine"),
    "drawing": ("flat_frac", "palette_frac", "kind", "photo_score"),
    "text_in_image": ("text_words", "text_words_frac", "text_frac", "text"),
    HINT: ("flat_frac", "palette_frac", "kind", "photo_score"),
}  # fmt: skip


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
        asked = screens_asked(config, list(references))
        write_atomic(page, render_page(run, title, asked, config.max_pixels, references).encode())
        run.reporter.say(f"  what the screens ruled out: {page}")
    return page


def render_page(
    run: Run, title: str, asked: Mapping[str, str], max_pixels: int, references: Mapping[str, Path | None]
) -> str:  # fmt: skip
    """The page as text: one file that loads nothing, every text of a stranger escaped."""
    from jinja2 import Environment

    screened = run.store.read_all(SCREENED)
    counts = count_statuses(screened)
    source = files("relaionet.flows.pages").joinpath("templates", "screens_page.html").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    css = files("relaionet.flows.pages").joinpath("templates", "report.css").read_text(encoding="utf-8")
    return template.render(
        title=title, css=css, rows_count=screened.height, counts=counts,
        adds_up=sum(counts.values()) == screened.height,
        asked=asked, meanings=SCREENED.statuses, most_shown=MOST_SHOWN,
        sections=_sections(run, screened, max_pixels, references),
    )  # fmt: skip


def _sections(
    run: Run, screened: pl.DataFrame, max_pixels: int, references: Mapping[str, Path | None]
) -> list[dict[str, Any]]:  # fmt: skip
    groups = {name: screened.filter(status=name) for name in DOUBT if name != HINT}
    groups[HINT] = screened.filter((pl.col("status") == "ok") & pl.col("looks_drawn"))
    shown = {name: _most_doubtful(name, rows) for name, rows in groups.items() if rows.height}
    about = _about(run, shown.values())
    return [
        {
            "name": name.replace("_", " "),
            "anchor": f"s{place}",
            "count": groups[name].height,
            "meaning": SCREENED.statuses.get(name, "a hint only: flat and of few colours, or no photo to the encoder"),
            "cards": [_card(run, name, row, about, max_pixels, references) for row in rows.iter_rows(named=True)],
        }
        for place, (name, rows) in enumerate(shown.items())
    ]


def _most_doubtful(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    column, largest_first = DOUBT[name]
    order = rows.sort(column, "candidate_id", descending=[largest_first, False], nulls_last=True)
    return order.head(MOST_SHOWN)


def _about(run: Run, shown: Any) -> dict[str, dict[str, Any]]:
    """Id -> path of the picture and caption, of the rows shown and those they were compared with."""
    wanted = pl.concat([pl.concat([rows["candidate_id"], rows["duplicate_of"], rows["leak_via"]]) for rows in shown] or
                       [pl.Series(dtype=pl.String)]).drop_nulls().unique()  # fmt: skip
    ids = pl.DataFrame({"candidate_id": wanted})
    paths = alive(run.store.read_all(DOWNLOADS)).select("candidate_id", "path")
    about = ids.join(paths, on="candidate_id", how="left")
    captions = [pl.DataFrame(schema={"candidate_id": pl.String, "caption": pl.String})]
    for shard in run.store.shards(CANDIDATES):
        part = alive(run.store.read(CANDIDATES, shard, columns=["candidate_id", "caption", "status"]))
        captions.append(part.drop("status").join(ids, on="candidate_id", how="semi"))
    about = about.join(pl.concat(captions), on="candidate_id", how="left")
    return {row["candidate_id"]: row for row in about.iter_rows(named=True)}


def _card(
    run: Run, name: str, row: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]], max_pixels: int,
    references: Mapping[str, Path | None],
) -> dict[str, Any]:  # fmt: skip
    mosaic = name == "unsafe"
    other = row["duplicate_of"] if name == "duplicate" else row["leak_via"] if name == "leak" else None
    told = about.get(row["candidate_id"], {})
    folder: Path | None = run.images
    path = about.get(other, {}).get("path") if other else None
    if name == "leak" and other is None:
        other = row["reference"]
        of_set, _, inside = other.partition(":")
        folder, path = references.get(of_set), inside
    return {
        "id": row["candidate_id"],
        "caption": told.get("caption") or "",
        "image": show_stored(run.images, told.get("path"), THUMB_PX, max_pixels=max_pixels, mosaic=mosaic),
        "other": show_stored(folder, path, THUMB_PX, max_pixels=max_pixels, mosaic=mosaic),
        "other_id": other,
        "told": [
            (key.removeprefix(f"{REFERENCE}_").replace("_", " "), _shown(row[key]))
            for key in TOLD[name]
            if row[key] not in (None, [])
        ],
    }


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
