"""Every format a release was ever written in stays readable; a newer one is refused with words."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.decisions import RELEASED_DECISIONS
from relaionet.manifests.release.diff import diff_releases
from relaionet.manifests.release.info import FORMAT
from relaionet.manifests.release.release import check_release, make_release, read_release
from tests.unit.manifests.conftest import manifest_rows

FROZEN = Path(__file__).parent / "frozen"
SHA256 = {
    "format-0": "2410ef565e86a7e525670c27144bfe794a33e800db9b50affecbdf8ff4827f8f",
    "format-1": "e79f78a37345e631aa156a7a07746c21e669d0f8f7a133ab65c54779866a7fbd",
    "format-2": "ecc7bbaf702b5bc6f6863328f40f7a28bebac06a5227aa5ca90078ddd903da5c",
    "format-3": "eb8355486fb21ffa9420e4bebde03f8f2e9626c00720edbfa26407c31540ce23",
}
DIGESTS = {
    "format-0": "74495cc8a3be4b92bd6ace481cd085caec0f5d195d49f33fe8ec17a6cfcfcd78",
    "format-1": "728366972054c66649c1b67d0de633ee6209253bab81518c1efacfcf2ec5f59d",
    "format-2": "b56303ab631efb6c0bc39f30926a4c827815237ced8922182529e2b49b5f3781",
    "format-3": "2427893ec5538ecbe467be9f0111e6964cd94c2238c7a2cca3b50be0c781dcbe",
}


def change_info(path: Path, **values: object) -> None:
    file = path / "release.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def replace_file(path: Path, name: str, data: bytes) -> None:
    """As a stranger would who wants to be believed: the sha256 is put right too."""
    (path / name).write_bytes(data)
    files = json.loads((path / "release.json").read_text())["files"]
    change_info(path, files=files | {name: hashlib.sha256(data).hexdigest()})


def test_there_is_a_frozen_release_of_every_format() -> None:
    assert sorted(path.name for path in FROZEN.glob("format-*")) == [f"format-{number}" for number in range(FORMAT + 1)]


@pytest.mark.parametrize("name", SHA256)
def test_a_frozen_release_is_read_for_ever(name: str, tmp_path: Path) -> None:
    place = FROZEN / name / "frozen-v1"
    assert hashlib.sha256((place / "manifest.parquet").read_bytes()).hexdigest() == SHA256[name], "never write it again"
    told: list[str] = []
    release = check_release(place, told.append)
    assert len(told) >= 3
    assert release.info.digest == DIGESTS[name]
    assert release.info.format == int(name[-1])
    rows = {row["class_index"]: row for row in release.manifest.iter_rows(named=True)}
    assert rows[0]["url"] == "http://pictures.invalid/0.jpg"
    assert rows[517]["confidence"] == 0.1 + 0.2
    assert rows[999]["caption"] == "tissue \u2028"
    assert rows[999]["fetched_at"].isoformat() == "2025-01-02T03:04:09.004000+00:00"
    assert (release.decisions is None) == (name == "format-0")
    # what fingerprints there are: none says 1, and nothing older than format 2 says otherwise
    assert release.manifest["fingerprint_version"].drop_nulls().to_list() == (
        [2] * (release.manifest.height // 2) if name >= "format-2" else []
    )
    # nothing older than format 3 has several addresses, classes, or anything else beside the manifest
    several = release.manifest.select("other_urls", "wnids", "is_core").null_count().row(0)
    assert several == ((5, 5, 4) if name == "format-3" else (release.manifest.height,) * 3)
    assert (release.evidence is not None, release.withdrawn is not None) == (name == "format-3",) * 2

    # the same content again is the same release, whatever format it was written in
    shutil.copytree(FROZEN / name, tmp_path / "again")
    beside = {"decisions": release.decisions, "evidence": release.evidence, "withdrawn": release.withdrawn}
    path = make_release(release.manifest, tmp_path / "again", name="frozen", notes=release.info.notes, **beside)
    assert path.name == "frozen-v1"
    # anew in today's format, nothing is lost
    anew = make_release(release.manifest, tmp_path / "anew", name="frozen", notes=release.info.notes, **beside)
    assert diff_releases(release, check_release(anew)).is_empty()


def test_a_newer_format_says_what_it_needs(tmp_path: Path) -> None:
    path = make_release(manifest_rows(3), tmp_path, notes={})
    change_info(path, format=FORMAT + 1, needs_relaionet="2.3")
    with pytest.raises(
        BadInput, match=rf"format {FORMAT + 1}; relaionet .* reads formats 0 to {FORMAT}.*relaionet 2.3 or"
    ):
        read_release(path)
    change_info(path, format=99, needs_relaionet="\x1b[2J; rm -rf")
    with pytest.raises(BadInput, match="It needs a newer relaionet"):
        read_release(path)
    for wrong in (-1, True, "1", None, 1.5):
        change_info(path, format=wrong)
        with pytest.raises(Corrupt, match="format is"):
            read_release(path)


def test_columns_of_a_newer_version_are_left_aside_and_said(tmp_path: Path) -> None:
    from relaionet.manifests.release.digest import content_digest

    path = make_release(manifest_rows(4), tmp_path, notes={})
    rows = pl.read_parquet(path / "manifest.parquet").with_columns(
        pl.Series("blur_frac", [0.1, None, 0.3, 0.4]), pl.Series("raw", [b"x"] * 4), hue=pl.lit("a")
    )
    rows.write_parquet(tmp_path / "new.parquet")
    replace_file(path, "manifest.parquet", (tmp_path / "new.parquet").read_bytes())
    change_info(path, digest=content_digest(rows.drop("raw"), "relaionet", {}), another_key={"x": 1})
    release = check_release(path)
    assert release.manifest.equals(manifest_rows(4).sort("class_index", "candidate_id"))
    assert [remark.split("'")[1] for remark in release.remarks] == ["blur_frac", "hue", "raw"]


def test_a_later_column_does_not_change_an_older_digest(tmp_path: Path) -> None:
    from relaionet.manifests.release.digest import content_digest

    rows = manifest_rows(4)
    later = rows.with_columns(pl.lit(None, pl.String).alias("not_yet_thought_of"))
    assert content_digest(rows, "a", {}) == content_digest(later, "a", {})
    assert content_digest(rows, "a", {}) != content_digest(rows, "a", {}, RELEASED_DECISIONS.empty())
