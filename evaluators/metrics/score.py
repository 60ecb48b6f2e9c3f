"""Score a generator: every metric of a protocol from stored features, each with its interval and its n."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from relaionet.evaluators.features import FeatureSet
from relaionet.evaluators.metrics.accuracy import score_accuracy
from relaionet.evaluators.metrics.alignment import score_alignment
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian, score_frechet
from relaionet.evaluators.metrics.inception_score import score_inception
from relaionet.evaluators.metrics.kernel import score_kernel
from relaionet.evaluators.metrics.scaled import PREFIXES, score_scaled
from relaionet.evaluators.protocols import check_comparable
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import SCORES, shape_table

VERSION = "1"
REAL = "real images"


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What was scored, as `score_generator` is told."""

    generator: str
    split: str
    steps: int = 0
    guidance: float = 1.0
    nfe: float = 0.0


def score_generator(
    samples: FeatureSet,
    reference: FeatureSet,
    *,
    generator: str,
    split: str,
    steps: int = 0,
    guidance: float = 1.0,
    nfe: float = 0.0,
) -> pl.DataFrame:
    """Every metric of the protocol for one set of generated images.

    Args:
        samples: features of the generated images; they carry the protocol.
        reference: features of the split's own images. Where the two differ in number (samples that failed), only
            requests both have are compared, since a Fréchet distance depends on the number; `n` says how many.
        generator: registered name.
        split: name of the split.
        steps: sampling steps asked for; 0 where there are none.
        guidance: guidance scale asked for; 1 is none.
        nfe: mean forward calls per sample, measured.

    Returns:
        SCORES rows, one per metric, with 95 % intervals over new draws of images for the same requests (the split's
        own images count as fixed); see `relaionet.evaluators.metrics.estimate`.

    Raises:
        BadInput: the two sets are of different protocols, or differ in number and share no request.
    """
    check_comparable([samples.protocol, reference.protocol], "features")
    if len(samples) != len(reference):
        samples, reference = match_rows(samples, reference)
    protocol = samples.protocol
    distance = score_frechet(samples.features, fit_gaussian(reference.features))
    kernel = score_kernel(
        samples.features,
        reference.features,
        classes=(samples.wnids, reference.wnids) if protocol.kd_by_class else None,
        block_count=protocol.kd_block_count,
        seed=protocol.is_seed,
    )
    found = {protocol.fd_name: distance, protocol.kd_name: kernel, **_score_alone(samples, distance, reference)}
    setting = _Setting(generator=generator, split=split, steps=steps, guidance=guidance, nfe=nfe)
    return _to_rows(found, samples, setting)


def score_real(reference: FeatureSet, split: str) -> pl.DataFrame:
    """The split's own images under the metrics that need no second set: IS, alignment, scaled IS, accuracy.

    Args:
        reference: features of the split's own images.
        split: name of the split.

    Returns:
        SCORES rows of the generator "real images". No distance is given: of one half to the other it would be at half
        the number of images and not comparable to the rest.
    """
    return _to_rows(_score_alone(reference, None, reference), reference, _Setting(generator=REAL, split=split))


def match_rows(samples: FeatureSet, reference: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """Keep the requests both sets have, so that both are equally many.

    Args:
        samples: ids are candidate ids; `-k` appended marks the k-th sample of a request.
        reference: ids are candidate ids.

    Returns:
        Both sets with the same number of rows: one sample per request, each with its own real image.

    Raises:
        BadInput: there is no such request.
    """
    place = {name: index for index, name in enumerate(reference.ids)}
    pairs: dict[str, tuple[int, int]] = {}
    for row, name in enumerate(samples.ids):
        request = name.partition("-")[0]
        if request in place:
            pairs.setdefault(request, (row, place[request]))
    if not pairs:
        raise BadInput("no generated image was asked for by a row of this split; score it against its own split.")
    ours, theirs = zip(*pairs.values(), strict=True)
    if len(ours) == len(samples) == len(reference):
        return samples, reference
    return samples.take(ours), reference.take(theirs)


def _score_alone(images: FeatureSet, distance: Estimate | None, reference: FeatureSet) -> dict[str, Estimate]:
    """Metrics that need no second set, and the scaled ones."""
    protocol = images.protocol
    splits = min(protocol.is_splits, len(images))
    inception = score_inception(images.logits, splits=splits, seed=protocol.is_seed)
    found = {"IS": inception}
    for name, cosines in images.cosines.items():
        alignment = score_alignment(cosines)
        prefix = PREFIXES[name]
        real = score_alignment(reference.cosines[name]).value
        found[name] = alignment
        found |= score_scaled(
            distance, inception, alignment, names=(prefix + protocol.fd_name, f"{prefix}IS"), real=real
        )
    return found


def _to_rows(found: dict[str, Estimate], images: FeatureSet, setting: _Setting) -> pl.DataFrame:
    rows = [(name, estimate.value, *estimate.interval(images.wnids)) for name, estimate in found.items()]
    accuracy = score_accuracy(images.logits, images.wnids, images.classes) if images.classes else None
    if accuracy is not None:
        rows.append(("accuracy", *accuracy))
    frame = pl.DataFrame(rows, schema=["metric", "value", "low", "high"], orient="row").with_columns(
        pl.col("low", "high").fill_nan(None),
        generator=pl.lit(setting.generator), split=pl.lit(setting.split), protocol=pl.lit(images.protocol.name),
        steps=pl.lit(setting.steps), guidance=pl.lit(setting.guidance), nfe=pl.lit(setting.nfe), n=pl.lit(len(images)),
    )  # fmt: skip
    return shape_table(frame, SCORES)
