"""Metadata rows -> label candidates: which class each caption names, and which rows are worth fetching.

judge_rows         rows of one batch -> CANDIDATES: every row with a status
read_candidates    a small source -> CANDIDATES at once; `stream` is for those of any size
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import LATER
from relaionet.manifests.tables import ALIVE, CANDIDATES, shape_table
from relaionet.manifests.tables.candidates import CAPTION_CHARS
from relaionet.pipeline.candidates.searched_rows import merge_neighbours
from relaionet.pipeline.captions.laionet_rule import OUR_WNIDS
from relaionet.pipeline.captions.lemma_match import check_table, name_classes
from relaionet.pipeline.sources.schemas import check_schema

VERSION = "4"
# tabs and line ends stand in ordinary captions
CONTROL = r"[\x00-\x08\x0e-\x1f\x7f]"
WEB_URL = r"^(?i-u:https?)://[^\x00-\x20\x7f/?#][^\x00-\x20\x7f]*$"
CAPTIONS = Literal["match", "any"]
RULE = Literal["relaionet", "laionet"]
KEEP_ROWS = Literal["auto", "all", "named"]


@dataclass(frozen=True, kw_only=True)
class CandidatesConfig:
    """Which rows become candidates.

    Attributes:
        schema: name of the tables' schema, such as "LAION-2B"; None finds it from their columns.
        columns: our name (url, caption, width_px, height_px, punsafe, pwatermark) -> the table's, where the table has
            names of its own.
        rule: how captions name classes: "relaionet" (plurals, accents, longest match, words of several meanings kept
            apart) or "laionet", the published rule of LAIONet.
        laionet_table: with rule "laionet": follow LAIONet's own table where it is not ImageNet's, so that "crane" names
            the bird. Its Siberian husky, n02112837, stands in the tables as ours, n02110185.
        captions: "match" keeps rows whose caption names exactly one class; "any" keeps every row, named or not, for
            small sources where the image is to decide.
        keep_rows: "all" writes every row of the source; "named" writes those that name a class, are alive or were found
            by a search, and counts the others by status and reason; "auto" is "all" up to `auto_rows_count` rows.
        auto_rows_count: rows of the source (of text tables estimated from their length) up to which "auto" keeps all.
        min_side_px: shorter side the source states, at least; rows that state none pass.
        max_punsafe: the source's unsafe probability (0 to 1), at most; rows that state none pass.
        max_pwatermark: the source's watermark probability (0 to 1), at most; rows that state none pass.
        max_url_chars: longest URL accepted, characters.
        max_caption_chars: longest caption accepted, characters.
        rows_per_shard: rows per shard of the stages that follow.
    """

    schema: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    rule: RULE = "relaionet"
    laionet_table: bool = field(default=False, metadata=LATER)
    captions: CAPTIONS = "match"
    keep_rows: KEEP_ROWS = "auto"
    auto_rows_count: int = 2_000_000
    min_side_px: int = 64
    max_punsafe: float = 0.5
    max_pwatermark: float = 0.8
    max_url_chars: int = 4096
    max_caption_chars: int = CAPTION_CHARS
    rows_per_shard: int = 10_000

    def __post_init__(self) -> None:
        for name, kind in (("captions", CAPTIONS), ("rule", RULE), ("keep_rows", KEEP_ROWS)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(f"'{value}'" for value in get_args(kind))
                raise BadInput(f"{name} = '{getattr(self, name)}': expected one of {known}.")
        check_table(self.rule, self.laionet_table)
        for name in ("max_url_chars", "max_caption_chars", "rows_per_shard"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: expected at least 1.")
        check_schema(self.schema, self.columns)

    @property
    def max_chars(self) -> int:
        """Characters of a URL or caption that must be read to judge it."""
        return 1 + max(self.max_url_chars, self.max_caption_chars)


def _rulings(config: CandidatesConfig) -> list[tuple[str, pl.Expr, str]]:
    """(status, when, reason), first that holds wins; what only the caption decides comes last."""
    url, caption, fault = pl.col("url"), pl.col("caption"), pl.col("fault")
    side = pl.min_horizontal("width_px", "height_px")
    longest = config.max_caption_chars
    # the numbers stand in columns of their own; equal reasons can be counted
    rulings = [
        ("malformed", fault == "line", "the line of the file has not the fields of a row"),
        ("malformed", fault == "quote", "a quote in the line opens or closes where no field does"),
        ("malformed", fault == "twice", "the line has two values of one name"),
        ("bad_url", fault == "url_nested", "the URL is a list or an object, not a text"),
        ("bad_url", url.is_null(), "the source row has no URL"),
        ("bad_url", fault == "url", "the URL is not text in UTF-8"),
        ("bad_url", _longer(url, config.max_url_chars), f"URL longer than {config.max_url_chars} characters"),
        ("bad_url", ~url.str.contains(WEB_URL), "not an http(s) URL"),
        ("bad_text", fault == "caption", "the caption is not text in UTF-8"),
        ("bad_text", fault == "caption_nested", "the caption is a list or an object, not a text"),
        ("bad_text", _longer(caption, longest), f"caption longer than {longest} characters"),
        ("bad_text", caption.str.contains(CONTROL), "the caption holds control characters"),
        ("unsafe", pl.col("punsafe") > config.max_punsafe, f"punsafe > {config.max_punsafe:g}"),
        ("watermark", pl.col("pwatermark") > config.max_pwatermark, f"pwatermark > {config.max_pwatermark:g}"),
        ("too_small", side < config.min_side_px, f"shorter side < {config.min_side_px} px"),
    ]
    if config.captions == "match":
        unsought = pl.col("sought_wnids").list.len() == 0
        rulings += [
            ("no_label", unsought & pl.col("lemma").is_null(), "the caption names no class"),
            ("two_labels", unsought & (pl.col("other_wnids").list.len() > 1), "the caption names two or more classes"),
        ]
    return rulings


def _longer(text: pl.Expr, most_chars: int) -> pl.Expr:
    # bytes are known, characters must be counted
    return (text.str.len_bytes() > most_chars) & (text.str.len_chars() > most_chars)


def _first_of(rows: pl.DataFrame, rulings: Sequence[tuple[str, pl.Expr, str]]) -> pl.DataFrame:
    """The rows with status and reason by the first ruling that holds."""
    number = pl.lit(len(rulings), dtype=pl.UInt8)
    for place, (_, when, _) in reversed(list(enumerate(rulings))):
        number = pl.when(when).then(pl.lit(place, dtype=pl.UInt8)).otherwise(number)
    first = rows.select(number.alias("number"))["number"].cast(pl.UInt32)
    statuses = pl.Series("status", [*(status for status, _, _ in rulings), ALIVE], dtype=pl.String)
    reasons = pl.Series("reason", [*(why for _, _, why in rulings), None], dtype=pl.String)
    return rows.with_columns(statuses.gather(first), reasons.gather(first))


def rule_rows(rows: pl.DataFrame, config: CandidatesConfig, found: pl.DataFrame | None = None) -> pl.DataFrame:
    """Judge the rows of one batch, each by itself, without their ids.

    Args:
        rows: what `sources.read_batches` yields.
        config: which rows become candidates.
        found: what searches found (`searched_rows.gather_neighbours`), or None.

    Returns:
        The same rows with the columns of CANDIDATES but candidate_id, and `fault`.
    """
    classes = name_classes(rows["caption"], config.rule, laionet_table=config.laionet_table).with_columns(
        pl.col("wnid").replace(OUR_WNIDS), pl.col("other_wnids").list.eval(pl.element().replace(OUR_WNIDS).sort())
    )
    named = pl.concat([rows, classes], how="horizontal")
    return _first_of(merge_neighbours(named, found), _rulings(config)).with_columns(
        pl.col("url").str.slice(0, config.max_url_chars), pl.col("caption").str.slice(0, config.max_caption_chars)
    )


def is_kept() -> pl.Expr:
    """True for rows that are written where the others are only counted."""
    return (pl.col("status") == ALIVE) | pl.col("lemma").is_not_null() | (pl.col("sought_wnids").list.len() > 0)


def add_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """CANDIDATES of what `rule_rows` gives, with their ids.

    The id is the sha256 of the URL; where the row has none, or one that is cut or no text, of "<source>#<row>".
    """
    has_none = pl.col("url").is_null() | (pl.col("fault") == "url").fill_null(value=False)
    is_cut = (pl.col("status") == "bad_url") & pl.col("reason").str.starts_with("URL longer")
    place = pl.format("{}#{}", "source", "source_row")
    names = rows.select(pl.when(has_none | is_cut.fill_null(value=False)).then(place).otherwise("url"))
    digests = [hashlib.sha256(name.encode()).digest() for name in names.to_series()]
    ids = pl.Series("candidate_id", digests, dtype=pl.Binary).bin.encode("hex")
    return shape_table(rows.with_columns(ids), CANDIDATES)


def judge_rows(rows: pl.DataFrame, config: CandidatesConfig, found: pl.DataFrame | None = None) -> pl.DataFrame:
    """Say of every row of one batch whether it is a label candidate, each by itself.

    Args:
        rows: what `sources.read_batches` yields.
        config: which rows become candidates.
        found: what searches found (`searched_rows.gather_neighbours`), or None. A row they found is judged whatever
            classes its caption names.

    Returns:
        CANDIDATES, the same rows in order. None is `repeated`: that depends on the rows before. Where
        `config.captions` is "any", captions that name no class or several leave `wnid` null and the row `ok`.
    """
    return add_ids(rule_rows(rows, config, found))
