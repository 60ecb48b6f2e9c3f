"""The layout of the published reLAIONet: class folders named by wnid or by name, in `images/` or directly in its root.

Read as its users have it: a folder nobody knows stops nothing, and names that two classes have (`crane`) are taken for
one of them by `double_names.toml`, as far as no encoder decides by looking. Or read as its authors do (`fbf`), so that
what they measured can be repeated.

Source: what FairBenchmarkingFlow's loader does (src/utils/dataloader/relaionet.py, a9e34c6), with the names of timm's
list, as theirs is not published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Literal

from relaionet.manifests.containers.texts import parse_toml
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.pipeline.adoption.class_names import Unclear, find_by_name, find_classes
from relaionet.pipeline.adoption.layout import Layout

Names = Literal["relaionet", "fbf"]
NAMES: tuple[Names, ...] = ("relaionet", "fbf")
ROOT, IMAGES = "reLAIONet-cleaned-v1", "images"
NAMED = re.compile("relaionet", re.IGNORECASE)
FBF_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tiff", ".webp")
# a set that is called otherwise is this one where so many folders are classes, some by name and some by wnid
LEAST_FOLDERS, KNOWN_FRAC = 100, 0.9


@dataclass(frozen=True, kw_only=True)
class DoubleName:
    """A folder name that several classes have.

    Attributes:
        wnid: class that is taken where nothing decides by looking.
        could_be: every class that has the name, in class order.
        reason: why that one.
    """

    wnid: str
    could_be: tuple[str, ...]
    reason: str


@cache
def read_double_names() -> dict[str, DoubleName]:
    """Name as `fold_listed` writes it -> what it may mean, of the file that ships with this package."""
    text = files("relaionet.pipeline.adoption").joinpath("double_names.toml").read_text(encoding="utf-8")
    return {
        name: DoubleName(wnid=line["wnid"], could_be=tuple(line["could_be"]), reason=line["reason"])
        for name, line in parse_toml(text).items()
    }


def fold_listed(name: str) -> str:
    """A folder's name as the authors compare it, and spaces as `_`: `Carpenter's kit` is `carpenter_s_kit`."""
    return name.lower().replace("-", "_").replace("'", "_").replace(" ", "_")


@cache
def listed_classes() -> dict[str, str]:
    """The authors' rule: folded name or wnid -> wnid; of classes with one name the later has it."""
    labels = read_labels()
    named = {fold_listed(label.lemmas[0]): label.wnid for label in labels}
    return named | {label.wnid: label.wnid for label in labels}


@cache
def _all_classes() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for label in read_labels():
        for name in (label.name, *label.lemmas, ", ".join(label.lemmas)):
            found.setdefault(fold_listed(name), set()).add(label.wnid)
    return {name: frozenset(wnids) for name, wnids in found.items()}


def find_published(folder: str, names: Names = "relaionet") -> str | Unclear:
    """The wnid of a class folder, or what makes it unclear.

    A name of the list is that class, though others may have the word too (`harp` is no harmonica). A name that is not
    on it is looked for among all the words there are.

    Args:
        folder: its name.
        names: `fbf` knows the authors' names alone, and gives a double one to the later class.
    """
    folded = fold_listed(folder)
    if names == "relaionet" and folded in read_double_names():
        return read_double_names()[folded].wnid
    if folded in listed_classes():
        return listed_classes()[folded]
    if names == "fbf":
        return Unclear(folder=folder, fits=())
    wnids = _all_classes().get(folded, frozenset()) | {label.wnid for label in find_classes(folder)}
    if len(wnids) == 1:
        return next(iter(wnids))
    if wnids:
        return Unclear(folder=folder, fits=tuple(label for label in read_labels() if label.wnid in wnids))
    return find_by_name(folder)


def find_doubles(
    called: Mapping[str, str], found: Mapping[str, str | Unclear], names: Names | None
) -> dict[str, tuple[str, ...]]:
    """Groups that may mean several classes -> those.

    Args:
        called: group -> its name.
        found: group -> its class, from `find_published`.
        names: by which rule; only by this project's may a name be either.
    """
    if names != "relaionet":
        return {}
    doubles = read_double_names()
    could_be = {
        group: doubles[fold_listed(name)].could_be for group, name in called.items() if fold_listed(name) in doubles
    }
    return could_be | {
        group: tuple(label.wnid for label in what.fits)
        for group, what in found.items() if isinstance(what, Unclear) and len(what.fits) > 1
    }  # fmt: skip


def find_root(source: Path) -> Path:
    """The set's own folder: `source`, or what lies in it under the set's name."""
    return source / ROOT if (source / ROOT).is_dir() else source


def is_published(source: Path, paths: Sequence[str]) -> bool:
    """True for a folder of the set's name with classes by name, and for any with many folders named in both ways.

    Args:
        source: from `find_root`.
        paths: of its pictures.
    """
    top = _class_level(paths)
    inside = [path.removeprefix(top) for path in paths if path.startswith(top)]
    folders = {path.split("/", 1)[0] for path in inside if "/" in path}
    wnids = {name for name in folders if name in labels_by_wnid()}
    named = {name for name in folders - wnids if not name.isdecimal() and isinstance(find_published(name), str)}
    place = source.absolute()
    if NAMED.search(place.name) or (place.name == IMAGES and NAMED.search(place.parent.name)):
        return bool(named)
    known = len(wnids) + len(named)
    return bool(wnids and named) and known >= max(LEAST_FOLDERS, KNOWN_FRAC * len(folders))


def _class_level(paths: Iterable[str]) -> str:
    return f"{IMAGES}/" if any(path.startswith(f"{IMAGES}/") and path.count("/") > 1 for path in paths) else ""


def lay_out_published(paths: Sequence[str], names: Names) -> Layout:
    """The layout of the set.

    Args:
        paths: of its pictures, from `list_pictures`.
        names: whose rule.
    """
    top = _class_level(paths)
    inside = {path: path.removeprefix(top) for path in paths if path.startswith(top)}
    groups = {path: rest.split("/", 1)[0] for path, rest in inside.items() if "/" in rest}
    found = {name: find_published(name, names) for name in sorted(set(groups.values()))}
    could_be = find_doubles({name: name for name in found}, found, names)
    known = {wnid for wnid in found.values() if isinstance(wnid, str)}
    rule = " by the authors' own rule" if names == "fbf" else ""
    words = f"the published reLAIONet: {len(found):,} folders, {len(known):,} classes{rule}"
    left = {path: _explain_unread(inside[path]) for path in groups} if names == "fbf" else {}
    return Layout(
        kind="published", words=words, groups=groups, found=found, could_be=could_be, is_whole=True,
        left={path: why for path, why in left.items() if why is not None},
    )  # fmt: skip


def _explain_unread(path: str) -> str | None:
    """Why the authors' loader passes over a file; None where it reads it."""
    if path.count("/") > 1:
        return "the authors' loader reads no folders in class folders"
    if PurePosixPath(path).suffix.lower() not in FBF_ENDINGS:
        return f"the authors' loader reads {', '.join(FBF_ENDINGS)} alone"
    return None
