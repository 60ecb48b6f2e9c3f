"""What is measured when two sets are compared: each declared once, with its name, its meaning and how it is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

About = Literal["both", "A", "B", "A − B"]
ABOUT: dict[About, str] = {
    "both": "how far the sets are apart", "A": "the first set alone", "B": "the second set alone",
    "A − B": "the first set's number less the second's",
}  # fmt: skip
"""Whom a row is about -> in words."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of a comparison.

    Attributes:
        name: as in tables.
        meaning: one line for people.
        kind: `distance` of the two sets; `shape` of either set's features; `picture` of either set's files; `overlap`.
        is_free_of_count: sets of different size may be compared by it.
        source: paper, or reference implementation.
    """

    name: str
    meaning: str
    kind: Literal["distance", "shape", "picture", "overlap"]
    is_free_of_count: bool = False
    source: str = ""


FD = Measure(
    name="FD", kind="distance", source="Heusel et al. 2017, section 3",
    meaning="Fréchet distance; never 0 with few pictures: its floor is that of sets that do not differ",
)  # fmt: skip
KD = Measure(
    name="KD", kind="distance", is_free_of_count=True, source="Bińkowski et al. 2018, section 4",
    meaning="kernel distance, without bias: 0 on average where the sets do not differ",
)  # fmt: skip
CLASS_KD = Measure(
    name="class KD", kind="distance", is_free_of_count=True, source="Bińkowski et al. 2018, section 4, by class",
    meaning="kernel distance within each class, mean over the classes, without bias from two pictures of a class on",
)  # fmt: skip
PRECISION = Measure(
    name="precision", kind="distance", source="Kynkäänniemi et al. 2019, section 2",
    meaning="share of A's pictures that lie among B's",
)  # fmt: skip
RECALL = Measure(
    name="recall", kind="distance", source="Kynkäänniemi et al. 2019, section 2",
    meaning="share of B's pictures that lie among A's",
)  # fmt: skip
DENSITY = Measure(
    name="log density", kind="shape", source="arXiv 2605.29335",
    meaning="mean −log distance to the nearest pictures of the same set; more is denser",
)  # fmt: skip
RANK = Measure(
    name="effective rank", kind="shape", source="Roy and Vetterli 2007; arXiv 2605.29335",
    meaning="over how many directions the set spreads",
)  # fmt: skip
SIMILARITY = Measure(
    name="similarity", kind="shape", is_free_of_count=True, source="Shirali and Hardt 2023, section 3",
    meaning="mean cosine of two pictures of one class; less is more varied",
)  # fmt: skip
SHORT_SIDE = Measure(
    name="short side", kind="picture", is_free_of_count=True, meaning="shorter side of the files' pictures, px, median"
)
ASPECT = Measure(name="aspect", kind="picture", is_free_of_count=True, meaning="longer side over the shorter, median")
BYTES = Measure(name="bytes", kind="picture", is_free_of_count=True, meaning="length of the files, bytes, median")
SAME_BYTES = Measure(
    name="same bytes", kind="overlap", meaning="share of a set's pictures whose very bytes the other set holds too"
)
SAME_PICTURE = Measure(
    name="same picture", kind="overlap",
    meaning="share of a set's pictures that the other set shows too: the same bytes, or resized, cropped, encoded anew",
)  # fmt: skip

MEASURES = (
    FD, KD, CLASS_KD, PRECISION, RECALL, DENSITY, RANK, SIMILARITY, SHORT_SIDE, ASPECT, BYTES, SAME_BYTES, SAME_PICTURE
)  # fmt: skip
"""In the order they stand in tables."""


KINDS = {
    "distance": "of the two sets", "shape": "of either set, and their difference", "picture": "of either set's files",
    "overlap": "of either set",
}  # fmt: skip


def measures_table() -> str:
    """Every measure as a Markdown table."""
    rows = [
        f"| {one.name} | {KINDS[one.kind]} | {one.meaning} | {'yes' if one.is_free_of_count else 'no'} | "
        f"{one.source or '–'} |"
        for one in MEASURES
    ]
    head = "| measure | of what | what it says | same at any number of pictures | source |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]) + "\n"
