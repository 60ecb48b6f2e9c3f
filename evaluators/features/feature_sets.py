"""All that the metrics of one protocol need to know about a set of images: every model run over it once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.features.extract import Features, extract_features, folder_name
from relaionet.evaluators.features.extractors import EncoderExtractor, Extractor
from relaionet.evaluators.features.images import ImageSource
from relaionet.evaluators.features.models import Models
from relaionet.evaluators.features.raters import rate_images
from relaionet.evaluators.lazy_rows import CHUNK_ROWS, Names, view_rows
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import find_label


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """All that the metrics of one protocol need to know about a set of images.

    Attributes:
        protocol: under which they were made.
        ids: one per image.
        wnids: requested class of each.
        features: [N, D] float32, for the distances.
        logits: [N, C] float32, for Inception Score and accuracy.
        classes: wnid of each logit; None where they are no ImageNet labels.
        cosines: `CLIP Score`, `PickScore` -> [N] float64, image with its own class's text, -1 to 1.
        digest: of everything above.
        extras: extra metric -> [N, D] float32, where it compares other features.
        extra_names: extra metrics asked for, those of the protocol's own features included.
        ratings: preference metric -> [N] float64.
        made_with: digest (12 digits) of protocol and models; "" -> of the protocol's own metrics, and of each extra's.
        notes: sentences a reader of any number made with the set should know.
        places: `features`, `logits` and the name of each extra -> file of its array, relative to the set's folder;
            empty where the arrays lie in none.
        shown: every class of each image's row, the requested one among them; None where no row has another.
    """

    protocol: Protocol
    ids: Sequence[str]
    wnids: tuple[str, ...]
    features: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...] | None
    cosines: dict[str, np.ndarray]
    digest: str
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    extra_names: tuple[str, ...] = ()
    ratings: Mapping[str, np.ndarray] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=lambda: {"": ""})
    notes: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        """Number of images."""
        return len(self.ids)

    def take(self, rows: Sequence[int] | np.ndarray) -> FeatureSet:
        """The set of some of its images, in the order given; arrays stay where they are and are read when needed."""
        places = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            wnids=tuple(self.wnids[row] for row in rows),
            features=view_rows(self.features, places),
            logits=view_rows(self.logits, places),
            cosines={metric: values[places] for metric, values in self.cosines.items()},
            extras={name: view_rows(array, places) for name, array in self.extras.items()},
            ratings={name: values[places] for name, values in self.ratings.items()},
            digest=digest_of(self.digest, places.tolist()),
            places={},
            shown=None if self.shown is None else tuple(self.shown[row] for row in rows),
        )


def extract_set(
    images: ImageSource, rows: pl.DataFrame, models: Models, out: Path, progress: Callable[[int], None] | None = None
) -> FeatureSet:
    """Run every model of a protocol over a set of images, each once.

    Args:
        images: at the protocol's size.
        rows: one per image, with `sample_id` or `candidate_id`, `wnid`, and `wnids` (list) where rows have several.
        models: as `load_models` gives them.
        out: folder of the set.
        progress: called with the number of images a model has done since the last call; the total is images × models
            (`count_passes`).

    Raises:
        BadInput: a column is missing, or rows and images differ in number.
    """
    key = next((name for name in ("sample_id", "candidate_id") if name in rows.columns), None)
    if key is None or "wnid" not in rows.columns:
        raise BadInput(f"rows of images need sample_id or candidate_id, and wnid; found {', '.join(rows.columns)}.")
    ids, wnids = Names(rows[key]), tuple(map(sys.intern, Names(rows["wnid"])))
    protocol = models.protocol
    done: dict[tuple[str, str], Features] = {}

    def extract(extractor: Extractor) -> Features:
        key = (extractor.name, extractor.fingerprint)
        if key not in done:
            done[key] = extract_features(images, ids, extractor, protocol, out, progress)
        return done[key]

    fd, classified = extract(models.fd), extract(models.classifier)
    if "logits" not in classified.arrays:
        raise BadInput(f"extractor '{models.classifier.name}' gives no logits; name a classifier in the protocol.")
    aligned = {metric: extract(EncoderExtractor(encoder)) for metric, encoder in models.alignments.items()}
    cosines = {
        metric: align_images(rows.arrays["features"], wnids, models.alignments[metric], protocol.prompt)
        for metric, rows in aligned.items()
    }
    further = _extract_extras(models, extract)
    prompts = {wnid: fill_prompt(protocol.prompt, wnid) for wnid in set(wnids)} if models.raters else {}
    texts = [prompts[wnid] for wnid in wnids] if models.raters else []
    ratings = {name: rate_images(images, ids, texts, rater, out, progress) for name, rater in models.raters.items()}
    shown = _read_shown(rows)
    several = [shown] if shown is not None else []
    return FeatureSet(
        protocol=protocol, ids=ids, wnids=wnids, features=fd.arrays["features"], logits=classified.arrays["logits"],
        classes=_class_order(models), cosines=cosines, extras=further, extra_names=tuple(_names(models)),
        digest=digest_of(fd.digest, classified.digest, wnids, models.made_with, protocol, _names(models), *several),
        ratings=ratings, made_with=models.made_with, places=_name_places(models), shown=shown,
        notes=_note_several(shown),
    )  # fmt: skip


def join_shown(made: pl.DataFrame, reference: FeatureSet) -> pl.DataFrame:
    """Rows of generated images with `wnids`, the classes of the split's rows they answer, where those have several.

    Args:
        made: sample_id (a candidate_id, or one with `-k` appended) and wnid.
        reference: the split's own images.
    """
    if reference.shown is None:
        return made
    known = pl.DataFrame(
        {"_row": list(reference.ids), "wnids": [list(some) for some in reference.shown]},
        schema={"_row": pl.String, "wnids": pl.List(pl.String)},
    )
    asked = made.with_columns(_row=pl.col("sample_id").str.split("-").list.first())
    return asked.join(known, on="_row", how="left", maintain_order="left").drop("_row")


def _read_shown(rows: pl.DataFrame) -> tuple[tuple[str, ...], ...] | None:
    """Every class of each row; None where no row has more than its own."""
    if "wnids" not in rows.columns or rows["wnids"].null_count() == rows.height:
        return None
    both = rows.select(pl.coalesce(pl.col("wnids").list.sort(), pl.concat_list("wnid")))
    return tuple(tuple(map(sys.intern, some)) for (some,) in both.iter_rows())


def _note_several(shown: tuple[tuple[str, ...], ...] | None) -> tuple[str, ...]:
    if shown is None:
        return ()
    count = sum(len(some) > 1 for some in shown)
    text = (
        f"{count:,} of {len(shown):,} rows show several classes: accuracy is right with any of them; scores by class "
        "count a row once, under the class it was released as."
    )
    return (text,)


def _name_places(models: Models) -> dict[str, str]:
    further = {
        extra.name: f"{folder_name(extractor)}/{extra.array}.npy"
        for extra, extractor in models.extras
        if extra.extractor
    }
    own = {"features": f"{folder_name(models.fd)}/features.npy"}
    return own | {"logits": f"{folder_name(models.classifier)}/logits.npy"} | further


def count_passes(models: Models) -> int:
    """How many times `extract_set` goes over the images."""
    encoders = [EncoderExtractor(encoder) for encoder in models.alignments.values()]
    extractors = [models.fd, models.classifier, *encoders, *(extractor for _, extractor in models.extras)]
    return len({(extractor.name, extractor.fingerprint) for extractor in extractors}) + len(models.raters)


def fill_prompt(prompt: str, wnid: str) -> str:
    """The protocol's text for a class."""
    return prompt.replace("{class}", find_label(wnid).name)


def align_images(rows: np.ndarray, wnids: Sequence[str], encoder: Any, prompt: str) -> np.ndarray:
    """Cosine of each image with the text of its own class.

    Args:
        rows: [N, D] unit rows of the images.
        wnids: [N] classes.
        encoder: whose `encode_texts` gives the unit rows of the texts.
        prompt: with `{class}`.

    Returns:
        [N] float64.
    """
    order = sorted(set(wnids))
    texts = np.asarray(encoder.encode_texts([fill_prompt(prompt, wnid) for wnid in order]), dtype=np.float64)  # [C, D]
    place = {wnid: index for index, wnid in enumerate(order)}
    own = np.array([place[wnid] for wnid in wnids])
    cosines = np.empty(len(wnids))
    for start in range(0, len(wnids), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        cosines[part] = np.einsum("nd,nd->n", np.asarray(rows[part], dtype=np.float64), texts[own[part]])
    return cosines


def _extract_extras(models: Models, extract: Callable[[Extractor], Features]) -> dict[str, np.ndarray]:
    found = {}
    for extra, extractor in models.extras:
        if extra.extractor:
            arrays = extract(extractor).arrays
            if extra.array not in arrays:
                raise BadInput(f"extractor '{extractor.name}' gives no {extra.array}, which {extra.name} compares.")
            found[extra.name] = arrays[extra.array]
    return found


def _names(models: Models) -> list[str]:
    return [extra.name for extra, _ in models.extras]


def _class_order(models: Models) -> tuple[str, ...] | None:
    order = models.protocol.class_order
    if order == "own":
        return tuple(models.classifier.classes)  # type: ignore[attr-defined]
    if order == "imagenet":
        from relaionet.manifests.labels import read_labels

        return tuple(label.wnid for label in read_labels())
    return None
