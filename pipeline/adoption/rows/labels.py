"""What a dataset's labels mean: named numbers, numbers that texts beside them explain, names, wnids, lists of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import Label, labels_by_wnid, read_labels
from relaionet.pipeline.adoption.class_names import Unclear, find_by_name, find_classes
from relaionet.pipeline.adoption.layout import Layout
from relaionet.pipeline.adoption.published import Names, find_doubles, find_published
from relaionet.pipeline.adoption.rows.stream import RowsAbout

COUNTED = re.compile(r"[ _]?\d+$")


def lay_out_rows(
    rows: pl.DataFrame, about: RowsAbout, shown: str, *, are_indices: bool = False, published: Names | None = None
) -> Layout:
    """The layout of a dataset's split.

    Args:
        rows: ROW_LABELS.
        about: from `RowsReader.describe`.
        shown: the set's place in words.
        are_indices: the user says that numbers nobody named are class indices, 0 to 999.
        published: it is the published reLAIONet, whose names are read by this rule.

    Raises:
        BadInput: it has no labels, or numbers that nothing names.
    """
    columns = about.columns
    if columns.label is None:
        raise BadInput(f"{shown}: none of its columns is a label that is known; name it with --label.")
    is_number = columns.label_kind == "number"
    several = {
        path: tuple(dict.fromkeys(label for label in labels if not (is_number and label.startswith("-"))))
        for path, labels in rows.select("path", "labels").iter_rows()
    }  # fmt: skip
    labels = sorted({label for some in several.values() for label in some})
    find = find_text if published is None else partial(find_published, names=published)
    if not is_number:
        found, how = {label: find(label) for label in labels}, "texts"
    elif columns.names is not None:
        found, how = name_numbers(list(columns.names), labels, shown, find)
    elif columns.words is not None:
        found, how = _find_by_words(rows, labels)
    elif are_indices:
        found, how = _find_by_index(labels, shown)
    else:
        raise BadInput(
            f"{shown}: the label numbers of column '{columns.label}' have no names, so 0 to 999 may be in any order; "
            "if they are class indices (0 to 999, sorted-wnid order), say --kind numbers."
        )
    called = dict(zip(map(str, range(len(columns.names))), columns.names, strict=True)) if columns.names else {}
    could_be = find_doubles({label: called.get(label, label) for label in labels}, found, published)
    words = f"split {about.split} ({about.format}), column {columns.label}: {how}, {len(labels):,} of them"
    return Layout(
        kind="rows", words=words, found=found, groups={path: some[0] for path, some in several.items() if some},
        several={path: some for path, some in several.items() if len(some) > 1},
        could_be=could_be, is_whole=published is not None,
    )  # fmt: skip


def find_text(text: str) -> str | Unclear:
    """The class of a label in words: a wnid, a name, or WordNet's words with commas between."""
    name = text.strip()
    return name if name in labels_by_wnid() else find_by_name(name)


def name_numbers(
    names: Sequence[str], numbers: Sequence[str], shown: str, find: Callable[[str], str | Unclear] = find_text
) -> tuple[dict[str, str | Unclear], str]:
    """Classes of numbers that are places in a list of names, and how they were found, in words.

    Args:
        names: of number 0 and on.
        numbers: as text.
        shown: the set's place in words.
        find: the class of a name.

    Raises:
        BadInput: a number has no name.
    """
    beyond = [number for number in numbers if not 0 <= int(number) < len(names)]
    if beyond:
        raise BadInput(f"{shown}: label {beyond[0]} has no name; {len(names)} are named.")
    if in_class_order(names):
        return {number: read_labels()[int(number)].wnid for number in numbers}, "class indices, as their names say"
    return {number: _rename(find(names[int(number)]), number, names[int(number)]) for number in numbers}, (
        "named classes"
    )


def in_class_order(names: Sequence[str]) -> bool:
    """True where the names are those of the 1000 classes in order, so that a name two classes share is clear."""
    labels = read_labels()
    return len(names) == len(labels) and all(fits_class(name, label) for name, label in zip(names, labels, strict=True))


def fits_class(name: str, label: Label) -> bool:
    """True for a class's wnid, its words or the first of them, and the first with a number behind it.

    `datasets` wants every name once, so that the Hub's ImageNet-1k calls the second crane `crane2`.
    """
    first = name.split(",")[0]
    written = (name, first, COUNTED.sub("", first))
    return name == label.wnid or any(label in find_classes(one) for one in written)


def _rename(found: str | Unclear, group: str, name: str) -> str | Unclear:
    """What is unclear is asked about by its number, which is what a mapping file names."""
    if isinstance(found, str):
        return found
    return Unclear(folder=group, fits=found.fits, near=found.near, name=name)


def _find_by_index(numbers: Sequence[str], shown: str) -> tuple[dict[str, str | Unclear], str]:
    labels = read_labels()
    beyond = [number for number in numbers if not 0 <= int(number) < len(labels)]
    if beyond:
        raise BadInput(f"{shown}: label {beyond[0]} is no class index; expected 0 to 999.")
    return {number: labels[int(number)].wnid for number in numbers}, "class indices, as --kind numbers says"


def _find_by_words(rows: pl.DataFrame, numbers: Sequence[str]) -> tuple[dict[str, str | Unclear], str]:
    """Numbers whose meaning the texts beside them tell: as class indices where that fits them all."""
    words: dict[str, set[str]] = {}
    for labels, texts in rows.select("labels", "words").iter_rows():
        if len(labels) == len(texts):
            for label, text in zip(labels, texts, strict=True):
                words.setdefault(label, set()).add(text.strip())
    if all(_is_index(number, words.get(number, set())) for number in numbers):
        return {number: read_labels()[int(number)].wnid for number in numbers}, "class indices, as the texts beside say"
    return {number: _find_one(number, words) for number in numbers}, "numbers, named by the texts beside"


def _is_index(number: str, texts: set[str]) -> bool:
    labels = read_labels()
    if not texts or not 0 <= int(number) < len(labels):
        return False
    return all(fits_class(text, labels[int(number)]) for text in texts)


def _find_one(number: str, words: Mapping[str, set[str]]) -> str | Unclear:
    found = {find_text(text) for text in words.get(number, ())}
    if len(found) == 1:
        return _rename(found.pop(), number, next(iter(words[number])))
    return Unclear(folder=number, fits=(), name=" or ".join(sorted(words.get(number, ())))[:200])
