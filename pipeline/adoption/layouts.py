"""How an image set says which class a picture is: looked at, put into words, and taken only where it fits whole.

published folders called by wnid or class name, mixed      (reLAIONet as published)
wnids     folders called n01440764, …                      (ImageNet's train part, ImageNet-R, -A, -Sketch)
numbers   folders called 0 … 999: class indices, as numbers  (ImageNetV2)
names     folders called by a class name                   (ObjectNet with a mapping file)
ilsvrc    ILSVRC2012_val_00000001.JPEG, … and the devkit, or the wnid in the file name
parquet   parquet files with images and a column `label`   (the Hub)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.adoption.class_names import Unclear, find_by_name, find_by_wnid, find_classes
from relaionet.pipeline.adoption.imagenet_devkit import find_devkit, read_validation_labels
from relaionet.pipeline.adoption.layout import Kind, Layout
from relaionet.pipeline.adoption.published import Names, is_published, lay_out_published
from relaionet.pipeline.adoption.rows.labels import name_numbers
from relaionet.pipeline.images.parquet import in_parquet, read_parquet_labels

WNID = re.compile(r"n\d{8}")
NUMBER = re.compile(r"\d{1,4}")
ILSVRC_FILE = re.compile(r"ILSVRC2012_val_(?P<number>\d{8})(_(?P<wnid>n\d{8}))?\.jpe?g", re.IGNORECASE)
SHOWN = 5


def find_layout(
    source: Path, paths: Sequence[str], kind: Kind | Literal["auto"], devkit: Path | None, names: Names = "relaionet"
) -> Layout:
    """Say how a set is laid out.

    Args:
        source: its folder.
        paths: of its pictures, from `list_pictures`.
        kind: which layout it must have; "auto" takes what fits whole.
        devkit: folder of the ILSVRC2012 devkit.
        names: whose names the folders of the published reLAIONet have.

    Raises:
        BadInput: the set has no such layout, or none that is known.
    """
    if not paths:
        raise BadInput(f"{source} holds no pictures.")
    if kind == "published" or (kind == "auto" and is_published(source, paths)):
        return lay_out_published(paths, names)
    chosen = _detect(source, paths) if kind == "auto" else kind
    if chosen == "parquet":
        return _parquet_layout(source, paths)
    if chosen == "ilsvrc":
        return _ilsvrc_layout(source, paths, devkit)
    groups = {path: path.split("/", 1)[0] for path in paths if "/" in path and not in_parquet(path)}
    if not groups:
        raise BadInput(f"{source} holds {len(paths):,} files and no folders; expected one folder per class.")
    folders = sorted(set(groups.values()))
    if chosen == "numbers":
        return _numbers_layout(source, groups, folders, given=kind == "numbers")
    if chosen == "wnids":
        found = {name: find_by_wnid(name) for name in folders}
        words = f"{len(folders):,} folders named by wnid: {_share(found)}"
        return Layout(kind="wnids", words=words, groups=groups, found=found)
    named = {name: find_by_name(name) for name in folders}
    return Layout(kind="names", words=f"{len(folders):,} folders named by class name", groups=groups, found=named)


def _detect(source: Path, paths: Sequence[str]) -> Kind:
    folders = {path.split("/", 1)[0] for path in paths if "/" in path and not in_parquet(path)}
    inside = [path for path in paths if in_parquet(path)]
    if inside and len(inside) == len(paths):
        return "parquet"
    if any(ILSVRC_FILE.fullmatch(path.rpartition("/")[2]) for path in paths) and not _any_class(folders):
        return "ilsvrc"
    if inside:
        raise BadInput(f"{source} holds parquet files and other pictures; adopt one or the other (--kind parquet).")
    kinds: Counter[Kind] = Counter(
        "wnids" if WNID.fullmatch(name) else "numbers" if NUMBER.fullmatch(name) else "names" for name in folders
    )
    if len(kinds) > 1:
        told = ", ".join(f"{count} by {kind}" for kind, count in kinds.most_common())
        raise BadInput(f"{source}: its folders are named in several ways ({told}); say which counts with --kind.")
    if kinds["names"] and not _any_class(folders):
        for name in sorted(folders):
            deeper = {path.split("/")[1] for path in paths if path.startswith(f"{name}/") and path.count("/") > 1}
            if _any_class(deeper):
                raise BadInput(
                    f"{source}: its folders ({', '.join(sorted(folders)[:SHOWN])}) are no classes, but those in "
                    f"{name} are; adopt {source / name}."
                )
    return next(iter(kinds), "names")


def _any_class(folders: set[str]) -> bool:
    return any(WNID.fullmatch(name) or NUMBER.fullmatch(name) or find_classes(name) for name in folders)


def _share(found: dict[str, str | Unclear]) -> str:
    known = len({wnid for wnid in found.values() if isinstance(wnid, str)})
    return "all 1000 classes" if known == len(read_labels()) else f"{known:,} of the 1000 classes"


def _numbers_layout(source: Path, groups: dict[str, str], names: list[str], *, given: bool) -> Layout:
    wrong = [name for name in names if not NUMBER.fullmatch(name)]
    if wrong:
        raise BadInput(f"{source}: {len(wrong)} folders are no class numbers, first '{wrong[0]}'.")
    labels = read_labels()
    numbers = {name: int(name) for name in names}
    beyond = [name for name, number in numbers.items() if number >= len(labels)]
    if beyond:
        raise BadInput(
            f"{source}: folder '{beyond[0]}' is no class index; expected 0 to 999. If the numbers are ILSVRC2012_IDs "
            "(1 to 1000), they follow another order: rename the folders by wnid, or write a mapping file and pass "
            "--kind names --mapping."
        )
    twice = [number for number, count in Counter(numbers.values()).items() if count > 1]
    if twice:
        raise BadInput(f"{source}: two folders mean class {twice[0]} (as in '1' and '01'); expected one.")
    if len(names) < len(labels) and not given:
        raise BadInput(
            f"{source}: {len(names):,} folders are named by numbers, but not all of 0 to 999 are there, so they may "
            "count from 1 or mean something else. If they are class indices (0 to 999, sorted-wnid order), say "
            "--kind numbers."
        )
    found: dict[str, str | Unclear] = {name: labels[number].wnid for name, number in numbers.items()}
    span = "0…999" if len(names) == len(labels) else f"{min(numbers.values())}…{max(numbers.values())}"
    words = f"{len(names):,} folders named {span}: class numbers, as numbers and not as text (ImageNetV2 layout)"
    return Layout(kind="numbers", words=words, groups=groups, found=found)


def _ilsvrc_layout(source: Path, paths: Sequence[str], devkit: Path | None) -> Layout:
    matches = {path: ILSVRC_FILE.fullmatch(path.rpartition("/")[2]) for path in paths}
    own = {path: match for path, match in matches.items() if match is not None}
    if not own:
        raise BadInput(f"{source}: expected files like ILSVRC2012_val_00000001.JPEG; found '{paths[0]}'.")
    by_wnid = {path: match["wnid"] for path, match in own.items() if match["wnid"]}
    if by_wnid and len(by_wnid) < len(own):
        raise BadInput(f"{source}: some files name their wnid and some do not; expected one way.")
    if by_wnid:
        found = {wnid: find_by_wnid(wnid) for wnid in sorted(set(by_wnid.values()))}
        words = f"{len(own):,} ILSVRC2012 validation files with the wnid in their names"
        return Layout(kind="ilsvrc", words=words, groups=by_wnid, found=found)
    wnids = read_validation_labels(find_devkit(devkit if devkit is not None else source))
    groups = {path: str(int(match["number"])) for path, match in own.items()}
    beyond = [path for path, number in groups.items() if int(number) not in wnids]
    if beyond:
        raise BadInput(f"{source}: the devkit says nothing about {beyond[0]}; it names {len(wnids):,} images.")
    labels: dict[str, str | Unclear] = {number: wnids[int(number)] for number in groups.values()}
    words = f"{len(own):,} ILSVRC2012 validation files, labels from the devkit's synsets (not by ILSVRC2012_ID)"
    return Layout(kind="ilsvrc", words=words, groups=groups, found=labels)


def _parquet_layout(source: Path, paths: Sequence[str]) -> Layout:
    files = sorted({path.rpartition("/")[0] for path in paths if in_parquet(path)})
    if not files:
        raise BadInput(f"{source} holds no parquet files with images.")
    groups: dict[str, str] = {}
    names: list[str] | None = None
    for file in files:
        labels, told = read_parquet_labels(source / file)
        if names is not None and told != names:
            raise BadInput(f"{source / file}: its labels are named otherwise than those of {files[0]}.")
        names = told
        groups |= {f"{file}/{row}": str(label) for row, label in enumerate(labels) if label is not None and label >= 0}
    if names is None:
        raise BadInput(
            f"{source}: the parquet files do not say what their label numbers are called (features of `datasets`), so "
            "0 to 999 may be in any order; write them with their features, or adopt folders."
        )
    found, how = name_numbers(names, sorted(set(groups.values()), key=int), str(source))
    words = f"{len(files):,} parquet files, labels {how}"
    return Layout(kind="parquet", words=words, groups=groups, found=found)
