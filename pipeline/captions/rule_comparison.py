"""Where the two rules for naming classes in captions differ, and for which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from relaionet.pipeline.captions.lemma_forms import Form, lemma_forms
from relaionet.pipeline.captions.lemma_match import find_lemmas, name_classes
from relaionet.pipeline.captions.word_search import PUNCTUATION_TABLE

# reason -> what it means
REASONS = {
    "ambiguous": "LAIONet trusts a word that often means something else",
    "sure_decides": "LAIONet counts two classes, or another, by such a word; a word that is sure decides here",
    "longest_match": "LAIONet also counts a lemma inside a longer one",
    "shared": "a word of two classes, which LAIONet leaves out",
    "case": "upper and lower case differ from the lemma's",
    "plural": "the lemma stands in the plural",
    "name": "a common name of the class that is no lemma of WordNet's",
    "spelling": "hyphen, one word or two, apostrophe, another spelling",
    "characters": "accents, entities or line ends in the lemma or beside it",
    "parted": "LAIONet finds a lemma in characters that are part of something else here",
}
# what is done with a caption
OUTCOMES = ("one class", "left to the text", "two classes", "none")


def compare_rules(captions: pl.Series) -> pl.DataFrame:
    """Captions for which the rules differ in the classes named, or in those left open.

    Args:
        captions: strings or nulls.

    Returns:
        row UInt32 (place in `captions`), caption, lemma (found here) and laionet_lemma, wnid and laionet_wnid (null
        where no or several classes are named), possible_wnids, outcome and laionet_outcome (of `OUTCOMES`), reason (a
        key of `REASONS`); in order of rows.
    """
    captions = captions.cast(pl.String)
    ours, theirs = name_classes(captions), name_classes(captions, "laionet")
    rows = pl.DataFrame({"caption": captions}).with_row_index("row").with_columns(
        *ours.get_columns(), *(column.alias(f"laionet_{column.name}") for column in theirs.get_columns())
    )  # fmt: skip
    sure = pl.concat_list("wnid", "other_wnids").list.drop_nulls().list.sort()
    laionet = pl.concat_list("laionet_wnid", "laionet_other_wnids").list.drop_nulls().list.sort()
    rows = rows.filter((sure != laionet) | (pl.col("possible_wnids").list.len() > 0))
    found = (
        find_lemmas(rows["caption"])
        .group_by("row")
        .agg(pl.col("pattern").str.slice(1, pl.col("pattern").str.len_chars() - 2))
    )
    forms = dict(found.iter_rows())
    reasons = [_reason(row, forms.get(place, ())) for place, row in enumerate(rows.iter_rows(named=True))]
    return rows.select(
        "row", "caption", "lemma", "laionet_lemma", "wnid", "laionet_wnid", "possible_wnids",
        _outcome("").alias("outcome"), _outcome("laionet_").alias("laionet_outcome"),
        pl.Series("reason", reasons, dtype=pl.String),
    )  # fmt: skip


def _outcome(side: str) -> pl.Expr:
    one, left, two, none = (pl.lit(outcome) for outcome in OUTCOMES)
    several, possible = pl.col(f"{side}other_wnids").list.len() > 0, pl.col(f"{side}possible_wnids").list.len() > 0
    return (
        pl.when(pl.col(f"{side}wnid").is_not_null())
        .then(one)
        .when(several)
        .then(two)
        .when(possible)
        .then(left)
        .otherwise(none)
    )


def _reason(row: Mapping[str, Any], words: Sequence[str]) -> str:
    forms = [lemma_forms()[each] for each in words]
    sure = [form for form in forms if form.doubt is None]
    named = {row["wnid"], *row["other_wnids"]}
    theirs = {row["laionet_wnid"], *row["laionet_other_wnids"]} - {None}
    if not forms:
        return "parted"
    if not sure and theirs:
        return "ambiguous"
    if theirs - named:
        return "sure_decides" if len(sure) < len(forms) else "longest_match"
    known = set(str(row["laionet_lemma"]).lower().split(", "))
    return _what_hides(row["caption"], [form for form in sure or forms if form.words not in known] or forms)


def _what_hides(caption: str, forms: Sequence[Form]) -> str:
    """Why LAIONet's rule does not find the first of these words."""
    form = forms[0]
    if form.doubt is not None and form.doubt.kind == "shared":
        return "shared"
    if form.kind != "lemma":
        return "spelling" if form.kind == "misspelling" else form.kind
    text = caption.encode().translate(PUNCTUATION_TABLE).decode().lower()
    lemma = form.lemma.encode().translate(PUNCTUATION_TABLE).decode().lower()
    if f" {lemma} " not in f" {text} ":
        return "characters"
    return "case" if form.lemma.isascii() and lemma == form.lemma.lower() else "spelling"
