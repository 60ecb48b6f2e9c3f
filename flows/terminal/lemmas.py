"""What the `relaionet lemmas` commands say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.manifests.store import csv_bytes
from relaionet.manifests.words import name_counted, say_count
from relaionet.pipeline.captions.laionet_rule import OUR_WNIDS
from relaionet.pipeline.captions.lemma_forms import Form, fold_text, lemma_forms
from relaionet.pipeline.captions.lemma_match import Rule, name_classes
from relaionet.pipeline.captions.rule_comparison import OUTCOMES, REASONS, compare_rules
from relaionet.pipeline.captions.text_encoders import TextEncoder
from relaionet.pipeline.captions.text_match import TEMPLATE, TextMatchConfig, compare_texts
from relaionet.pipeline.embeddings.class_texts import embed_labels
from relaionet.pipeline.sources.read import open_source, read_batches

if TYPE_CHECKING:
    import numpy as np

SHOWN_WORDS = 15
LEAST = (0.3, 0.4, 0.5)


def describe_word(word: str) -> Iterator[str]:
    """Lines about a word, or about all words of a wnid.

    Raises:
        BadInput: no class is named so; the message offers the nearest word.
    """
    if word in labels_by_wnid():
        label = labels_by_wnid()[word]
        yield f"{label.wnid}  {label.name}: {label.gloss}"
        for form in lemma_forms().values():
            if label.class_index in form.class_indices:
                yield f"  {form.words:<32} {_about(form)}"
        return
    named = lemma_forms().get(fold_text(word))
    if named is None:
        raise BadInput(f"'{word}' names no class.{nearest_name(fold_text(word), lemma_forms())}")
    yield f"{named.words}: {_about(named)}"
    for index in named.class_indices:
        label = read_labels()[index]
        yield f"  {label.wnid}  {label.name}: {label.gloss}"


def _about(form: Form) -> str:
    origin = form.kind if form.kind in ("lemma", "name") else f"{form.kind} of {form.lemma}"
    if form.doubt is None:
        return origin
    return f"{origin}; left to the text ({form.doubt.kind}: {form.doubt.also})"


def describe_captions(captions: Sequence[str], rule: Rule, *, laionet_table: bool = False) -> Iterator[str]:
    """A line for each caption: what it names and by which words."""
    named = name_classes(pl.Series(captions, dtype=pl.String), rule, laionet_table=laionet_table)
    known = labels_by_wnid()
    known = known | {theirs: known[ours] for theirs, ours in OUR_WNIDS.items()}
    for row in named.iter_rows(named=True):
        if row["lemma"] is None:
            yield "no class"
            continue
        wnids = ([row["wnid"]] if row["wnid"] else []) or row["other_wnids"] or row["possible_wnids"]
        names = ", ".join(f"{wnid} {known[wnid].name}" for wnid in wnids)
        says = "" if row["wnid"] else "two classes: " if row["other_wnids"] else "left to the text: "
        yield f"{says}{names}  ({row['lemma']})"


def compare_source(source: str, rows_count: int, out: Path | None) -> Iterator[str]:
    """Lines of a table: differences between the rules by reason, over the captions of a source."""
    captions = _read_captions(source, rows_count)
    found = compare_rules(captions)
    if out is not None:
        write_atomic(out, csv_bytes(found.with_columns(pl.col("possible_wnids").list.join(" "))))
    yield f"{captions.len():,} caption{'' if captions.len() == 1 else 's'}, {found.height:,} of them judged differently"
    yield ""
    for rule in ("relaionet", "laionet"):
        yield f"  {rule:<10} " + ", ".join(f"{count:,} {outcome}" for outcome, count in _outcomes(captions, rule))
    yield ""
    yield f"  {'reason':<14}" + "".join(f"{outcome:>18}" for outcome in OUTCOMES) + "   (by rule relaionet)"
    for reason, meaning in REASONS.items():
        counts = [found.filter((pl.col("reason") == reason) & (pl.col("outcome") == each)).height for each in OUTCOMES]
        if sum(counts):
            yield f"  {reason:<14}" + "".join(f"{count:>18,}" for count in counts) + f"   {meaning}"
    if out is not None:
        yield f"\nwritten to {out}"


def _outcomes(captions: pl.Series, rule: Rule) -> list[tuple[str, int]]:
    named = name_classes(captions, rule)
    counts = named.select(
        pl.col("wnid").count().alias("one"),
        (pl.col("possible_wnids").list.len() > 0).sum().alias("left"),
        (pl.col("other_wnids").list.len() > 0).sum().alias("two"),
        pl.col("lemma").null_count().alias("none"),
    ).row(0)
    return list(zip(OUTCOMES, counts, strict=True))


def check_words(source: str, rows_count: int, encoder: TextEncoder, min_captions: int) -> Iterator[str]:
    """Lines on how similar captions are to the class they name by a word, for words trusted alone and others."""
    captions = _read_captions(source, rows_count)
    rows = pl.DataFrame({"caption": captions}).with_columns(*name_classes(captions).get_columns())
    one_word = ~pl.col("lemma").str.contains(", ", literal=True)
    one_class = pl.col("wnid").is_not_null() | (pl.col("possible_wnids").list.len() == 1)
    rows = rows.filter(one_word & one_class).with_columns(sought_wnids=pl.lit([], dtype=pl.List(pl.String)))
    cosines = compare_texts(rows, TextMatchConfig(), encoder, _vectors_of(rows, encoder))["cosine"]
    by_word = rows.select("lemma", pl.col("wnid").is_not_null().alias("sure"), cosines.alias("cosine"))
    yield (
        f"{say_count(captions.len(), 'caption')}, {by_word.height:,} with one word for one class; "
        "cosine with the class's text:"
    )
    for sure, text in ((True, "trusted alone"), (False, "left to the text")):
        part = by_word.filter(pl.col("sure") == sure)["cosine"].to_list()
        if part:
            shares = (f"{sum(each >= least for each in part) / len(part):.0%} at least {least}" for least in LEAST)
            many = name_counted(len(part), "caption")
            yield f"  words {text:<17} {len(part):>7,} {many}, median {median(part):.2f}; {', '.join(shares)}"
    words = by_word.group_by("lemma", "sure").agg(pl.len().alias("count"), pl.col("cosine").mean())
    words = words.filter(pl.col("count") >= min_captions).sort("cosine", "lemma")
    yield "\ntrusted alone, with the least similar captions:  " + _listed(words.filter("sure"))
    yield "left to the text, with the most similar captions: " + _listed(words.filter(~pl.col("sure")).reverse())


def _vectors_of(rows: pl.DataFrame, encoder: TextEncoder) -> np.ndarray:
    """[1000, D] float32; rows of classes that are not asked for are zero."""
    import numpy as np

    wnids = {*rows["wnid"].drop_nulls(), *rows["possible_wnids"].explode(keep_nulls=False, empty_as_null=False)}
    labels = [label for label in read_labels() if label.wnid in wnids]
    vectors = np.zeros((len(read_labels()), encoder.dim), dtype=np.float32)
    if labels:
        found = embed_labels(encoder, labels, (TEMPLATE,))  # type: ignore[arg-type]  # needs encode_texts only
        vectors[[label.class_index for label in labels]] = found
    return vectors


def _listed(words: pl.DataFrame) -> str:
    rows = words.head(SHOWN_WORDS).select("lemma", "cosine", "count").rows()
    return ", ".join(f"{word} {cosine:.2f} ({count:,})" for word, cosine, count in rows) or "none"


def _read_captions(source: str, rows_count: int) -> pl.Series:
    parts, left = [pl.Series("caption", [], dtype=pl.String)], rows_count
    for batch in read_batches(open_source(source)):
        parts.append(batch["caption"].head(left))
        left -= parts[-1].len()
        if not left:
            break
    return pl.concat(parts)
