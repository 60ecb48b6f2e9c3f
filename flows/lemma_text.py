"""What the `relaionet lemmas` commands say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.pipeline.lemma_compare import OUTCOMES, REASONS, compare_rules
from relaionet.pipeline.lemma_match import Rule, name_classes
from relaionet.pipeline.lemma_words import Form, fold_text, lemma_forms
from relaionet.pipeline.sources import open_source, read_batches


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


def describe_captions(captions: Sequence[str], rule: Rule) -> Iterator[str]:
    """A line for each caption: what it names and by which words."""
    for row in name_classes(pl.Series(captions, dtype=pl.String), rule).iter_rows(named=True):
        known = labels_by_wnid()
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
        found.with_columns(pl.col("possible_wnids").list.join(" ")).write_csv(out)
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


def _read_captions(source: str, rows_count: int) -> pl.Series:
    parts, left = [pl.Series("caption", [], dtype=pl.String)], rows_count
    for batch in read_batches(open_source(source)):
        parts.append(batch["caption"].head(left))
        left -= parts[-1].len()
        if not left:
            break
    return pl.concat(parts)
