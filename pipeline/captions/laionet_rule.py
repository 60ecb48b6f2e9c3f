"""LAIONet's published rule for which class a caption names, to compare with and to repeat its results.

The rule: every ASCII punctuation character of the caption becomes a space, one space is put at both ends, and a lemma
is found where it stands in this text with a space on both sides, as written: upper and lower case differ, plurals do
not count, and a lemma with punctuation of its own ("T-shirt", "U-boat") is never found. Only lemmas that one class
alone has, and once, count. A caption with lemmas of two classes is dropped; "tiger shark" names both the shark and the
cat. A caption that is null names nothing.

Source: A. Shirali and M. Hardt, "What Makes ImageNet Look Unlike LAION" (TMLR 2024) and the code published with it.
Its list of synsets has 999 classes and differs from ImageNet's 1000 in two places: it lacks the construction crane, so
that "crane" names the bird, and it calls the Siberian husky n02112837, ImageNet n02110185. The rule is followed here
over ImageNet's 1000, of which a word of two classes is left out; `PUBLISHED` are the two entries of the other table.
"""

from __future__ import annotations

import string
from collections import Counter
from functools import cache

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.word_search import PUNCTUATION_TABLE, find_words, space_texts

PUBLISHED = {"crane": "n02012849", "Siberian husky": "n02112837"}
"""Lemmas for which LAIONet's published table has another wnid than the rule over ImageNet's classes -> that wnid."""
OUR_WNIDS = {"n02112837": "n02110185"}
"""Wnid of LAIONet's table -> that of the same class here, where they differ."""


@cache
def laionet_lemmas() -> dict[str, int]:
    """Lemma as written -> class index, for the lemmas that count and can be found."""
    labels = read_labels()
    times = Counter(lemma for label in labels for lemma in label.lemmas)
    return {
        lemma: label.class_index
        for label in labels
        for lemma in label.lemmas
        if times[lemma] == 1 and not set(lemma) & set(string.punctuation)
    }


@cache
def laionet_wnids(*, published: bool = False) -> dict[str, str]:
    """Lemma as written -> wnid, for the lemmas that count and can be found.

    Args:
        published: as LAIONet's own table has them, see `PUBLISHED`.
    """
    labels = read_labels()
    ours = {lemma: labels[index].wnid for lemma, index in laionet_lemmas().items()}
    return ours | PUBLISHED if published else ours


@cache
def _patterns(published: bool) -> pl.DataFrame:
    known = laionet_wnids(published=published)
    return pl.DataFrame(
        {"found": [f" {lemma} " for lemma in known], "words": list(known), "sure": list(known.values())}
    )


def find_laionet_lemmas(captions: pl.Series, *, published: bool = False) -> pl.DataFrame:
    """Find the lemmas of every caption by LAIONet's rule.

    Args:
        captions: strings or nulls.
        published: by LAIONet's own table, with its two wnids that are not those of ImageNet's list.

    Returns:
        One row per (caption, lemma found): row UInt32, words (the lemma), sure (its wnid); by row, then in the order
        in which they end in the caption.
    """
    rows = pl.DataFrame({"text": captions.cast(pl.String)}).with_row_index("row").filter(pl.col("text").is_not_null())
    patterns = _patterns(published)
    spaced = rows.with_columns(space_texts(rows["text"], PUNCTUATION_TABLE))
    hits = find_words(spaced, patterns["found"].to_list())
    found = hits.select("row", "found").explode("found")
    return found.join(patterns, on="found", how="left", maintain_order="left").select("row", "words", "sure")
