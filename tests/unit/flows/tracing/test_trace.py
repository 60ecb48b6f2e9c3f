"""A row is traced from a release, a split or an evaluation that stands by itself, with nothing around it."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.flows.tracing.places import Place, find_places
from relaionet.flows.tracing.trace import resolve_id, trace_row
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import read_release
from tests.unit.flows.tracing.places import METRIC, make_evaluation, make_split, make_told_release

EVIDENCE = {"leak": {"reference_near": "val:n/0.jpg"}, "proposals": {"label_score": 0.5, "calibration": "c" * 16}}


def alone(folder: Path, tmp_path: Path) -> Place:
    """The place copied elsewhere, all that was beside it gone."""
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    for path in list(tmp_path.iterdir()):
        if path.name != "elsewhere":
            shutil.rmtree(path)
    (place,) = find_places(tmp_path / "elsewhere")
    return place


def first_id(release: Path) -> str:
    return str(read_release(release).manifest["candidate_id"][0])


@pytest.mark.parametrize("kind", ["release", "split", "evaluation"])
def test_each_place_alone_tells_the_evidence(kind: str, tmp_path: Path) -> None:
    release = make_told_release(tmp_path / "releases")
    row = first_id(release)
    split = make_split(tmp_path / "split", release)
    evaluation = make_evaluation(tmp_path / "evaluation", split)
    place = alone({"release": release, "split": split, "evaluation": evaluation}[kind], tmp_path)
    assert resolve_id(place, row[:12]) == row
    steps = trace_row(place, row)
    told = {step.table: step.values for step in steps}
    assert {name: told[name] for name in EVIDENCE} == EVIDENCE
    assert "url" in told["manifest"]
    assert ("split" in told) == (kind != "release")
    assert ("sample" in told) == (kind == "evaluation")


def test_an_evaluation_goes_on_to_every_sample_and_its_scores(tmp_path: Path) -> None:
    release = make_told_release(tmp_path / "releases")
    evaluation = make_evaluation(tmp_path / "evaluation", make_split(tmp_path / "split", release), per_row=3)
    (place,) = find_places(evaluation)
    steps = trace_row(place, first_id(release))
    samples = [step.values for step in steps if step.table == "sample"]
    assert [one["seed"] for one in samples] == [0, 1, 2]
    assert [one.get(METRIC) for one in samples] == [29.0, 31.0, None]
    assert samples[2]["reason"] == "out of memory"
    assert {(one["steps"], one["guidance"], one["nfe"]) for one in samples} == {(4, 1.0, 4)}
    [scores] = [step.values for step in steps if step.table == "scores"]
    assert scores[METRIC] == "30 [29, 31]"


def test_an_evaluation_that_keeps_no_rows_asks_the_split_it_names(tmp_path: Path) -> None:
    release = make_told_release(tmp_path / "releases")
    split = make_split(tmp_path / "split", release)
    evaluation = make_evaluation(tmp_path / "evaluation", split, keeps=False)
    (place,) = find_places(evaluation)
    assert "leak" in {step.table for step in trace_row(place, first_id(release))}
    shutil.rmtree(split)
    (place,) = find_places(evaluation)
    assert {step.table for step in trace_row(place, first_id(release))} == {"sample", "scores"}


def test_a_split_of_an_older_version_keeps_no_release_and_is_traced(tmp_path: Path) -> None:
    release = make_told_release(tmp_path / "releases")
    split = make_split(tmp_path / "split", release, keeps=False)
    (tmp_path / "something-else").mkdir()
    assert [place.folder for place in find_places(split)] == [split]
    assert split in [place.folder for place in find_places(tmp_path)]
    assert find_places(tmp_path / "something-else") == []
    (place,) = find_places(split)
    gone = read_release(release).manifest["candidate_id"][1]
    (step,) = trace_row(place, gone)
    assert (step.table, step.values["reason"]) == ("split", "gone: HTTP 404 Not Found")


def test_a_row_is_found_by_id_start_address_or_a_further_address(tmp_path: Path) -> None:
    further = pl.Series([["http://mirror.example/1.jpg"], None, None], dtype=pl.List(pl.String))
    release = make_told_release(tmp_path, other_urls=further)
    manifest = read_release(release).manifest
    (place,) = find_places(release)
    row, url = manifest["candidate_id"][0], manifest["url"][0]
    asked = (row, row[:8], row[:8].upper(), url, "http://mirror.example/1.jpg", "0" * 8, "http://nowhere.example/")
    assert [resolve_id(place, one) for one in asked] == [row] * 5 + [None] * 2
    with pytest.raises(BadInput, match="too short"):
        resolve_id(place, row[:5])


def test_the_page_shows_the_pictures_and_no_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = make_told_release(tmp_path / "releases")
    evaluation = make_evaluation(tmp_path / "evaluation", make_split(tmp_path / "split", release), per_row=2)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        main, ["trace", first_id(release), "--run", str(evaluation), "--open", "--page", str(page)]
    )
    assert done.exit_code == 0, done.output
    assert opened == [page.as_uri()]
    text = page.read_text()
    assert text.count("<img ") == 1  # the other sample failed, the split's picture was never there
    assert "out of memory" in text
    assert "val:n/0.jpg" in text
    assert str(tmp_path) not in text


def test_hostile_evidence_moves_nothing(tmp_path: Path) -> None:
    release = make_told_release(tmp_path / "releases")
    read = read_release(release)
    assert read.evidence is not None
    bad = read.evidence.with_columns(value=pl.lit('"\\u001b[2J<script>alert(1)</script>"'))
    from relaionet.manifests.release.release import make_release

    told = make_release(read.manifest, tmp_path / "bad", notes={}, evidence=bad)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["trace", first_id(told), "--run", str(told), "--page", str(page)])
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "<script>alert" not in page.read_text()
