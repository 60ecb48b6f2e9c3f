"""Groups of ImageNet classes that a picture cannot tell apart: two names of one thing, a kind of it, a part of it.

Source of `class_groups.tsv`: `WordNet` means that the definitions say so; Beyer et al. 2020 ("Are we done with
ImageNet?", section on arbitrary class distinctions), Gao et al. 2022 (ImageNet-S, classes it merges) and Kisel et al.
2025 ("Flaws of ImageNet", problematic groups) name the pair; `ReaL votes` means that of the validation pictures that
raters of Beyer et al. gave one of the labels to, at least a tenth, and five, got both. Reasons are our own words.
`both_yes` is measured on those votes by `python -m tests.measure.groups`: pictures where most raters said yes to two
members, of those where they did to at least one and were asked about two.

Classes that are only seen together (desk and monitor, suit and tie) are no group: they are two things. Words with two
meanings (crane, maillot as tights, cardigan) are no group either, unless the pictures are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

KINDS = ("same", "kind_of", "part_of")


@dataclass(frozen=True, kw_only=True)
class ClassGroup:
    """Classes that a picture cannot tell apart.

    Attributes:
        name: of the group, distinct.
        kind: `same` (two names of one thing), `kind_of` (one class is a kind of the other) or `part_of` (the pictures
            of a part show the whole).
        wnids: members, two or more, in order of class_index; no class is in two groups.
        both_yes_count: validation pictures where most raters said yes to two members.
        any_yes_count: those where they did to at least one, being asked about two.
        reason: why, in words.
        sources: who says so.
    """

    name: str
    kind: str
    wnids: tuple[str, ...]
    both_yes_count: int
    any_yes_count: int
    reason: str
    sources: tuple[str, ...]


@cache
def read_class_groups() -> tuple[ClassGroup, ...]:
    """All groups, in the file's order."""
    text = files("relaionet.manifests").joinpath("class_groups.tsv").read_text(encoding="utf-8")
    groups = []
    for line in text.splitlines()[1:]:
        name, kind, wnids, yes, reason, sources = line.split("\t")
        both, _, either = yes.partition("/")
        groups.append(
            ClassGroup(
                name=name, kind=kind, wnids=tuple(wnids.split("|")), both_yes_count=int(both),
                any_yes_count=int(either), reason=reason, sources=tuple(sources.split("; ")),
            )
        )  # fmt: skip
    return tuple(groups)


@cache
def groups_by_wnid() -> dict[str, ClassGroup]:
    """wnid -> its group, for classes that are in one."""
    return {wnid: group for group in read_class_groups() for wnid in group.wnids}
