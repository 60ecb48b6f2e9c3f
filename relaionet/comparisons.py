"""How far two sets of pictures are apart."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import polars as pl

from relaionet.manifests.places import local_path

if TYPE_CHECKING:
    from relaionet.flows.comparison.order import CompareOrder
    from relaionet.splits import Split

__all__ = ["compare"]


def compare(
    a: Split | str | Path, b: Split | str | Path, *, features: Sequence[str] = (),
    mix: Literal["both", "equal", "any"] = "both", draws: int = 5, count: int = 5000, seed: int = 0, protocol: str = "",
    labels: tuple[str | Path | None, str | Path | None] = (None, None), names: tuple[str, str] = ("", ""),
    weights: Mapping[str, str] | None = None, device: str = "auto", out: str | Path | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Say how far the pictures of one set are from those of another, as `relaionet compare` does.

    Args:
        a: a split, its folder, an export, a folder of pictures by class, or an npz of reference statistics.
        b: the same, mostly the better known set; one of the two at most may be statistics.
        features: representations: `inception`, `dinov2`, `encoder:<name>`, `package.module:factory`; none takes the
            first two and CLIP's ViT-L/14, of the miniature its own.
        mix: `equal` number of pictures of each class, classes as they are (`any`), or `both` as far as the sets allow.
        draws: how often pictures are drawn.
        count: pictures of each set at most.
        seed: another one draws other pictures.
        protocol: how pictures are decoded and resized for the representations; `ours` where empty.
        labels: for either set a CSV of `file` and `wnid` or `class_index`, where the folder does not say its classes.
        names: of either set in the table.
        weights: representation -> local file or folder in place of a download.
        device: torch device name; `auto` is the GPU where there is one.
        out: folder for the page, the tables and the features; None keeps nothing.

    Returns:
        One row per number (`relaionet.manifests.tables.SHIFTS`), with its 95 % interval over new draws of the pictures
        of both sets and the number of pictures. What one of the sets lacks is said in warnings.

    Raises:
        BadInput: a place, name or file is wrong, or the sets cannot be compared as asked for.
        Unavailable: weights must be fetched and cannot be.
        Corrupt: a split is damaged.

    Examples:
        >>> table = rn.compare("split", "split", features=["miniature"], device="cpu", draws=1)
        >>> row = table.filter(metric="KD", mix="any").row(0, named=True)
        >>> row["low"] <= 0 <= row["high"], row["n"]
        (True, 9)
    """
    from relaionet.flows.compare import run_compare

    order = _order(a, b, features, labels, names, protocol, weights or {}, device, (mix, draws, count, seed))
    with TemporaryDirectory(prefix="relaionet-compare-") as kept_nowhere:
        compared = run_compare(order, local_path(out or kept_nowhere, "out"))
    for line in compared.lacks:
        warnings.warn(line, stacklevel=2)
    return compared.rows


def _order(
    a: Split | str | Path, b: Split | str | Path, features: Sequence[str],
    labels: tuple[str | Path | None, str | Path | None], names: tuple[str, str], protocol: str,
    weights: Mapping[str, str], device: str, drawn: tuple[Literal["both", "equal", "any"], int, int, int],
) -> CompareOrder:  # fmt: skip
    """What is asked for, as the flow takes it."""
    from relaionet.evaluators.comparison.compare import CompareConfig
    from relaionet.evaluators.comparison.draws import DrawConfig
    from relaionet.flows.comparison.order import CompareOrder

    one, other = (local_path(side if isinstance(side, str | Path) else side.folder, "set") for side in (a, b))
    first, second = (local_path(table, "labels") if table is not None else None for table in labels)
    mix, draws, count, seed = drawn
    return CompareOrder(
        one=one, other=other, representations=tuple(features), protocol=protocol, weights=weights, device=device,
        labels=(first, second), names=names,
        config=CompareConfig(draw=DrawConfig(draws=draws, count=count, seed=seed), mix=mix),
    )  # fmt: skip
