"""Which columns of a dataset are the picture and its label, by the features `datasets` gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from relaionet.manifests.errors import BadInput, nearest_name

ImageKind = Literal["image", "bytes", "path"]
LabelKind = Literal["number", "text"]
LABELS = (
    "wnid", "wnids", "synset", "synsets", "synset_id", "label", "labels", "real_labels", "cls", "class", "class_name",
    "class_names", "english_label",
)  # fmt: skip
WORDS = (
    "wnid",
    "wnids",
    "synset",
    "english_label",
    "english_labels",
    "class_name",
    "class_names",
    "label_name",
    "name",
)
PICTURES = ("image", "img", "picture", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
PATHS = ("image_path", "file_name", "filename", "path", "file", "image", "img")
MAX_NAMES = 30_000


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a dataset that are read.

    Attributes:
        image: name of the picture's column.
        image_kind: what is in it: `datasets`' own images, bytes, or paths in the set.
        label: name of the label's column; None where there is none.
        label_kind: numbers or texts, one or a list of them.
        names: what the label numbers are called, where the features say.
        words: column of texts beside a column of numbers nobody named; None where there is none.
    """

    image: str
    image_kind: ImageKind
    label: str | None
    label_kind: LabelKind | None = None
    names: tuple[str, ...] | None = None
    words: str | None = None


def pick_columns(features: Mapping[str, Any], label: str | None) -> Columns:
    """Say which columns are the picture and its label.

    Args:
        features: `datasets.Features`.
        label: column the user names; None looks.

    Raises:
        BadInput: there is no picture, or no such label.
    """
    image, image_kind = _pick_image(features)
    if label is not None and label not in features:
        raise BadInput(f"the set has no column '{label}'.{nearest_name(label, features)}")
    chosen = label if label is not None else _pick_label(features, image)
    if chosen is None:
        return Columns(image=image, image_kind=image_kind, label=None)
    about = _inner(features[chosen])
    names = _names(about)
    kind: LabelKind | None = "number" if names is not None or _is_number(about) else "text" if _is_text(about) else None
    if kind is None:
        raise BadInput(f"column '{chosen}' holds no labels: expected numbers, texts, or lists of them.")
    words = None
    if kind == "number" and names is None:
        words = next((name for name in WORDS if name in features and _is_text(_inner(features[name]))), None)
    return Columns(image=image, image_kind=image_kind, label=chosen, label_kind=kind, names=names, words=words)


def _pick_image(features: Mapping[str, Any]) -> tuple[str, ImageKind]:
    for name, feature in features.items():
        if type(feature).__name__ == "Image" or (isinstance(feature, Mapping) and "bytes" in feature):
            return name, "image"
    for names, kind, dtypes in ((PICTURES, "bytes", ("binary", "large_binary")), (PATHS, "path", ("string",))):
        for name in names:
            if getattr(features.get(name), "dtype", None) in dtypes:
                return name, kind  # type: ignore[return-value]
    raise BadInput(f"the set has no column of pictures; its columns are {', '.join(features)[:300]}.")


def _pick_label(features: Mapping[str, Any], image: str) -> str | None:
    named = [name for name in LABELS if name in features and name != image]
    for name in named:
        if _names(_inner(features[name])) is not None or name.startswith(("wnid", "synset")):
            return name
    given = [name for name, feature in features.items() if _names(_inner(feature)) is not None]
    return given[0] if len(given) == 1 else next(iter(named), None)


def _inner(feature: Any) -> Any:
    """What a list holds, in whichever way this version of `datasets` says it; anything else as it is."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return feature.feature if type(feature).__name__ in ("List", "LargeList", "Sequence") else feature


def _names(feature: Any) -> tuple[str, ...] | None:
    names = getattr(feature, "names", None) if type(feature).__name__ == "ClassLabel" else None
    if names is not None and len(names) > MAX_NAMES:
        raise BadInput(f"{len(names):,} label names; expected at most {MAX_NAMES:,}.")
    return tuple(map(str, names)) if names is not None else None


def _is_number(feature: Any) -> bool:
    return str(getattr(feature, "dtype", "")).startswith(("int", "uint"))


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in ("string", "large_string", "string_view")
