"""Statistics of features as files: ours by content, ADM's and clean-fid's there and back, strangers' refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relaionet.evaluators.features.statistics import (
    export_statistics,
    make_statistics,
    read_statistics,
    write_statistics,
)
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.manifests.errors import BadInput, Corrupt
from tests.unit.evaluators.scoring.test_score import make_set


def test_ours_are_named_by_content_and_come_back_equal(tmp_path: Path) -> None:
    one, other = make_statistics(make_set(seed=1), "s"), make_statistics(make_set(seed=2), "s")
    path = write_statistics(tmp_path, one)
    assert write_statistics(tmp_path, one) == path != write_statistics(tmp_path, other)
    again = read_statistics(path)
    np.testing.assert_array_equal(again.covariance, one.covariance)
    assert (again.n, again.digest, again.made_with, again.about) == (one.n, one.digest, one.made_with, one.about)
    features = make_set(seed=1).features.astype(np.float64)
    np.testing.assert_allclose(one.covariance, np.cov(features, rowvar=False), rtol=1e-10, atol=1e-12)


def test_the_distance_to_exported_statistics_is_the_distance_to_the_set(tmp_path: Path) -> None:
    samples, reference = make_set(seed=1, shift=0.3), make_set(seed=2)
    export_statistics(tmp_path / "adm.npz", make_statistics(reference, "s"))
    found = measure_set(samples, reference, others={"adm": read_statistics(tmp_path / "adm.npz").gaussian()}).estimates
    assert found["FD to adm"].value == pytest.approx(found["FD"].value, rel=1e-9)


def test_adm_files_hold_pooled_and_spatial_statistics(tmp_path: Path) -> None:
    pooled, spatial = make_statistics(make_set(seed=1), "s"), make_statistics(make_set(seed=2), "s")
    path = tmp_path / "VIRTUAL.npz"
    export_statistics(path, pooled, spatial)
    with np.load(path) as stored:
        assert sorted(stored.files) == ["mu", "mu_s", "sigma", "sigma_s"]
        assert stored["sigma"].shape == (16, 16)
    np.testing.assert_array_equal(read_statistics(path, "sFID").mean, spatial.mean)
    np.testing.assert_array_equal(read_statistics(path).mean, pooled.mean)


def test_what_is_no_pair_of_mean_and_covariance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    eye = np.eye(3)
    for arrays, error, message in (
        ({"mu": np.zeros(4), "sigma": eye}, BadInput, "no pair"),
        ({"mean": np.zeros(3)}, BadInput, "expected mu and sigma"),
        ({"mu": np.zeros(3), "sigma": eye * np.nan}, Corrupt, "not finite"),
        ({"mu": np.zeros(3), "sigma": eye + np.triu(np.ones((3, 3)), 1)}, Corrupt, "not symmetric"),
        ({"mu": np.array([{}]), "sigma": eye}, BadInput, "no npz"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(error, match=message):
            read_statistics(path)
    path.write_bytes(b"PK")
    with pytest.raises(BadInput, match="no npz"):
        read_statistics(path)
    with pytest.raises(BadInput, match="does not exist"):
        read_statistics(tmp_path / "b.npz")


def test_statistics_of_other_features_are_no_reference(tmp_path: Path) -> None:
    one = make_statistics(make_set(seed=1), "s")
    shorter = replace(one, mean=one.mean[:8], covariance=one.covariance[:8, :8])
    with pytest.raises(BadInput, match="16 and 8 dimensions"):
        measure_set(make_set(seed=1), make_set(seed=2), others={"x": shorter.gaussian()})
