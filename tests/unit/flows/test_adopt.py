"""The flow `adopt`, through the command line: a release comes out, the same again; stopped runs continue."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.flows import adopt as flow
from relaionet.flows.cli.main import main
from relaionet.manifests.release.release import check_release
from relaionet.manifests.tables.adoption import ADOPTED
from relaionet.pipeline.adoption.adopt import AdoptConfig


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (16, 16), (seed * 37 % 256, seed * 91 % 256, 90))
    image.putpixel((seed % 16, 5), (255, 255, 255))
    image.save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(9):
        draw(tmp_path / "set" / ("tench" if number % 2 else "goldfish") / f"{number}.png", number)
    (tmp_path / "set" / "tench" / "broken.jpg").write_bytes(b"<html>")
    return tmp_path / "set"


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["adopt", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def test_a_set_becomes_a_release_and_the_same_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "releases"
    shown = run(source, "--name", "drawn", "--out", out, "--licence", "ours", "--cite", "Us 2026")
    assert "2 folders named by class name" in shown
    assert "10 = 9 ok + 1 broken; 2 classes" in " ".join(shown.split())
    release = check_release(out / "drawn-v1")
    assert release.manifest["path"].null_count() == 0
    assert release.manifest["votes_count"].sum() == 0
    assert release.info.notes == {
        "adopted": {"kind": "names", "layout": "2 folders named by class name"}, "licence": "ours", "cite": "Us 2026",
    }  # fmt: skip
    card = (out / "drawn-v1" / "README.md").read_text()
    for words in ("LAION's metadata", "proofread"):
        assert words not in card
    for words in ("--images FOLDER", "stated by whoever made this release: ours", "; Us 2026"):
        assert words in card
    report = pl.read_parquet(out / "drawn-v1.adopted.parquet")
    assert report.schema == ADOPTED.schema
    assert report.filter(pl.col("status") == "broken")["path"].to_list() == ["tench/broken.jpg"]
    run(source, "--name", "drawn", "--out", out, "--licence", "ours", "--cite", "Us 2026")
    moved = source.rename(tmp_path / "elsewhere")
    run(moved, "--name", "drawn", "--out", tmp_path / "other", "--licence", "ours", "--cite", "Us 2026")
    assert check_release(tmp_path / "other").info.digest == release.info.digest
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "drawn-v1",
        "drawn-v1.adopted.parquet",
    ]


def test_a_stopped_run_reads_nothing_twice(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = flow.read_pictures

    def stops_at_the_third(folder, paths, limits, progress=None):
        if len(read) == 4:
            raise KeyboardInterrupt
        read.extend(paths)
        return original(folder, paths, limits, progress)

    monkeypatch.setattr(flow, "read_pictures", stops_at_the_third)
    config = AdoptConfig(name="drawn", rows_per_shard=2)
    with pytest.raises(KeyboardInterrupt):
        flow.run_adopt(source, tmp_path / "out", config)
    assert not list((tmp_path / "out").glob("drawn*"))
    first, read[:] = list(read), []
    monkeypatch.setattr(flow, "read_pictures", lambda *given: (read.extend(given[1]), original(*given))[1])
    path = flow.run_adopt(source, tmp_path / "out", config)
    assert not set(first) & set(read)
    assert len(first) + len(read) == 10
    read.clear()
    assert flow.run_adopt(source, tmp_path / "out", config) == path
    assert read == []
    draw(source / "goldfish" / "0.png", 77)
    assert flow.run_adopt(source, tmp_path / "out", config).name == "drawn-v2"
    assert len(read) == 2


def test_unclear_folders_write_a_mapping_file_to_fill_in(source: Path, tmp_path: Path) -> None:
    (source / "tench").rename(source / "crane")
    out = tmp_path / "out"
    shown = run(source, "--name", "drawn", "--out", out, code=2)
    assert "'crane' fits 2 classes: n02012849 crane bird" in shown
    assert "--mapping" in shown
    assert [path.name for path in out.iterdir()] == ["drawn-mapping.csv"]
    file = out / "drawn-mapping.csv"
    file.write_text(file.read_text().replace("\ncrane,", "\ncrane,n03126707"))
    shown = run(source, "--name", "drawn", "--out", out, "--mapping", file)
    assert "crane: construction crane (n03126707)" in shown
    release = check_release(out / "drawn-v1")
    assert set(release.manifest["wnid"]) == {"n01443537", "n03126707"}
    assert release.info.notes["adopted"]["mapping"] == {"crane": "n03126707"}


def test_nothing_to_adopt_is_said(tmp_path: Path) -> None:
    (tmp_path / "set" / "tench").mkdir(parents=True)
    (tmp_path / "set" / "tench" / "a.jpg").write_bytes(b"no")
    assert "no picture of it can be adopted" in run(tmp_path / "set", "--name", "a", "--out", tmp_path / "out", code=2)
    assert "is no folder" in run(tmp_path / "none", "--name", "a", "--out", tmp_path / "out", code=2)
    assert "lower-case letters" in run(tmp_path / "set", "--name", "A b", "--out", tmp_path / "out", code=2)


def test_the_release_is_rebuilt_from_a_copy_and_read_as_a_split(source: Path, tmp_path: Path) -> None:
    from relaionet.pipeline.downloads.fetch import DownloadConfig
    from relaionet.pipeline.splits.build import carry_out, read_split
    from relaionet.pipeline.splits.plan import SplitConfig, plan_split

    run(source, "--name", "drawn", "--out", tmp_path / "out")
    copy = tmp_path / "copy"
    copy.mkdir()
    for number, path in enumerate(sorted(source.rglob("*.png"))):
        (copy / f"{number}").write_bytes(path.read_bytes())
    release = check_release(tmp_path / "out")
    carry_out(plan_split(release, SplitConfig(), tmp_path / "split", images=copy), DownloadConfig())
    rows, info = read_split(tmp_path / "split")
    assert rows.height == 9
    assert info["verdicts"]["exact"] == 9
    assert set(rows["wnid"]) == {"n01440764", "n01443537"}
