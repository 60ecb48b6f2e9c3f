"""LAION's metadata -> label candidates: which class each caption names, and which rows are worth fetching.

read_source      parquet of a known schema -> url, caption, sizes, source, source_row
read_candidates  -> CANDIDATES: all rows of the source, in order, each with a status
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ALIVE, CANDIDATES, shape_table
from relaionet.pipeline.lemma_match import name_classes

VERSION = "2"
BATCH_ROWS = 200_000


@dataclass(frozen=True, kw_only=True)
class CandidatesConfig:
    """Which rows become candidates.

    Attributes:
        captions: "match" keeps rows whose caption names exactly one class; "any" keeps every row, named or not, for
            small sources where the image is to decide.
        min_side_px: shorter side the source states, at least; rows that state none pass.
        max_punsafe: the source's unsafe probability (0 to 1), at most; rows that state none pass.
        max_pwatermark: the source's watermark probability (0 to 1), at most; rows that state none pass.
        max_url_chars: longest URL accepted, characters.
        rows_per_shard: rows per shard of the stages that follow.
    """

    captions: Literal["match", "any"] = "match"
    min_side_px: int = 64
    max_punsafe: float = 0.5
    max_pwatermark: float = 0.8
    max_url_chars: int = 4096
    rows_per_shard: int = 10_000

    def __post_init__(self) -> None:
        if self.captions not in ("match", "any"):
            raise BadInput(f"captions = '{self.captions}': expected 'match' or 'any'.")


@dataclass(frozen=True, kw_only=True)
class SourceSchema:
    """Columns of one family of metadata tables.

    Attributes:
        name: shown to the user.
        columns: our name -> the table's; url, caption, width_px and height_px must be there for the table to fit.
        optional: our name -> the table's, used where it is there.
    """

    name: str
    columns: Mapping[str, str]
    optional: Mapping[str, str]


_SCORES = {"punsafe": "punsafe", "pwatermark": "pwatermark"}
# in order of preference: the first that fits is taken
SCHEMAS = (
    SourceSchema(
        name="LAION-400M",
        columns={"url": "URL", "caption": "TEXT", "width_px": "WIDTH", "height_px": "HEIGHT", "nsfw": "NSFW"},
        optional={},
    ),
    SourceSchema(
        name="LAION-2B",
        columns={"url": "URL", "caption": "TEXT", "width_px": "WIDTH", "height_px": "HEIGHT"},
        optional=_SCORES,
    ),
    SourceSchema(
        name="Re-LAION",
        columns={"url": "url", "caption": "caption", "width_px": "width", "height_px": "height"},
        optional=_SCORES,
    ),
)
# LAION-400M states words where the later sets state a probability
NSFW_PUNSAFE = {"UNLIKELY": 0.0, "UNSURE": 0.5, "NSFW": 1.0}


def find_schema(columns: list[str]) -> SourceSchema:
    """The schema a table's columns fit.

    Raises:
        BadInput: none; the message lists the columns found and the schema that lacks fewest.
    """
    found = set(columns)
    for schema in SCHEMAS:
        if set(schema.columns.values()) <= found:
            return schema
    nearest = min(SCHEMAS, key=lambda schema: len(set(schema.columns.values()) - found))
    missing = sorted(set(nearest.columns.values()) - found)
    raise BadInput(
        f"columns {', '.join(columns) or '(none)'} fit no known metadata; "
        f"{nearest.name} is nearest and lacks {', '.join(missing)}."
    )


def source_files(source: str | Path) -> list[Path]:
    """Parquet files of a source, sorted: one file, all `*.parquet` of a folder, or those a glob names.

    Raises:
        BadInput: there is none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(path.glob("*.parquet"))
    else:
        files = sorted(Path(name) for name in glob.glob(str(source), recursive=True))  # noqa: PTH207 (may be absolute)
    if not files:
        raise BadInput(f"{source}: no such file, folder with *.parquet, or glob that names a file.")
    return files


def _scan_file(path: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(path, row_index_name="source_row")
    names = rows.collect_schema().names()
    schema = find_schema([name for name in names if name != "source_row"])
    columns = dict(schema.columns) | {ours: theirs for ours, theirs in schema.optional.items() if theirs in names}
    renamed = (pl.col(theirs).alias(ours) for ours, theirs in columns.items())
    picked = rows.select("source_row", pl.lit(path.name).alias("source"), *renamed)
    if "nsfw" in columns:
        words = pl.col("nsfw").cast(pl.String)
        picked = picked.with_columns(punsafe=words.replace_strict(NSFW_PUNSAFE, default=None, return_dtype=pl.Float32))
    for score in _SCORES:
        if score not in picked.collect_schema().names():
            picked = picked.with_columns(pl.lit(None, dtype=pl.Float32).alias(score))
    return picked.select(
        pl.col("url", "caption").cast(pl.String, strict=False),
        pl.col("width_px", "height_px").cast(pl.Int32, strict=False),
        pl.col("punsafe", "pwatermark").cast(pl.Float32, strict=False).fill_nan(None),
        "source",
        pl.col("source_row").cast(pl.Int64),
    )


def read_source(source: str | Path) -> pl.LazyFrame:
    """Metadata rows of a source under our names.

    Args:
        source: a parquet file, a folder of them, or a glob.

    Returns:
        url, caption (strings), width_px, height_px (Int32), punsafe, pwatermark (Float32, 0 to 1, null where not
        stated; LAION-400M's UNLIKELY, UNSURE, NSFW become 0, 0.5, 1), source (file name), source_row (Int64, from 0).

    Raises:
        BadInput: nothing there, a file that is no parquet, or columns of no known schema.
    """
    frames = []
    for path in source_files(source):
        try:
            frames.append(_scan_file(path))
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from None
        except (pl.exceptions.PolarsError, OSError) as error:
            raise BadInput(f"{path}: cannot be read as parquet ({_first_line(error)}).") from None
    return pl.concat(frames)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _candidate_ids(rows: pl.DataFrame) -> pl.Series:
    """sha256 of the URL; where there is none, of "<source>#<row>"."""
    names = rows.select(pl.coalesce("url", pl.format("{}#{}", "source", "source_row")))["url"]
    return pl.Series("candidate_id", [hashlib.sha256(name.encode()).hexdigest() for name in names], dtype=pl.String)


def _rulings(config: CandidatesConfig) -> list[tuple[str, pl.Expr, str]]:
    """(status, when, reason), first that holds wins."""
    url, side = pl.col("url"), pl.min_horizontal("width_px", "height_px")
    # the numbers stand in columns of their own; equal reasons can be counted
    rulings = [
        ("bad_url", url.is_null(), "the source row has no URL"),
        ("bad_url", url.str.len_chars() > config.max_url_chars, f"URL longer than {config.max_url_chars} characters"),
        ("bad_url", ~url.str.contains(r"(?i)^https?://[^\s/?#]+[^\s\x00-\x1f]*$"), "not an http(s) URL"),
        ("repeated", ~url.is_first_distinct(), "an earlier row has the same URL"),
        ("unsafe", pl.col("punsafe") > config.max_punsafe, f"punsafe > {config.max_punsafe:g}"),
        ("watermark", pl.col("pwatermark") > config.max_pwatermark, f"pwatermark > {config.max_pwatermark:g}"),
        ("too_small", side < config.min_side_px, f"shorter side < {config.min_side_px} px"),
    ]
    if config.captions == "match":
        rulings += [
            ("no_label", pl.col("lemma").is_null(), "the caption names no class"),
            ("two_labels", pl.col("other_wnids").list.len() > 1, "the caption names two or more classes"),
        ]
    return rulings


def _first_of(rulings: list[tuple[str, pl.Expr, str]]) -> list[pl.Expr]:
    status, reason = pl.lit(ALIVE), pl.lit(None, dtype=pl.String)
    for name, when, why in reversed(rulings):
        holds = when.fill_null(value=False)
        status = pl.when(holds).then(pl.lit(name)).otherwise(status)
        reason = pl.when(holds).then(pl.lit(why)).otherwise(reason)
    return [status.alias("status"), reason.alias("reason")]


def read_candidates(
    source: str | Path, config: CandidatesConfig | None = None, progress: Callable[[int], None] | None = None
) -> pl.DataFrame:
    """Read a source and say of every row whether it is a label candidate.

    Args:
        source: as for `read_source`.
        config: which rows become candidates.
        progress: called with the number of rows done since the last call.

    Returns:
        CANDIDATES, one row per source row, in order; of rows with the same URL the first is judged, the others are
        `repeated`. Where `config.captions` is "any", captions that name no class or several leave `wnid` null and the
        row `ok`.

    Raises:
        BadInput: as for `read_source`.
    """
    config = config or CandidatesConfig()
    try:
        rows = read_source(source).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{source}: cannot be read as parquet ({_first_line(error)}).") from None
    parts = []
    for start in range(0, max(rows.height, 1), BATCH_ROWS):
        part = rows.slice(start, BATCH_ROWS)
        parts.append(
            pl.concat([part, _candidate_ids(part).to_frame(), name_classes(part["caption"])], how="horizontal")
        )
        if progress is not None:
            progress(part.height)
    none = pl.lit([], dtype=pl.List(pl.String))
    found_by = pl.when(pl.col("lemma").is_not_null()).then(pl.lit(["lemma"])).otherwise(none)
    judged = pl.concat(parts).with_columns(
        *_first_of(_rulings(config)),
        found_by.alias("found_by"),
        none.alias("sought_wnids"),
    )
    return shape_table(judged, CANDIDATES)
