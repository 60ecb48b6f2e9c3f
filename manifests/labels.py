"""ImageNet's 1000 labels, keyed by wnid and class_index; English names are for reading, never for joining.

Source of `imagenet_1k.tsv`: wnids in sorted order, lemmas and glosses are WordNet's (Princeton University, see NOTICE);
names follow the list commonly used for zero-shot prompts, with *missile* (744) and *sunglasses* (836), which that list
names twice, renamed to *projectile* and *sunglass*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from relaionet.manifests.errors import BadInput, nearest_name


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class.

    Attributes:
        class_index: 0 to 999, in sorted-wnid order.
        wnid: WordNet synset id, `n` and eight digits.
        name: distinct English name.
        lemmas: WordNet's words for the synset; several classes may share one (crane, maillot, sunglasses, …).
        gloss: WordNet's definition.
    """

    class_index: int
    wnid: str
    name: str
    lemmas: tuple[str, ...]
    gloss: str


@cache
def read_labels() -> tuple[Label, ...]:
    """All 1000 labels; the label at position i has class_index i."""
    text = files("relaionet.manifests").joinpath("imagenet_1k.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return tuple(
        Label(class_index=int(index), wnid=wnid, name=name, lemmas=tuple(lemmas.split("|")), gloss=gloss)
        for index, wnid, name, lemmas, gloss in rows
    )


@cache
def labels_by_wnid() -> dict[str, Label]:
    """wnid -> label."""
    return {label.wnid: label for label in read_labels()}


def find_label(wnid: str) -> Label:
    """The label of a wnid.

    Raises:
        BadInput: it is none of the 1000; the message names the nearest.
    """
    try:
        return labels_by_wnid()[wnid]
    except KeyError:
        known = labels_by_wnid()
        raise BadInput(f"'{wnid}' is no ImageNet-1k wnid.{nearest_name(wnid, known)}") from None


def labels_table() -> pl.DataFrame:
    """Labels as a frame: class_index Int32, wnid, name, lemmas List(String), gloss; 1000 rows."""
    labels = read_labels()
    return pl.DataFrame(
        {
            "class_index": [label.class_index for label in labels],
            "wnid": [label.wnid for label in labels],
            "name": [label.name for label in labels],
            "lemmas": [list(label.lemmas) for label in labels],
            "gloss": [label.gloss for label in labels],
        },
        schema_overrides={"class_index": pl.Int32},
    )
