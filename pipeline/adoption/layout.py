"""What an image set says of its classes, whichever layout it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from relaionet.pipeline.adoption.class_names import Unclear

Kind = Literal["published", "names", "wnids", "numbers", "ilsvrc", "parquet", "rows"]
KINDS: tuple[Kind, ...] = ("published", "names", "wnids", "numbers", "ilsvrc", "parquet", "rows")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a set's files say about their classes.

    Attributes:
        kind: of the layout.
        words: the layout in words, shown to the user and kept in the release.
        groups: path of a picture -> what says its class; a path that is missing says none.
        found: group -> wnid, or what makes it unclear.
        could_be: group -> every class it may mean, where that is more than one; `found` has the one that is taken where
            nothing decides by looking.
        left: path of a picture -> why it is left out, whatever its group.
        several: path of a picture -> every group it is in, the first its own, where there is more than one.
        is_whole: a group whose class nobody knows stops nothing: its pictures are rows with a reason.
    """

    kind: Kind
    words: str
    groups: Mapping[str, str]
    found: Mapping[str, str | Unclear]
    could_be: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    left: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    several: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    is_whole: bool = False
