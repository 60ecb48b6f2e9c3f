"""What the face calls flows with: paths of any kind, and what it refuses itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import relaionet as rn


def test_report_says_what_it_needs(made: Path) -> None:
    for folders in ((), (made / "evaluation", made / "evaluation")):
        with pytest.raises(rn.BadInput, match="out=FOLDER where there are several"):
            rn.report(*folders)
    with pytest.raises(rn.BadInput, match="no finished evaluation"):
        rn.report(made / "split")


def test_a_title_and_a_folder_of_its_own(made: Path, tmp_path: Path) -> None:
    path = rn.report(str(made / "evaluation"), out=tmp_path / "page", title="Two generators & more")
    assert path == tmp_path / "page" / "report.html"
    assert "Two generators &amp; more" in path.read_text(encoding="utf-8")
    assert list((tmp_path / "page" / "tables").glob("*.csv"))


def test_a_recipe_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    for run in (rn.curate, rn.evaluate):
        with pytest.raises(rn.BadInput):
            run(tmp_path / "none.toml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rebuild_from_a_folder_of_images(made: Path, tmp_path: Path) -> None:
    split = rn.rebuild(made / "release", tmp_path / "split", images=made / "split" / "images", policy="exact")
    assert isinstance(split, rn.Split)
    assert split.about["policy"] == "exact"
    assert 0 < len(split) <= 18
    assert set(split.all_rows.filter("kept")["status"]) == {"exact"}


def test_a_release_is_read_from_its_folder_or_that_of_its_versions(made: Path) -> None:
    one = rn.load_release(made / "release")
    assert rn.load_release(str(one.path)).info.digest == one.info.digest
    assert one.manifest.height == one.info.rows_count
    with pytest.raises(rn.BadInput):
        rn.load_release(made / "evaluation")


def test_generators_by_name() -> None:
    generator = rn.load_generator("miniature-noise", device="cpu")
    assert isinstance(generator, rn.Generator)
    with pytest.raises(rn.BadInput, match="miniature-noise"):
        rn.load_generator("miniature-nois")
