"""`relaionet adopt hf://datasets/…`, through the offline Hub, on the layouts of the real repositories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.manifests.release.release import Release, check_release
from tests.fakes.hub import sets
from tests.fakes.hub.server import Hub, serve_hub
from tests.fakes.hub.sets import WNIDS
from tests.fakes.published import make_published

# each adoption starts a process that loads `datasets`
pytestmark = pytest.mark.slow


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub that this process and those it starts use."""
    with serve_hub() as served:
        for name, value in served.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        served.use_here(monkeypatch, tmp_path / "home")
        yield served


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["adopt", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def adopt(out: Path, repo: str, *more: object) -> Release:
    """Adopt a repository whole; the release is checked."""
    run(f"hf://datasets/{repo}", "--name", "set", "--out", out, *more)
    return check_release(out)


def labels_of(release: Release) -> dict[str, str]:
    return dict(release.manifest.select("path", "wnid").sort("path").iter_rows())


def fetched(hub: Hub, ending: str) -> int:
    return sum(count for asked, count in hub.asked.items() if asked.startswith("GET") and asked.endswith(ending))


def test_a_split_of_parquet_files_is_adopted_by_the_names_of_its_labels(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "ILSVRC/imagenet-1k", sets.make_imagenet(tmp_path / "repo"))
    shown = run("hf://datasets/ILSVRC/imagenet-1k", "--name", "set", "--out", tmp_path / "out", code=2)
    assert "several splits; name one of them with --split" in shown
    release = adopt(tmp_path / "out", "ILSVRC/imagenet-1k", "--split", "validation")
    first, second = (f"data/validation-{number:05d}-of-00002.parquet" for number in (0, 1))
    assert labels_of(release) == {
        f"{first}/0": WNIDS[134], f"{first}/1": WNIDS[517], f"{first}/2": WNIDS[3], f"{first}/3": WNIDS[999],
        f"{second}/0": WNIDS[0], f"{second}/1": WNIDS[7], f"{second}/2": WNIDS[8],
    }  # fmt: skip
    source = release.info.notes["adopted"]["source"]
    assert source.startswith("hf://datasets/ILSVRC/imagenet-1k@")
    # the same files from a folder are the same rows
    run(tmp_path / "repo", "--name", "folder", "--out", tmp_path / "other", "--split", "validation")
    folder = check_release(tmp_path / "other")
    assert folder.manifest.equals(release.manifest)


LAYOUTS: list[tuple[str, Callable[[Path], Path], list[str], list[str]]] = [
    ("imagenet-r", sets.make_imagenet_r, [], [WNIDS[1], WNIDS[134], WNIDS[2]]),
    ("imagenet-a", sets.make_imagenet_a, [], [WNIDS[0], WNIDS[35], WNIDS[995]]),
    ("image-folder", sets.make_image_folder, [], [WNIDS[11], WNIDS[12]]),
    ("path-lines", sets.make_path_lines, [], [WNIDS[21]]),
    ("webdataset", sets.make_webdataset, ["--kind", "rows"], []),
]


@pytest.mark.parametrize(("name", "make", "more", "expected"), LAYOUTS, ids=[one[0] for one in LAYOUTS])
def test_layouts(
    hub: Hub, tmp_path: Path, name: str, make: Callable[[Path], Path], more: list[str], expected: list[str]
) -> None:
    hub.add("datasets", f"them/{name}", make(tmp_path / "repo"))
    if not expected:
        shown = run(f"hf://datasets/them/{name}", "--name", "set", "--out", tmp_path / "out", *more, code=2)
        assert "have no names" in shown
        return
    release = adopt(tmp_path / "out", f"them/{name}", *more)
    assert sorted(release.manifest["wnid"]) == sorted(expected)


def test_several_labels_a_row(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "them/hard", sets.make_imagenet_hard(tmp_path / "repo"))
    rows = adopt(tmp_path / "out", "them/hard").manifest.sort("path")
    assert rows["wnid"].to_list() == [WNIDS[134], WNIDS[517], WNIDS[999]]
    assert rows["wnids"].to_list() == [None, [WNIDS[3], WNIDS[517]], [WNIDS[0], WNIDS[7], WNIDS[999]]]


def test_labels_that_are_no_classes_are_asked_about_and_read_once(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "them/objectnet", sets.make_objectnet(tmp_path / "repo"))
    arguments = ("hf://datasets/them/objectnet", "--name", "set", "--out", tmp_path / "out")
    shown = run(*arguments, code=2)
    assert "'0' (Air freshener) fits no class" in shown
    assert "'2' (Cardigan) fits 2 classes" in shown
    file = tmp_path / "out" / "set-mapping.csv"
    lines = [line.replace("0,", "0,skip").replace("2,", f"2,{WNIDS[474]}") if line[0] in "02" else line
             for line in file.read_text().splitlines()]  # fmt: skip
    file.write_text("\n".join(lines))
    hub.asked.clear()
    run(*arguments, "--mapping", file)
    assert sorted(check_release(tmp_path / "out").manifest["wnid"]) == sorted([WNIDS[474], WNIDS[954], WNIDS[879]])


def test_real_labels_over_the_validation_set(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "ILSVRC/imagenet-1k", sets.make_imagenet(tmp_path / "repo"))
    lists: list[list[int]] = [[index] for index in [0] * 50_000]
    lists[:4] = [[517, 134], [3], [], [1, 999]]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    more = ("--split", "validation", "--real", tmp_path / "real.json")
    release = adopt(tmp_path / "out", "ILSVRC/imagenet-1k", *more)
    first = "data/validation-00000-of-00002.parquet"
    rows = {row["path"]: row for row in release.manifest.iter_rows(named=True)}
    assert (rows[f"{first}/0"]["wnid"], rows[f"{first}/0"]["wnids"]) == (WNIDS[134], [WNIDS[134], WNIDS[517]])
    assert (rows[f"{first}/1"]["wnid"], rows[f"{first}/1"]["wnids"]) == (WNIDS[3], None)
    assert f"{first}/2" not in rows
    assert rows[f"{first}/3"]["wnids"] == [WNIDS[1], WNIDS[999]]
    report = pl.read_parquet(tmp_path / "out" / "set-v1.adopted.parquet").filter(pl.col("path") == f"{first}/2")
    assert report["reason"].to_list() == ["ReaL's raters saw none of the classes in it"]


def test_gated_sets_are_refused_in_words_and_go_on_with_a_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("datasets", "ILSVRC/imagenet-1k", sets.make_imagenet(tmp_path / "repo"), gated=True)
    arguments = (
        "hf://datasets/ILSVRC/imagenet-1k",
        "--name",
        "set",
        "--out",
        tmp_path / "out",
        "--split",
        "validation",
    )
    assert "is gated: accept its terms on the Hub and set HF_TOKEN" in run(*arguments, code=2)
    monkeypatch.setenv("HF_TOKEN", hub.reader_token)
    assert "is gated" in run(*arguments, code=2)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    run(*arguments)
    assert check_release(tmp_path / "out").manifest.height == 7


def test_archives_are_unpacked_and_the_one_that_is_meant_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.add("datasets", "vaishaal/ImageNetV2", sets.make_imagenet_v2(tmp_path / "repo"))
    shown = run("hf://datasets/vaishaal/ImageNetV2", "--name", "set", "--out", tmp_path / "out", code=2)
    assert "2 archives; name one of them with --split: imagenetv2-matched-frequency.tar.gz" in shown
    release = adopt(tmp_path / "out", "vaishaal/ImageNetV2", "--split", "matched")
    assert release.manifest["class_index"].to_list() == list(range(1000))
    assert labels_of(release)["517/517.jpeg"] == WNIDS[517]


def test_the_published_set_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    truth = make_published(tmp_path / "repo", 1, classes=[*range(0, 1000, 50), 134, 517])
    hub.add("datasets", "harvardairobotics/reLAIONet", tmp_path / "repo")
    shown = run("hf://datasets/harvardairobotics/reLAIONet", "--name", "relaionet-published", "--out", tmp_path / "out")
    assert "the published reLAIONet" in shown
    report = pl.read_parquet(tmp_path / "out" / "relaionet-published-v1.adopted.parquet")
    there = truth.filter(~pl.col("path").str.contains("/.", literal=True))  # the Hub's stand-in takes no hidden files
    rows = report.join(there.with_columns(path=pl.col("path").str.split("/").list.slice(1).list.join("/")), on="path")
    assert rows.height == there.height == report.filter(~pl.col("path").str.starts_with(".")).height
    single = rows.filter(pl.col("could_be_right").is_null())
    assert single.filter(pl.col("wnid").ne_missing(pl.col("wnid_right"))).is_empty()
