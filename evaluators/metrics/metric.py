"""What a metric is: one frozen value with its name, direction, function, interval, source, and where it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar
from typing import Protocol as Shape

import numpy as np

from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import Gaussian
from relaionet.evaluators.protocols import Protocol

T = TypeVar("T")
RELATIVE = " (relative)"
LAST = 1000
"""Place of what says none: after all that do."""


class ImageSet(Shape):
    """What is known about a set of images: every model of a protocol run over it (`FeatureSet` is one)."""

    @property
    def protocol(self) -> Protocol:
        """Under which they were made."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """One per image."""
        ...

    @property
    def wnids(self) -> tuple[str, ...]:
        """Requested class of each image."""
        ...

    @property
    def shown(self) -> tuple[tuple[str, ...], ...] | None:
        """Every class of each image's row, the requested one among them; None where no row has another."""
        ...

    @property
    def features(self) -> np.ndarray:
        """[N, D] float32 of the protocol's extractor; may lie on disk."""
        ...

    @property
    def logits(self) -> np.ndarray:
        """[N, C] float32 of the protocol's classifier; may lie on disk."""
        ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Wnid of each logit; None where they are no ImageNet labels."""
        ...

    @property
    def cosines(self) -> Mapping[str, np.ndarray]:
        """Alignment metric -> [N] float64, image with its own class's text, -1 to 1."""
        ...

    @property
    def extras(self) -> Mapping[str, np.ndarray]:
        """Extra -> [N, D] float32 of the extractor it names."""
        ...

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Extras asked for, in the order asked."""
        ...

    @property
    def ratings(self) -> Mapping[str, np.ndarray]:
        """Preference metric -> [N] float64."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Sides:
    """What a metric is computed from: a set of images, and the split's own images where it is compared with them.

    Attributes:
        samples: the images scored.
        reference: the split's own images; the scored ones themselves where there is nothing to compare with.
        features: [N, D] what this metric looks at: the array of the extractor it names, else the protocol's features;
            may lie on disk: slices of rows and `np.asarray` read it, and it has no arithmetic.
        others: [M, D] the same of the reference.
        gaussian: statistics of named other images, for a distance to them; None elsewhere.
        is_part: the images are those of one class or group, not a whole set.
        found: metrics computed so far, by name; a metric may build on those declared before it.
        kept: what several metrics share (`once`).
    """

    samples: ImageSet
    reference: ImageSet
    features: np.ndarray
    others: np.ndarray
    gaussian: Gaussian | None = None
    is_part: bool = False
    found: dict[str, Estimate] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def strata(self) -> tuple[str, ...] | None:
        """Requested class of each image, within which the interval is made; None for the images of a part."""
        return None if self.is_part else self.samples.wnids

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made when it is first asked for under that name."""
        if name not in self.kept:
            self.kept[name] = make()
        made: T = self.kept[name]
        return made


def face(samples: ImageSet, reference: ImageSet, *, is_part: bool = False) -> Sides:
    """The two sides in the protocol's features.

    Args:
        samples: the images scored.
        reference: the split's own images.
        is_part: they are those of one class or group.
    """
    return Sides(
        samples=samples, reference=reference, features=samples.features, others=reference.features, is_part=is_part
    )


Compute = Callable[[Sides], Estimate | None]
"""Gives a metric's value with the influence of every image on it; None where these images have none."""
GivenBy = Literal["protocol", "extra", "rater", "statistics", "rows"]
Need = Literal["features", "logits", "text", "labels", "ratings", "reference", "scores"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Where people see a metric; each number is its place there, small ones first, None leaves it out.

    Attributes:
        column: in the leaderboard.
        main: among the columns in view at first, and among the curves over guidance and steps.
        said: in the line the terminal prints for a set.
        ranks: in the chart of ranks.
        pairs: among the tables of all pairs.
        splits: among the tables across splits.
        classes: among the charts by class.
    """

    column: int = LAST
    main: int | None = None
    said: int | None = None
    ranks: int | None = None
    pairs: int | None = None
    splits: int | None = None
    classes: int | None = None


Section = Literal["main", "said", "ranks", "pairs", "splits", "classes"]


def under_any(protocol: Protocol) -> bool:
    """A metric that no choice of a protocol leaves out."""
    return True


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, declared once; all that is computed with it and shown about it is read from here.

    Attributes:
        name: as in tables; of a family (`is_family`), what its names begin with.
        meaning: one line for people.
        direction: which way is better; `neither` where it only describes.
        given_by: what brings it: every `protocol` that it is `under`; an `extra` asked for; a `rater`; `statistics` of
            other images that a recipe names; or the `rows` of all scored sets together.
        extra: name that asks for it in `extras`; several metrics may share one.
        extractor: whose array an extra looks at, as `load_extractor` takes it; empty takes the protocol's features.
        array: which of the extractor's arrays.
        is_family: any name that begins with `name` is such a metric; what follows names the extractor or the images.
        needs: what it is computed from; without `reference` the split's own images have it too.
        under: whether a protocol gives it.
        compute: gives its value and influences; None for metrics of `rows`.
        relative: the same in relation to the split's own images, under the name with " (relative)".
        is_by_class: given for each class and group too; `compute` then meets sides that are a part.
        is_mean: it is the mean of a number of each image, so that value and influence give that number.
        interval: how its interval is made, in words.
        version: changes with what `compute` does; part of the digest of scores for metrics of other packages.
        part: of the harmonic mean over all rows: distance, score or alignment; empty for none.
        depends_on_count: its value moves with the number of images, so only equal numbers are compared.
        is_within_rows: it is scaled by the sets it stands beside, so only its ranks are compared between splits.
        source: paper and equation, or reference implementation.
        shown: where.
    """

    name: str
    meaning: str
    direction: Literal["lower", "higher", "neither"] = "higher"
    given_by: GivenBy = "protocol"
    extra: str = ""
    extractor: str = ""
    array: str = "features"
    is_family: bool = False
    needs: tuple[Need, ...] = ("features",)
    under: Callable[[Protocol], bool] = under_any
    compute: Compute | None = None
    relative: Compute | None = None
    is_by_class: bool = False
    is_mean: bool = False
    interval: str = "influences, skewness removed"
    version: str = "1"
    part: Literal["", "distance", "score", "alignment"] = ""
    depends_on_count: bool = True
    is_within_rows: bool = False
    source: str = ""
    shown: Shown = Shown()

    @property
    def is_lower_better(self) -> bool:
        """True where less is better."""
        return self.direction == "lower"

    @property
    def arrow(self) -> str:
        """↓ where less is better, ↑ where more is; empty where neither."""
        return {"lower": "↓", "higher": "↑", "neither": ""}[self.direction]

    @property
    def asked_for(self) -> str:
        """What has to be asked for; empty where every protocol (or every one with such a model) gives it."""
        if self.given_by == "extra":
            return "its name" if self.is_family else self.extra
        return {"rater": "a rater", "statistics": "references"}.get(self.given_by, "")

    def named(self, name: str) -> Metric:
        """The member of a family that has this name."""
        if self.given_by != "extra":
            return replace(self, name=name)
        return replace(self, name=name, extra=name, extractor=name.removeprefix(self.name))
