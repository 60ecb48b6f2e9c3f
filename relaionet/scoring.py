"""Scores of images that are there already, and the metrics there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.places import local_path

if TYPE_CHECKING:
    from relaionet.evaluators.features.models import Models
    from relaionet.evaluators.protocols import Protocol
    from relaionet.given_images import GivenImages, Images, Labels
    from relaionet.splits import Split

__all__ = ["metrics", "score"]


def score(
    images: Images, split: Split | str | Path, *, protocol: str = "paper", labels: Labels | None = None,
    name: str = "images", extras: Sequence[str] = (), weights: Mapping[str, str] | None = None, device: str = "auto",
    out: str | Path | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Score images against a split: the same models, metrics and intervals as `relaionet evaluate`.

    Args:
        images: what was generated for the split's rows: a folder or tar (files named by sample_id, which is the row's
            candidate_id, or in folders named by wnid), an npz (`arr_0` images, `arr_1` class_index), a list or other
            iterable of PIL images or [H, W, 3] uint8 RGB arrays, or a dict from sample_id to such an image.
        split: a split, or its folder.
        protocol: named set of choices; only scores of one protocol may be compared.
        labels: where names do not say it: of a folder or tar a CSV of `file` and `wnid` or `class_index`, of a list one
            wnid or class_index per image. A list without them must be in the order of the split's rows and as long.
        name: what the images are called in messages.
        extras: metrics beyond the protocol's own, as `metrics()` lists them.
        weights: `inception`, `pickscore`, `dinov2`: local files or folders in place of downloads.
        device: torch device name; `auto` is the GPU where there is one.
        out: folder where features are kept, so that the split's own are not extracted again; None keeps nothing.

    Returns:
        One row per metric: metric, value, low and high (95 %, over new draws of images for the same rows; null where
        there is none), n (images scored), better (`lower`, `higher` or `neither`), method (how the interval was found),
        protocol, split, and made_with (digest of protocol and models).

    Raises:
        BadInput: it cannot be told which row an image answers, or a name or file is wrong.
        Unavailable: weights must be fetched and cannot be.

    Examples:
        >>> split = rn.load_split("split")
        >>> pictures = [picture for _, picture in split]  # the split's own, so the distance is 0
        >>> table = rn.score(pictures, split, protocol="miniature", device="cpu")
        >>> table.filter(metric="FD").select("n", "better").row(0)
        (18, 'lower')
        >>> abs(table.filter(metric="FD")["value"].item()) < 1e-3
        True
    """
    from relaionet.evaluators.protocols import find_protocol
    from relaionet.splits import load_split

    settings, loaded = find_protocol(protocol), load_split(split) if isinstance(split, str | Path) else split
    given = _match(images, loaded, settings, labels, name)
    with TemporaryDirectory(prefix="relaionet-score-") as kept_nowhere:
        folder = local_path(out or kept_nowhere, "out")
        return _show(_score(given, loaded, _load(settings, device, extras, weights), folder, name))


def _match(images: Images, split: Split, protocol: Protocol, labels: Labels | None, name: str) -> GivenImages:
    """Which row each image answers; said before any model is loaded."""
    from relaionet.given_images import match_images

    return match_images(
        images, split.rows, labels=labels, name=name, size_px=protocol.size_px, resize=protocol.generated
    )


def _load(protocol: Protocol, device: str, extras: Sequence[str], weights: Mapping[str, str] | None) -> Models:
    from relaionet.evaluators.features.models import load_models
    from relaionet.flows.evaluation.loaded_generator import device_of

    return load_models(protocol, device_of(device), extras=extras, weights=weights)


def _score(given: GivenImages, split: Split, models: Models, folder: Path, name: str) -> pl.DataFrame:
    """SCORES rows of the images; features are written into the folder."""
    from relaionet.evaluators.features.feature_sets import extract_set, join_shown
    from relaionet.evaluators.features.images import FileImages
    from relaionet.evaluators.scoring.score import score_generator

    protocol, rows = models.protocol, split.rows
    paths, hashes = [Path(path) for path in rows["path"]], rows["image_sha256"].to_list()
    real = FileImages(paths, protocol.size_px, protocol.real, hashes=hashes, decode=protocol.decode)
    reference = extract_set(real, rows, models, folder / "reference")
    samples = extract_set(given, join_shown(given.rows, reference), models, folder / "samples")
    return score_generator(samples, reference, generator=name, split=split.name)


def _show(scores: pl.DataFrame) -> pl.DataFrame:
    """SCORES rows of one set as people read them."""
    from relaionet.evaluators.metrics.lookup import is_lower_better, is_ranked

    def direction(metric: str) -> str:
        return "neither" if not is_ranked(metric) else "lower" if is_lower_better(metric) else "higher"

    better = [direction(metric) for metric in scores["metric"]]
    shown = ("metric", "value", "low", "high", "n", "better", "method", "protocol", "split", "made_with")
    return scores.with_columns(better=pl.Series(better, dtype=pl.String)).select(shown)


def metrics() -> pl.DataFrame:
    """The metrics there are: those of reLAIONet, and those that installed packages declare.

    Returns:
        One row per metric: metric (its name in tables), better (`lower`, `higher` or `neither`), given_by (what brings
        it: the `protocol`, an `extra` asked for, a `rater`, `statistics` of other images, or the `rows` of all sets
        together), extra (the name that asks for it, as in `score(…, extras=[…])`; empty where none does) and meaning.

    Examples:
        >>> rn.metrics().filter(metric="FID").select("better", "given_by").row(0)
        ('lower', 'protocol')
    """
    from relaionet.evaluators.metrics.lookup import find_metrics

    columns = {"metric": "name", "better": "direction", "given_by": "given_by", "extra": "extra", "meaning": "meaning"}
    rows = [tuple(getattr(one, name) for name in columns.values()) for one in find_metrics()]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
