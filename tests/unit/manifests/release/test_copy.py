"""A release that is kept beside what was made from it is whole, and follows the release it is a copy of."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.release.copy import copy_release
from relaionet.manifests.release.release import VECTORS_FILE, check_release, make_release, read_release
from tests.unit.manifests.conftest import manifest_rows


def test_a_copy_is_the_release_and_is_made_once(tmp_path: Path) -> None:
    rows = manifest_rows(3)
    evidence = tell_evidence("blur", pl.DataFrame({"candidate_id": rows["candidate_id"], "edge": [0.5, None, 2.0]}))
    release = read_release(make_release(rows, tmp_path / "releases", notes={}, evidence=evidence))
    kept = tmp_path / "split" / "release"
    copy_release(release, kept)
    found = check_release(kept)
    assert found.info == release.info
    assert found.evidence is not None
    assert found.evidence.equals(evidence)
    written = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    copy_release(release, kept)
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == written


def test_another_release_takes_its_place_and_what_is_missing_stops_nothing(tmp_path: Path) -> None:
    first, second = (
        read_release(make_release(manifest_rows(count), tmp_path / "releases", notes={})) for count in (2, 3)
    )
    (second.path / "croissant.json").unlink()
    kept = tmp_path / "kept"
    copy_release(first, kept)
    copy_release(second, kept)
    assert read_release(kept).info.digest == second.info.digest
    assert not (kept / "croissant.json").exists()
    assert not (kept / VECTORS_FILE).exists()
