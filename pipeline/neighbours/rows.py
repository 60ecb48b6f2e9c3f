"""Results of searches as rows of NEIGHBOURS: every field is a stranger's, so each is checked and none is assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import polars as pl

from relaionet.manifests.tables import NEIGHBOURS, shape_table
from relaionet.manifests.tables.candidates import CAPTION_CHARS

MAX_URL_CHARS = 10_000
MAX_SIDE_PX = 2**31 - 1
# LAION-400M states words where the later sets state a probability
NSFW_PUNSAFE = {"UNLIKELY": 0.0, "UNSURE": 0.5, "NSFW": 1.0}
COSINE_SLACK = 1e-3  # of float16 rows
# our name -> names in the metadata of published indices
URL, CAPTION = ("url", "URL"), ("caption", "TEXT")
SIDES = {"width_px": ("width", "WIDTH", "original_width"), "height_px": ("height", "HEIGHT", "original_height")}
SCORES = {"punsafe": ("punsafe",), "pwatermark": ("pwatermark",)}
META_COLUMNS = frozenset({*URL, *CAPTION, "NSFW", *(name for names in (SIDES | SCORES).values() for name in names)})


def read_result(item: Any, rank: int, about: Mapping[str, str]) -> dict[str, Any]:
    """Read one result of an answer.

    Args:
        item: what stands at this place of the answer: anything JSON can hold.
        rank: its place, from 0.
        about: wnid, query, asked and source of the search.

    Returns:
        A row of NEIGHBOURS, `ok` or `malformed` with the reason.
    """
    row: dict[str, Any] = dict.fromkeys(NEIGHBOURS.columns) | dict(about) | {"rank": rank}
    if not isinstance(item, dict):
        return _malformed(row, f"the result is {_kind(item)}, not an object")
    row["source_row"] = _row_number(item.get("id"))
    row["cosine"] = _cosine(item.get("similarity"))
    row |= {ours: _side(_first(item, theirs)) for ours, theirs in SIDES.items()}
    row |= {ours: _probability(_first(item, theirs)) for ours, theirs in SCORES.items()}
    if row["punsafe"] is None and isinstance(item.get("NSFW"), str):
        row["punsafe"] = NSFW_PUNSAFE.get(item["NSFW"])
    url, caption = _first(item, URL), _first(item, CAPTION)
    if not isinstance(url, str) or not url.strip():
        return _malformed(row, "the result has no URL" if url is None or url == "" else "the URL is no text")
    if len(url) > MAX_URL_CHARS or not _is_text(url):
        return _malformed(row, f"URL longer than {MAX_URL_CHARS} characters" if _is_text(url) else "the URL is no text")
    if isinstance(caption, str) and len(caption) > CAPTION_CHARS:
        return _malformed(row, f"caption longer than {CAPTION_CHARS} characters")
    row["url"] = url
    row["caption"] = caption.encode(errors="replace").decode() if isinstance(caption, str) else None
    row["candidate_id"] = sha256(url.encode()).hexdigest()
    row["status"] = "ok"
    return row


def failed_row(about: Mapping[str, str], why: str) -> dict[str, Any]:
    """The row of a query that has no answer."""
    return _malformed(dict.fromkeys(NEIGHBOURS.columns) | dict(about), why, status="failed")


def settle_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """NEIGHBOURS in the order given; of the `ok` rows of a class, a kind of search and a URL the nearest stays `ok`."""
    table = pl.DataFrame(list(rows), schema=NEIGHBOURS.schema).with_row_index("place")
    nearest = (
        table.filter(pl.col("status") == "ok")
        .sort("cosine", "rank", "place", descending=[True, False, False], nulls_last=True)
        .unique(["candidate_id", "wnid", "query"], keep="first", maintain_order=True)["place"]
    )
    is_repeated = (pl.col("status") == "ok") & ~pl.col("place").is_in(nearest.implode())
    reason = pl.lit("a nearer result of this class has the same URL")
    return shape_table(
        table.with_columns(
            status=pl.when(is_repeated).then(pl.lit("repeated")).otherwise("status"),
            reason=pl.when(is_repeated).then(reason).otherwise("reason"),
        ),
        NEIGHBOURS,
    )


def _malformed(row: dict[str, Any], reason: str, status: str = "malformed") -> dict[str, Any]:
    place = (row["source"], row["wnid"], row["query"], row["asked"], row["rank"])
    name = f"{row['source']}#{row['source_row']}" if row["source_row"] is not None else "#".join(map(str, place))
    return row | {"candidate_id": sha256(name.encode()).hexdigest(), "status": status, "reason": reason}


def _kind(item: Any) -> str:
    return {type(None): "null", str: "a text", list: "a list", bool: "true or false"}.get(type(item), "a number")


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _is_text(text: str) -> bool:
    """False for JSON strings with half a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> float | None:
    """A finite number, also one that was written as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and not value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _cosine(value: Any) -> float | None:
    """A cosine; an index of rows that are not of unit length gives other numbers, which are none."""
    number = _number(value)
    return None if number is None or abs(number) > 1 + COSINE_SLACK else max(-1.0, min(1.0, number))


def _probability(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _side(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number <= MAX_SIDE_PX else None


def _row_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
