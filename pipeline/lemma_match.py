"""Which of the 1000 classes a caption names: whole words, longest lemma first, at a million captions a second.

A caption is folded to lower-case words of a-z and 0-9 and each word is padded with a space on both sides, so that
" bow  tie " is found in " my  bow  tie " by plain string search and two neighbouring words never share a space.
Most captions name no class; a cheap search of the raw text for one telling word of each lemma leaves out about half
of them before the costly folding.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import cache
from typing import Literal

import polars as pl

from relaionet.manifests.labels import read_labels

# a word this short is inside too many others ("ant", "ear"), so its left neighbour must be no letter or digit
SHORT_WORD_CHARS = 4
_NONE = pl.lit([], dtype=pl.List(pl.String))
NO_WORD_CHARS = tuple(chr(code) for code in range(128) if not chr(code).isalnum())


def fold_text(text: str) -> str:
    """Lower-case words of a-z and 0-9, one space between; accents fall, every other character separates words."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char)[0] != "M")
    return " ".join(re.findall(r"[a-z0-9]+", plain.lower()))


def plural_forms(words: str) -> set[str]:
    """Simple English plurals of a folded lemma, made on its last word ("wild boar" -> "wild boars")."""
    forms = {words + "s"}
    if words.endswith(("s", "x", "z", "ch", "sh")):
        forms.add(words + "es")
    if words.endswith("y") and words[-2:-1] not in "aeiou":
        forms.add(words[:-1] + "ies")
    return forms


@cache
def lemma_classes() -> dict[str, tuple[str, ...]]:
    """Folded words -> the wnids they name, in class order.

    Lemmas, distinct names and their plurals count; a lemma written with a hyphen is also known written as one word
    ("t-shirt", "t shirt", "tshirt"). Words of two classes name both.
    """
    classes: dict[str, set[int]] = defaultdict(set)
    labels = read_labels()
    for label in labels:
        for lemma in (*label.lemmas, label.name):
            for words in {fold_text(lemma), fold_text(lemma.replace("-", ""))}:
                for form in {words} | plural_forms(words):
                    classes[form].add(label.class_index)
    return {words: tuple(labels[index].wnid for index in sorted(known)) for words, known in classes.items()}


def _padded(words: str) -> str:
    return "".join(f" {word} " for word in words.split())


@cache
def _patterns() -> pl.DataFrame:
    """One row per folded lemma: pattern as searched, words, wnids; longest first, so that the longest wins."""
    items = sorted(lemma_classes().items(), key=lambda item: (-len(item[0]), item[0]))
    return pl.DataFrame(
        {
            "pattern": [_padded(words) for words, _ in items],
            "words": [words for words, _ in items],
            "wnids": [list(wnids) for _, wnids in items],
        }
    )


@cache
def _anchors() -> pl.Series:
    """Strings of which every ASCII caption that names a class holds at least one."""
    telling = {max(words.split(), key=len) for words in lemma_classes()}
    short = {word for word in telling if len(word) <= SHORT_WORD_CHARS}
    long: list[str] = []
    for word in sorted(telling - short, key=len):
        if not any(known in word for known in long):
            long.append(word)
    return pl.Series(long + [left + word for word in sorted(short) for left in NO_WORD_CHARS])


def _fold(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit(" "), text.str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "  "), pl.lit(" ")).alias(
        "text"
    )


def find_lemmas(captions: pl.Series) -> pl.DataFrame:
    """Find the lemmas of every caption.

    Args:
        captions: any length; strings of strangers, null where a row has none.

    Returns:
        One row per (caption, lemma found): row UInt32 (place in `captions`), words (folded), wnids List(String);
        ordered by row, then by place in the caption. Overlaps are resolved leftmost, then longest.
    """
    text = pl.col("text")
    is_ascii = text.str.len_bytes() == text.str.len_chars()
    # a space in front stands for the left neighbour of the first word
    telling = pl.concat_str(pl.lit(" "), text).str.contains_any(_anchors().to_list(), ascii_case_insensitive=True)
    rows = pl.LazyFrame({"text": captions.cast(pl.String)}).with_row_index("row").filter(text.is_not_null())
    plain = rows.filter(is_ascii & telling).with_columns(_fold(text))
    accented = rows.filter(~is_ascii).with_columns(_fold(text.str.normalize("NFKD").str.replace_all(r"\p{M}+", "")))
    patterns = _patterns()
    found = (
        pl.concat([plain, accented])
        .select("row", text.str.extract_many(patterns["pattern"].to_list(), leftmost=True).alias("pattern"))
        .filter(pl.col("pattern").list.len() > 0)
        .collect(engine="streaming")
        .sort("row")
    )
    return found.explode("pattern").join(patterns, on="pattern", how="left", maintain_order="left").drop("pattern")


def name_classes(captions: pl.Series, rule: Literal["relaionet", "laionet"] = "relaionet") -> pl.DataFrame:
    """Say which class each caption names.

    A lemma that can only mean one class is sure and decides. Where only words were found that may mean something else
    (crane, maillot, missile, …), no class is named, and those that may be meant are listed.

    Args:
        captions: N strings or nulls.
        rule: "relaionet", or "laionet" for the published rule of LAIONet.

    Returns:
        N rows, in order: wnid (null unless exactly one class is surely named), lemma (the words found, ", " between;
        null where there are none), other_wnids (all classes surely named, in class order, where two or more are; else
        empty), possible_wnids (classes that may be meant, in class order, where none is surely named; else empty).
    """
    found = find_lemmas(captions)
    sure = pl.col("wnids").list.len() == 1
    named = (
        found.group_by("row")
        .agg(
            pl.col("words").unique(maintain_order=True),
            pl.col("wnids").filter(sure).list.explode().unique().sort().alias("sure"),
            pl.col("wnids").filter(~sure).list.explode().unique().sort().alias("possible"),
        )
        .select(
            "row",
            pl.when(pl.col("sure").list.len() == 1).then(pl.col("sure").list.first()).alias("wnid"),
            pl.col("words").list.join(", ").alias("lemma"),
            pl.when(pl.col("sure").list.len() > 1).then("sure").otherwise(_NONE).alias("other_wnids"),
            pl.when(pl.col("sure").list.len() == 0).then("possible").otherwise(_NONE).alias("possible_wnids"),
        )
    )
    rows = pl.DataFrame({"row": pl.int_range(captions.len(), dtype=pl.get_index_type(), eager=True)})
    return (
        rows.join(named, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("other_wnids", "possible_wnids").fill_null([]))
        .drop("row")
    )
