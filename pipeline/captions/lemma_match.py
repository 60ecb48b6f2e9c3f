"""Which of the 1000 classes a caption names: whole words, longest first, at a million captions a second.

name_classes    captions -> the class each names, those it may name, or the several it names
find_lemmas     captions -> every lemma found, for looking into

Rule `relaionet`: case, accents, HTML's entities and punctuation do not matter; plurals and other spellings count
(`lemma_forms`); a lemma inside a longer one ("tiger" in "tiger shark") does not; words of one name may be parted by
one character (a space, hyphen or underscore) but not by a comma or a dash between spaces; a lemma that often means
something else names a class only together with one that does not. Rule `laionet`: `laionet_rule`.
"""

from __future__ import annotations

import html
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import repeat
from typing import Literal

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.laionet_rule import find_laionet_lemmas
from relaionet.pipeline.captions.lemma_forms import lemma_forms
from relaionet.pipeline.captions.word_search import FOLD_TABLE, find_words, space_texts

# fewer captions than this are not worth an automaton of their own
MIN_ROWS_PER_THREAD = 16_000
# captions of a slice are one string at a time, several times over
MAX_SLICE_BYTES = 64 << 20

Rule = Literal["relaionet", "laionet"]
_WNIDS = pl.List(pl.String)
_NONE = pl.lit([], dtype=_WNIDS)


@cache
def _forms() -> pl.DataFrame:
    """One row per way to write a lemma: pattern as searched, words, sure (wnid or null), possible (wnids)."""
    labels = read_labels()
    forms = [form for _, form in sorted(lemma_forms().items())]
    wnids = [[labels[index].wnid for index in form.class_indices] for form in forms]
    return pl.DataFrame(
        {
            "pattern": [f" {form.words} " for form in forms],
            "words": [" ".join(form.words.split()) for form in forms],
            "sure": [None if form.doubt else known[0] for form, known in zip(forms, wnids, strict=True)],
            "possible": [known if form.doubt else [] for form, known in zip(forms, wnids, strict=True)],
        },
        schema_overrides={"sure": pl.String, "possible": _WNIDS},
    )


def _plain_ascii(texts: pl.Expr) -> pl.Expr:
    """Texts with accents or of other alphabets -> ASCII, one character for one; what is no letter becomes an _."""
    return (
        texts.str.replace_all(r"[\p{No}™℠]", " ")  # would become letters and digits of the word before
        .str.normalize("NFKD")
        .str.replace_all(r"[\p{M}\p{Cf}]+", "")
        .str.replace_all(r"[^\x00-\x7f]", "_")
    )


@cache
def _common_characters() -> dict[str, str]:
    """What Latin letters with accents, signs and dashes become: most texts hold no others."""
    known = pl.Series([chr(code) for code in (*range(0xA0, 0x180), *range(0x2010, 0x2070), ord("™"))])
    return dict(zip(known, pl.select(_plain_ascii(pl.lit(known))).to_series(), strict=True))


def _divide(rows: pl.DataFrame, which: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    mask = rows.select(which.alias("which"))["which"]
    return rows.filter(mask), rows.filter(~mask)


def _fold_odd(rows: pl.DataFrame) -> pl.DataFrame:
    """Texts with entities of HTML, more than ASCII or several spaces together -> ASCII, one space."""
    text = pl.col("text")
    entities, rows = _divide(rows, text.str.contains(r"&[#A-Za-z]"))
    plain = pl.Series("text", [html.unescape(each) for each in entities["text"]], dtype=pl.String)
    known = _common_characters()
    rows = pl.concat([rows, entities.with_columns(plain)]).with_columns(
        text.str.replace_many(list(known), list(known.values()))
    )
    in_ascii, others = _divide(rows, text.str.len_bytes() == text.str.len_chars())
    rows = pl.concat([in_ascii, others.with_columns(_plain_ascii(text))])
    return rows.with_columns(text.str.replace_all(r" {2,}", " "))


def _fold_captions(captions: pl.Series) -> pl.DataFrame:
    """row, text: folded and padded; rows without a caption are left out, the order is not kept."""
    text = pl.col("text")
    rows = pl.DataFrame({"text": captions}).with_row_index("row").filter(text.is_not_null())
    has_more = text.str.len_bytes() != text.str.len_chars()
    odd, rows = _divide(rows, has_more | text.str.contains("&", literal=True) | text.str.contains("  ", literal=True))
    rows = pl.concat([rows, _fold_odd(odd)])
    return rows.with_columns(space_texts(rows["text"], FOLD_TABLE))


def _drop_contained(hits: pl.DataFrame) -> pl.DataFrame:
    """row, pattern of rows with several hits, without those that lie inside another; in the order of the caption."""
    # an automaton of what is there is made in no time, and finds the same in the same order
    there = hits["found"].list.explode(keep_nulls=False, empty_as_null=False).unique().to_list() or [" "]
    starts = pl.col("text").str.find_many(there, overlapping=True).alias("start")
    # one number orders all ends: of a later row, or later in the same
    end = pl.col("row").cast(pl.Int64) * 2**32 + pl.col("start") + pl.col("found").str.len_bytes()
    return (
        hits.select("row", "found", starts)
        .explode("found", "start")
        .with_columns(end.alias("end"))
        .sort("row", "start", "end", descending=[False, False, True])
        .filter((pl.col("end") > pl.col("end").cum_max().shift(1)).fill_null(value=True))
        .select("row", pl.col("found").alias("pattern"))
    )


def _find_patterns(captions: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """row, pattern: of rows with one hit, and of rows with several."""
    hits = find_words(_fold_captions(captions), _forms()["pattern"].to_list())
    several = pl.col("found").list.len() > 1
    once = hits.filter(~several).select("row", pl.col("found").list.first().alias("pattern"))
    return once, _drop_contained(hits.filter(several))


def find_lemmas(captions: pl.Series) -> pl.DataFrame:
    """Find the lemmas of every caption by the rule `relaionet`.

    Args:
        captions: any length; strings of strangers, null where a row has none.

    Returns:
        One row per (caption, lemma found): row UInt32 (place in `captions`), pattern (words as searched), words, sure
        (the wnid named, or null), possible List(String) (wnids that may be meant); ordered by row, then by place in
        the caption.
    """
    once, several = _find_patterns(captions)
    found = pl.concat([once, several]).sort("row", maintain_order=True)
    return found.join(_forms(), on="pattern", how="left", maintain_order="left")


def _lists(items: pl.DataFrame) -> pl.DataFrame:
    """row and one more column -> row and a list of what stands beside it, in order."""
    return items.group_by("row", maintain_order=True).agg(pl.all())


def _unite(found: pl.DataFrame) -> pl.DataFrame:
    """row, words, sure, possible of every hit -> row, wnid, lemma, other_wnids, possible_wnids of every row."""
    sure = pl.col("sure")
    words = _lists(found.select("row", "words").unique(maintain_order=True))
    wnids = _lists(found.select("row", "sure").drop_nulls().unique().sort("row", "sure"))
    unsure = found.join(wnids, on="row", how="anti").select("row", "possible").explode("possible")
    possible = _lists(unsure.unique().sort("row", "possible"))
    return words.join(wnids, on="row", how="left").join(possible, on="row", how="left").select(
        "row",
        pl.when(sure.list.len() == 1).then(sure.list.first()).alias("wnid"),
        pl.col("words").list.join(", ").alias("lemma"),
        pl.when(sure.list.len() > 1).then(sure).otherwise(_NONE).alias("other_wnids"),
        pl.col("possible").fill_null([]).alias("possible_wnids"),
    )  # fmt: skip


def _name_slice(captions: pl.Series, rule: Rule, laionet_table: bool) -> pl.DataFrame:
    if rule == "laionet":
        found = find_laionet_lemmas(captions, published=laionet_table).with_columns(_NONE.alias("possible"))
        once, several = _divide(found, ~pl.col("row").is_duplicated())
    else:
        once, several = (part.join(_forms(), on="pattern", maintain_order="left") for part in _find_patterns(captions))
    single = once.select(
        "row", pl.col("sure").alias("wnid"), pl.col("words").alias("lemma"), _NONE.alias("other_wnids"),
        pl.col("possible").alias("possible_wnids"),
    )  # fmt: skip
    named = pl.concat([single, _unite(several.select("row", "words", "sure", "possible"))]).sort("row")
    columns = ("wnid", "lemma", "other_wnids", "possible_wnids")
    return pl.DataFrame([_spread(named[name], named["row"], captions.len()) for name in columns])


def _cut(captions: pl.Series, rows_count: int) -> list[pl.Series]:
    """Slices of so many rows, or fewer where they are long."""
    parts = [captions[start : start + rows_count] for start in range(0, max(captions.len(), 1), rows_count)]
    is_small = [rows_count == 1 or part.str.len_bytes().sum() <= MAX_SLICE_BYTES for part in parts]
    return [
        piece
        for part, fits in zip(parts, is_small, strict=True)
        for piece in ([part] if fits else _cut(part, -(-rows_count // 2)))
    ]


def check_table(rule: str, laionet_table: bool) -> None:
    """Refuse LAIONet's table under a rule that does not use it.

    Raises:
        BadInput: the rule is another.
    """
    if laionet_table and rule != "laionet":
        raise BadInput(f"laionet_table is of rule = 'laionet'; found rule = '{rule}'. Leave it out, or set that rule.")


def name_classes(captions: pl.Series, rule: Rule = "relaionet", *, laionet_table: bool = False) -> pl.DataFrame:
    """Say which class each caption names.

    A lemma that means one class and little else is sure and decides. Where only words were found that may mean
    something else (crane, jay, nail, …), no class is named, and those that may be meant are listed.

    Args:
        captions: N strings or nulls.
        rule: "relaionet", or "laionet" for the published rule of LAIONet, which knows no unsure words.
        laionet_table: with "laionet": follow LAIONet's own table where it is not ImageNet's: "crane" is the bird, and
            the Siberian husky n02112837, which is no wnid of ours (n02110185).

    Returns:
        N rows, in order: wnid (null unless exactly one class is surely named), lemma (the words found, ", " between;
        null where there are none), other_wnids (all classes surely named, in class order, where two or more are; else
        empty), possible_wnids (classes that may be meant, in class order, where none is surely named; else empty).

    Raises:
        BadInput: another rule, or LAIONet's table with ours.
    """
    if rule not in ("relaionet", "laionet"):
        raise BadInput(f"rule = '{rule}': expected 'relaionet' or 'laionet'.")
    check_table(rule, laionet_table)
    threads_count = pl.thread_pool_size()
    slices = _cut(captions.cast(pl.String), max(MIN_ROWS_PER_THREAD, -(-captions.len() // threads_count)))
    with ThreadPoolExecutor(min(len(slices), threads_count)) as threads:
        return pl.concat(threads.map(_name_slice, slices, repeat(rule), repeat(laionet_table)))


def _spread(values: pl.Series, rows: pl.Series, rows_count: int) -> pl.Series:
    """Put values[i] at rows[i] (sorted) of a column of null, or of empty lists."""
    import numpy as np
    import pyarrow as pa

    if values.dtype == pl.String:
        places = np.full(rows_count, values.len(), dtype=np.uint32)
        places[rows.to_numpy()] = np.arange(values.len(), dtype=np.uint32)
        return values.extend_constant(None, 1).gather(places)
    lengths = np.zeros(rows_count + 1, dtype=np.int64)
    lengths[rows.to_numpy() + 1] = values.list.len().to_numpy()
    items = values.list.explode(keep_nulls=False, empty_as_null=False).to_arrow(compat_level=pl.CompatLevel.oldest())
    return pl.Series(values.name, pl.from_arrow(pa.LargeListArray.from_arrays(lengths.cumsum(), items)))
