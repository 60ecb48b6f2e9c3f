"""What a class is searched with: prompts by name or free, names that say which class is meant, pictures beside them."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import Label, read_labels
from relaionet.pipeline.embeddings.encoders import Encoder

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
TEMPLATE_SETS = {"openai-imagenet": "OPENAI_IMAGENET_TEMPLATES", "simple-imagenet": "SIMPLE_IMAGENET_TEMPLATES"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Prototypes:
    """Mean rows of example pictures.

    Attributes:
        vectors: [C, D] float32 unit rows; zeros where a class has no picture.
        counts: [C] pictures per class.
    """

    vectors: np.ndarray
    counts: np.ndarray


def embed_class_texts(
    encoder: Encoder, labels: Sequence[Label], templates: Sequence[str], prototypes: Prototypes | None = None,
    prototype_weight: float = 0.5,
) -> np.ndarray:  # fmt: skip
    """One row per class: the mean over its prompts, of unit length again, moved towards its pictures where there are.

    Args:
        encoder: from `load_encoder`.
        labels: C labels.
        templates: prompts with {name} and {gloss}, or names of sets of them (`TEMPLATE_SETS`).
        prototypes: of the same C classes. In CLIP's space pictures are nearer to pictures than to any text, so give
            pictures of all classes or of none: a class that has some draws pictures from those that have not.
        prototype_weight: share of the prototype, 0 (text alone) to 1 (pictures alone, where there are).

    Returns:
        [C, D] float32 unit rows.

    Raises:
        BadInput: a template or set is wrong, the weight is out of range, or the prototypes do not fit.

    Source: prompt ensembling, Radford et al. 2021 (CLIP), section 3.1.4, and open_clip's `build_zero_shot_classifier`.
    """
    import numpy as np

    if not 0 <= prototype_weight <= 1:
        raise BadInput(f"class texts: prototype_weight is {prototype_weight}; expected 0 to 1.")
    texts = embed_labels(encoder, [distinct_label(label) for label in labels], expand_templates(templates))
    if prototypes is None:
        return texts
    if prototypes.vectors.shape != texts.shape or len(prototypes.counts) != len(texts):
        raise BadInput(
            f"class texts: prototypes {prototypes.vectors.shape} for texts {texts.shape}; embed both with one encoder."
        )
    mixed = (1 - prototype_weight) * texts + prototype_weight * prototypes.vectors
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    use = (prototypes.counts > 0) & (lengths[:, 0] > 1e-6)
    return np.where(use[:, None], mixed / np.maximum(lengths, 1e-12), texts).astype(np.float32)


def expand_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """Free templates as they are, names of sets replaced by open_clip's templates of that name.

    Raises:
        BadInput: a word is neither a template nor a known set.
    """
    return tuple(text for template in templates for text in _expand(template))


def _expand(template: str) -> tuple[str, ...]:
    if template in TEMPLATE_SETS:
        from open_clip import zero_shot_metadata

        # open_clip's templates are functions of a name
        return tuple(make("{name}") for make in getattr(zero_shot_metadata, TEMPLATE_SETS[template]))
    if "{" not in template:
        raise BadInput(
            f"label prompt '{template}' has no {{name}} or {{gloss}} and is no set of prompts."
            f"{nearest_name(template, TEMPLATE_SETS)}"
        )
    return (template,)


def distinct_label(label: Label) -> Label:
    """The label with a name that only it can have: `cardigan` is also a Corgi's, so its meaning is added.

    A name is given the first clause of its gloss where it is among the words of another of the 1000 classes.
    """
    if len(_classes_by_word()[_fold(label.name)] | {label.wnid}) == 1:
        return label
    return replace(label, name=f"{label.name}, {label.gloss.partition(';')[0]}")


@cache
def _classes_by_word() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for label in read_labels():
        for word in (label.name, *label.lemmas):
            found[_fold(word)].add(label.wnid)
    return found


def _fold(word: str) -> str:
    plain = word.casefold().replace("-", " ")
    if plain.endswith("sses"):
        return plain[:-2]
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain


def make_prototypes(vectors: np.ndarray, class_indices: Sequence[int], classes_count: int = 1000) -> Prototypes:
    """Mean rows of example pictures by class, of unit length again.

    Args:
        vectors: [N, D] unit rows of the pictures.
        class_indices: of the N pictures, 0 to classes_count - 1.
        classes_count: C.

    Raises:
        BadInput: numbers differ or a class is out of range.
    """
    import numpy as np

    places = np.asarray(class_indices, dtype=np.int64)
    if len(places) != len(vectors) or (len(places) and not 0 <= places.min() <= places.max() < classes_count):
        raise BadInput(
            f"prototypes: {len(vectors)} rows for {len(places)} classes, which must lie in 0 to {classes_count - 1}."
        )
    sums = np.zeros((classes_count, vectors.shape[1]))
    np.add.at(sums, places, vectors.astype(np.float64))
    counts = np.bincount(places, minlength=classes_count)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 1e-6)
    return Prototypes(vectors=unit.astype(np.float32), counts=counts)


TEMPLATES = ("a photo of a {name}", "a picture of a {name}", "{name}", "{name}: {gloss}")


def embed_labels(encoder: Encoder, labels: Sequence[Label], templates: Sequence[str] = TEMPLATES) -> np.ndarray:
    """One row per label: the mean over its prompts, of unit length again.

    Args:
        encoder: from `load_encoder`.
        labels: C labels.
        templates: prompts in which {name} and {gloss} are filled in.

    Returns:
        [C, D] float32 unit rows.

    Raises:
        BadInput: there is no template or it has another field.

    Source: prompt ensembling, Radford et al. 2021 (CLIP), section 3.1.4.
    """
    import numpy as np

    if not templates:
        raise BadInput("label prompts: at least one template is needed, such as 'a photo of a {name}'.")
    for template in templates:
        check_template(template)
    prompts = [template.format(name=label.name, gloss=label.gloss) for label in labels for template in templates]
    rows = np.asarray(encoder.encode_texts(prompts), dtype=np.float32)  # [C * T, D]
    mean = rows.reshape(len(labels), len(templates), -1).mean(axis=1)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


def check_template(template: str) -> None:
    """Check a prompt in which {name} and {gloss} are filled in.

    Raises:
        BadInput: it is malformed, uses neither, or has another field.
    """
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise BadInput(f"label prompt '{template}' is malformed: {error}.") from None
    if not fields or fields - {"name", "gloss"}:
        raise BadInput(f"label prompt '{template}' must use {{name}} or {{gloss}} and no other field.")
