"""The published reLAIONet's whole layout through the command: every file a row, doubles listed and looked at."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows import adopt as flow
from relaionet.flows.cli.main import main
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.beside import read_evidence
from relaionet.manifests.release.release import check_release
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture
from tests.fakes.published import DOUBLES, ROOT, draw, encode, make_published

CRANES = ("n02012849", "n03126707")


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["adopt", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_the_whole_set_is_adopted_in_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 classes of ten pictures and every oddity: 100 % of the files are rows, no single name is wrong."""
    truth = make_published(tmp_path / "set", 10)
    shown = run(tmp_path / "set", "--name", "relaionet-published", "--out", tmp_path / "out")
    path = tmp_path / "out" / "relaionet-published-v1"
    adopted = pl.read_parquet(f"{path}.adopted.parquet").with_columns(path=pl.lit(f"{ROOT}/") + pl.col("path"))
    rows = adopted.join(truth, on="path", how="full", suffix="_true")
    assert rows.height == truth.height == adopted.height > 10_000
    assert adopted.filter((pl.col("status") != "ok") & pl.col("reason").is_null()).is_empty()
    single = rows.filter(pl.col("could_be_true").is_null())
    assert single.filter(pl.col("wnid").ne_missing(pl.col("wnid_true"))).is_empty()
    listed = pl.read_csv(f"{path}.doubles.csv")
    assert sorted(listed["path"]) == sorted(
        truth.filter(pl.col("could_be").is_not_null())["path"].str.strip_prefix(f"{ROOT}/")
    )
    assert set(listed["decided_by"]) == {"mapping"}
    for name in DOUBLES:
        assert f"either      {name}: undecided, taken for" in shown
    release = check_release(path)
    assert release.manifest.height == adopted.filter(pl.col("status") == "ok").height
    monkeypatch.setattr(flow, "read_pictures", None)  # what was read is not read again, for the other rule neither
    shown = run(tmp_path / "set" / ROOT, "--name", "relaionet-published", "--out", tmp_path / "out", "--names", "fbf")
    theirs = check_release(tmp_path / "out" / "relaionet-published-v2")
    assert "by the authors' own rule" in shown
    assert theirs.manifest.height < release.manifest.height
    assert theirs.evidence is None or theirs.evidence.is_empty()


def test_an_encoder_decides_where_it_is_sure(tmp_path: Path) -> None:
    """The miniature's encoder on its own drawings: cranes of either kind in one folder, and pictures of neither."""
    given = []
    for wnid in CLASSES:
        for seed in range(12 if wnid in CRANES else 5):
            file = tmp_path / "drawn" / f"{wnid}-{seed}.png"
            file.parent.mkdir(exist_ok=True)
            draw_picture(wnid, 2**41 + seed, 96).save(file)
            given.append((file, wnid))
    indices = [labels_by_wnid()[wnid].class_index for wnid in CLASSES]
    truth = make_published(tmp_path / "set", 0, pictures=given, classes=indices, has_oddities=False)
    for number in range(4):
        (tmp_path / "set" / ROOT / "images" / "crane" / f"noise{number}.png").write_bytes(
            encode(draw(f"noise{number}", "purple"), ".png")
        )
    arguments = (tmp_path / "set", "--name", "drawn", "--out", tmp_path / "out", "--encoder", "miniature")
    shown = run(*arguments, "--device", "cpu")
    path = tmp_path / "out" / "drawn-v1"
    adopted = pl.read_parquet(f"{path}.adopted.parquet").with_columns(path=pl.lit(f"{ROOT}/") + pl.col("path"))
    rows = adopted.join(truth, on="path", how="left", suffix="_true")
    cranes = rows.filter(pl.col("folder") == "crane")
    decided = cranes.filter(pl.col("decided_by") == "encoder")
    assert decided.filter(pl.col("wnid_true").is_not_null()).height >= 20
    # sure means 0.95 of the drawings of an encoder this small, not all of them
    assert decided.filter(pl.col("wnid") != pl.col("wnid_true")).height <= 2
    assert all(max(given) >= 0.95 for given in decided["probabilities"])
    rest = cranes.filter(pl.col("decided_by") == "mapping")
    assert set(rest["wnid"]) <= {CRANES[1]}
    assert rest.filter(pl.col("probabilities").list.max() >= 0.95).is_empty()
    assert cranes.height == 28
    assert "(by miniature)" in shown
    release = check_release(path)
    assert release.info.notes["adopted"]["encoder"] == "miniature"
    assert release.evidence is not None
    told = read_evidence(release.evidence, str(decided["candidate_id"][0]))["adopt"]
    assert told["could_be"] == list(CRANES)
    assert told["decided_by"] == "encoder"
    assert sum(told["probabilities"]) == pytest.approx(1)
