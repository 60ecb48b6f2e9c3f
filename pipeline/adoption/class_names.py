"""Class names as folders are called -> wnids, where a name fits one class only; nothing is guessed."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from relaionet.manifests.labels import Label, labels_by_wnid, read_labels

# lists in common use that give two classes one name which WordNet's words alone do not
SHARED_NAMES = {"missile": (657, 744), "sunglasses": (836, 837)}
NEAREST_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Unclear:
    """A folder whose class is not known.

    Attributes:
        folder: its name.
        fits: classes its name fits; none or several.
        near: where it fits none, classes with the nearest names.
        name: what the set calls it, where `folder` is a number.
    """

    folder: str
    fits: tuple[Label, ...]
    near: tuple[Label, ...] = ()
    name: str | None = None

    def __str__(self) -> str:
        fits = " or ".join(show_label(label) for label in self.fits)
        near = ", ".join(f"{label.name} ({label.wnid})" for label in self.near)
        shown = f"'{self.folder}'" + (f" ({self.name})" if self.name else "")
        if self.fits:
            return f"{shown} fits {len(self.fits)} classes: {fits}"
        return f"{shown} fits no class" + (f"; nearest: {near}" if near else "")


def show_label(label: Label) -> str:
    """A class in few words: wnid, name, and what WordNet says it is."""
    return f"{label.wnid} {label.name} ({label.gloss.split(';')[0][:60]})"


def fold_name(name: str) -> str:
    """A name without case, accents and punctuation: `Great_White-Shark` and `great white shark` are one."""
    plain = unicodedata.normalize("NFKD", name).casefold().replace("'", "")
    return " ".join(re.findall(r"[a-z0-9]+", "".join(char for char in plain if not unicodedata.combining(char))))


@cache
def names_to_classes() -> Mapping[str, tuple[int, ...]]:
    """Folded name -> class indices it fits: our names, WordNet's words, all words of a class together."""
    found: dict[str, set[int]] = {}
    for label in read_labels():
        for name in (label.name, *label.lemmas, ", ".join(label.lemmas)):
            found.setdefault(fold_name(name), set()).add(label.class_index)
    for name, indices in SHARED_NAMES.items():
        found.setdefault(name, set()).update(indices)
    return {name: tuple(sorted(indices)) for name, indices in found.items()}


def find_classes(name: str) -> tuple[Label, ...]:
    """Every class a name fits; of several words with commas between, every class that has them all."""
    names = names_to_classes()
    indices = set(names.get(fold_name(name), ()))
    if not indices and "," in name:
        indices = set.intersection(*(set(names.get(fold_name(word), ())) for word in name.split(",")))
    return tuple(read_labels()[index] for index in sorted(indices))


def find_by_name(folder: str) -> str | Unclear:
    """The wnid of a class name, or what makes it unclear."""
    fits = find_classes(folder)
    if len(fits) == 1:
        return fits[0].wnid
    near = () if fits else _nearest(folder)
    return Unclear(folder=folder, fits=fits, near=near)


def find_by_wnid(folder: str) -> str | Unclear:
    """The wnid itself where it is one of the 1000."""
    return folder if folder in labels_by_wnid() else Unclear(folder=folder, fits=())


def _nearest(name: str) -> tuple[Label, ...]:
    names = names_to_classes()
    close = difflib.get_close_matches(fold_name(name), names, n=NEAREST_SHOWN, cutoff=0.6)
    indices = list(dict.fromkeys(index for one in close for index in names[one]))
    return tuple(read_labels()[index] for index in indices[:NEAREST_SHOWN])
