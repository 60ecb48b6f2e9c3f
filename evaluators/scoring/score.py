"""Score a generator: every metric of a protocol as rows of the scores table, each with its interval and its n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.lookup import declared_elsewhere, find_metric
from relaionet.evaluators.scoring.measure import Measured, measure_alone, measure_set
from relaionet.manifests.tables import SCORES, shape_table

VERSION = "5"
REAL = "real images"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What was scored.

    Attributes:
        generator: its name.
        split: name of the split.
        steps: sampling steps; 0 where the generator has none.
        guidance: guidance scale.
        nfe: mean forward calls per sample.
    """

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
        reference: features of the split's own images. Where the two differ in number (samples that failed), only the
            requests both have are scored, since the Fréchet distance depends on the number.
        generator: its name.
        split: name of the split.
        steps: sampling steps; 0 where the generator has none.
        guidance: guidance scale.
        nfe: mean forward calls per sample, measured.

    Returns:
        SCORES rows, one per metric, with 95 % intervals over new draws of images for the same requests (the split's
        own images count as fixed); see `relaionet.evaluators.metrics.estimate`.

    Raises:
        BadInput: the two sets are of different protocols or models, or differ in number and share no request.
    """
    setting = Setting(generator=generator, split=split, steps=steps, guidance=guidance, nfe=nfe)
    return list_scores(measure_set(samples, reference), setting)


def score_real(reference: FeatureSet, split: str) -> pl.DataFrame:
    """The split's own images under the metrics that need no second set: IS, alignment, scaled IS, accuracy.

    Args:
        reference: features of the split's own images.
        split: name of the split.

    Returns:
        SCORES rows of the generator "real images". No distance is given: of one half to the other it would be at half
        the number of images and not comparable to the rest.
    """
    return list_scores(measure_alone(reference), Setting(generator=REAL, split=split))


def list_scores(measured: Measured, setting: Setting) -> pl.DataFrame:
    """SCORES rows of one measured set."""
    images = measured.samples
    rows = [
        (name, *interval_row(estimate, images.wnids), find_made_with(images.made_with, name))
        for name, estimate in measured.estimates.items()
    ]
    schema = ["metric", "value", "low", "high", "method", "made_with"]
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("low", "high").fill_nan(None), generator=pl.lit(setting.generator), split=pl.lit(setting.split),
        protocol=pl.lit(images.protocol.name), steps=pl.lit(setting.steps), guidance=pl.lit(setting.guidance),
        nfe=pl.lit(setting.nfe), n=pl.lit(len(images)),
    )  # fmt: skip
    return shape_table(frame, SCORES)


def interval_row(estimate: Estimate, wnids: tuple[str, ...]) -> tuple[float, float, float, str]:
    """Value, lower and upper end, and how they were found.

    Images made for given classes are drawn anew within their classes; shares of which a class may have all or none are
    drawn over all, where Wilson's interval holds.
    """
    if len(estimate.influence) != len(wnids):  # of some of the images only
        return (estimate.value, *estimate.interval(), estimate.say_method())
    return (estimate.value, *estimate.interval(None if estimate.scale == "fraction" else wnids), estimate.say_method())


def find_made_with(made_with: Mapping[str, str], metric: str) -> str:
    """Digest of protocol and models behind a metric; of an extra, with the extractor it names."""
    found = find_metric(metric)
    return made_with.get(found.extra if found is not None and found.extra else metric, made_with[""])


def version_with(extras: Sequence[str]) -> str:
    """Version of the scores, that of every metric of another package among the extras included.

    Args:
        extras: asked for.
    """
    others = [f"{one.name} {one.version}" for one in declared_elsewhere() if one.extra in extras]
    return " ".join([VERSION, *others])
