"""Mean and covariance of a split's features as files: shared by content, and exchanged with ADM and clean-fid."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.metrics.frechet import Gaussian, fit_gaussian
from relaionet.evaluators.protocols import Protocol, check_made_alike
from relaionet.manifests.containers.limits import NUMBERS, Refused
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, file_sha256, write_atomic
from relaionet.pipeline.arrays import read_npz

VERSION = "1"
OURS = "relaionet-statistics-1"
WANTED = ("mu", "sigma", "mu_s", "sigma_s", "format", "n", "digest", "made_with", "about_keys", "about_values")
# Inception's 2048 pooled and 2023 spatial features in float64, with room for twice as many of one kind
LIMITS = replace(NUMBERS, max_bytes=160 << 20)

NEGATIVE_FRAC = 1e-4
"""How far below 0 an eigenvalue may be, as a part of the largest: what float32 makes of a true 0."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and covariance of one set of features.

    Attributes:
        mean: [D] float64.
        covariance: [D, D] float64.
        n: images; 0 where a stranger's file does not say.
        digest: of what they were made from; a stranger's file has that of its bytes.
        made_with: digest (12 digits) of protocol and models; empty where not known.
        about: what people should know: protocol, split, extractor.
    """

    mean: np.ndarray
    covariance: np.ndarray
    n: int
    digest: str
    made_with: str
    about: Mapping[str, str]

    def gaussian(self) -> Gaussian:
        """The form the Fréchet distance takes; directions of no spread are left out."""
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > max(values[-1], 0) * 1e-12
        return Gaussian(self.mean, (vectors[:, kept] * np.sqrt(values[kept])).T, self.n)


def make_statistics(images: FeatureSet, name: str, array: str = "") -> Statistics:
    """Statistics of a set of images.

    Args:
        images: as `extract_set` gives it.
        name: of the split.
        array: extra metric whose features are meant (`sFID`); empty takes the protocol's own.
    """
    features = images.extras[array] if array else images.features
    fitted = fit_gaussian(features)
    about = {"split": name, "protocol": images.protocol.name, "array": array or images.protocol.fd_name}
    made_with = images.made_with.get(array, images.made_with[""])
    digest = digest_of("statistics", VERSION, images.digest, array)
    return Statistics(fitted.mean, fitted.factor.T @ fitted.factor, fitted.n, digest, made_with, about)


def write_statistics(folder: Path, one: Statistics) -> Path:
    """Write statistics under the name of their content, so that two splits of one name never share a file.

    Args:
        folder: where such files are kept.
        one: what is written.

    Returns:
        `<folder>/<protocol>-<array>-<first 16 digits of the digest>.npz`; a file that is there already is left alone.
    """
    label = "-".join(one.about.get(key, "") for key in ("protocol", "array")).strip("-") or "statistics"
    path = folder / f"{label.lower().replace(' ', '-')}-{one.digest[:16]}.npz"
    if not path.is_file():
        _write_npz(path, {
            "format": np.array(OURS), "mu": one.mean, "sigma": one.covariance, "n": np.array(one.n),
            "digest": np.array(one.digest), "made_with": np.array(one.made_with),
            "about_keys": np.array(list(one.about)), "about_values": np.array(list(one.about.values())),
        })  # fmt: skip
    return path


def export_statistics(path: Path, one: Statistics, spatial: Statistics | None = None) -> None:
    """Write the npz that ADM's evaluator and clean-fid read: `mu` and `sigma`, for ADM `mu_s` and `sigma_s` too.

    Args:
        path: file to write; clean-fid looks for `<name>_clean_custom_na.npz` in its `stats` folder.
        one: statistics of pooled features.
        spatial: of spatial features (sFID).
    """
    arrays = {"mu": one.mean, "sigma": one.covariance}
    if spatial is not None:
        arrays |= {"mu_s": spatial.mean, "sigma_s": spatial.covariance}
    _write_npz(path, arrays)


def read_statistics(path: Path, array: str = "") -> Statistics:
    """Read statistics of ours, of ADM (`mu`, `sigma`, `mu_s`, `sigma_s`) or of clean-fid (`mu`, `sigma`).

    Args:
        path: an npz; nothing in it is unpickled.
        array: `sFID` takes the spatial part of an ADM file.

    Raises:
        BadInput: the file is not there, too large or no such npz, or mean and covariance are no pair.
        Corrupt: a value is not finite, or the covariance is none.
    """
    found = _read_npz(path)
    names = ("mu_s", "sigma_s") if array == "sFID" and "format" not in found else ("mu", "sigma")
    if any(name not in found for name in names):
        raise BadInput(f"{path} holds {', '.join(sorted(found)) or 'nothing'}; expected {names[0]} and {names[1]}.")
    if any(found[name].dtype.kind not in "fiu" for name in names):
        raise BadInput(f"{path}: {names[0]} and {names[1]} are no numbers.")
    mean, covariance = (np.asarray(found[name], dtype=np.float64) for name in names)
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise BadInput(f"{path}: mean {list(mean.shape)} and covariance {list(covariance.shape)} are no pair.")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise Corrupt(f"{path} holds a value that is not finite.")
    if not np.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * max(float(np.abs(covariance).max()), 1e-30)):
        raise Corrupt(f"{path}: the covariance is not symmetric.")
    covariance = (covariance + covariance.T) / 2
    values = np.linalg.eigvalsh(covariance)
    if values[0] < -NEGATIVE_FRAC * np.abs(values).max():
        raise Corrupt(f"{path}: the covariance is none: it has a variance of {values[0]:.3g}, which is below 0.")
    if str(found.get("format", "")) != OURS:
        about = {"file": path.name, "array": array or "pooled features"}
        return Statistics(mean, covariance, 0, file_sha256(path), "", about)
    try:
        about = dict(zip(map(str, found["about_keys"]), map(str, found["about_values"]), strict=True))
        return Statistics(mean, covariance, int(found["n"]), str(found["digest"]), str(found["made_with"]), about)
    except (LookupError, ValueError, TypeError, OverflowError):
        raise Corrupt(f"{path} does not say how many images it was made of, or of which; make it again.") from None


def check_statistics(one: Statistics, name: str, protocol: Protocol, made_with: str = "", dim: int = 0) -> None:
    """Refuse statistics that are not of the features a protocol compares.

    A stranger's file (ADM's, clean-fid's) says nothing of its features but their number, so that they are those of the
    protocol is the user's to know.

    Args:
        one: from `read_statistics`.
        name: by which a recipe calls them.
        protocol: whose distance is taken to them.
        made_with: digest of protocol and models of the features; empty where no model is loaded yet.
        dim: length of the features; 0 where that is not known yet.

    Raises:
        BadInput: they are of another protocol, other features, another model, or another number of dimensions.
    """
    where = f"references.{name}"
    theirs = {key: one.about.get(key) for key in ("protocol", "array")}
    ours = {"protocol": protocol.name, "array": protocol.fd_name}
    if (one.made_with or theirs["protocol"]) and theirs != ours:
        told = ", ".join(f"{key} {value}" for key, value in one.about.items()) or "what they do not say"
        raise BadInput(
            f"{where} are statistics of {told}; expected {ours['array']} under protocol {ours['protocol']}: take those "
            "an evaluation under this protocol kept in its folder `statistics`."
        )
    if dim and len(one.mean) != dim:
        raise BadInput(f"{where} have {len(one.mean):,} dimensions; {protocol.fd_name} compares {dim:,}.")
    if one.made_with and made_with:
        check_made_alike([one.made_with, made_with], f"{where} and the features of this evaluation")


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    write_atomic(path, file.getbuffer())


def _read_npz(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(f"{path} does not exist.")
    try:
        return dict(read_npz(path, WANTED, LIMITS))
    except (OSError, Refused) as error:
        raise BadInput(f"{path} is no npz of statistics: {error}.") from None
