"""ImageNet's validation pictures with ReaL's labels in place of their own: every class a picture shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.adoption.layout import Layout
from relaionet.pipeline.adoption.real_labels import choose_label, read_real_labels

NUMBER = re.compile(r"ILSVRC2012_val_(?P<number>\d{8})(_n\d{8})?\.jpe?g", re.IGNORECASE)


def name_real(file: Path) -> dict[int, tuple[str, ...]]:
    """Number of a validation picture (from 1) -> wnids, of ReaL's file.

    Raises:
        BadInput: it is not what `real.json` is.
    """
    return read_real_labels(file)


def relabel(layout: Layout, names: Mapping[str, str], real: Mapping[int, tuple[str, ...]]) -> Layout:
    """A layout whose pictures have ReaL's labels; the usual one comes first where it is among them.

    Args:
        layout: of ImageNet's validation part.
        names: path of a picture -> its own file name, `ILSVRC2012_val_00000293.JPEG` or with its wnid.
        real: from `read_real_labels`.

    Raises:
        BadInput: no picture is named so.
    """
    numbers = {path: NUMBER.fullmatch(name.rpartition("/")[2]) for path, name in names.items()}
    if not any(numbers.values()):
        raise BadInput("--real: no picture is called like ILSVRC2012_val_00000293.JPEG; ReaL's labels are by number.")
    groups: dict[str, str] = {}
    several: dict[str, tuple[str, ...]] = {}
    left = dict(layout.left)
    for path, match in numbers.items():
        wnids = real.get(int(match["number"])) if match is not None else None
        if not wnids:
            is_asked = wnids is not None
            left[path] = "ReaL's raters saw none of the classes in it" if is_asked else "ReaL says nothing of it"
            continue
        usual = layout.found.get(layout.groups.get(path, ""))
        first = choose_label(wnids, usual if isinstance(usual, str) else None) or wnids[0]
        groups[path] = first
        if len(wnids) > 1:
            several[path] = (first, *(wnid for wnid in wnids if wnid != first))
    found = {wnid: wnid for wnids in real.values() for wnid in wnids}
    return replace(
        layout, groups=groups, several=several, left=left, could_be={},
        found={wnid: wnid for wnid in found if wnid in set(groups.values()).union(*several.values())},
        words=f"{layout.words}; labels of ReaL, several where a picture shows several",
    )  # fmt: skip
