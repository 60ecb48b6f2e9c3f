"""An export format is declared once: in a module of this project, or by another package."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, file_sha256
from relaionet.pipeline.exports import registry
from relaionet.pipeline.exports.registry import export_formats_table, format_names, get_format, list_formats
from relaionet.pipeline.splits.build import read_split
from relaionet.pipeline.splits.export import ExportConfig, export_split
from tests.fakes.hub.splits import make_split
from tests.toy_package.install import toy_installed


def test_built_in_formats_are_found_by_their_modules() -> None:
    assert [format.name for format in list_formats()] == ["imagefolder", "webdataset", "parquet"]
    assert format_names() == ["imagefolder", "webdataset", "parquet", "hf"]
    assert get_format("hf") is get_format("parquet")
    with pytest.raises(BadInput, match=r"export format 'webdatasets' is not known\. Did you mean 'webdataset'"):
        get_format("webdatasets")


def test_digests_spell_the_settings_as_ever() -> None:
    config = ExportConfig(format="hf", positions="stripped")
    assert digest_of(config.spelled()) == digest_of(
        {"form": "parquet", "shard_bytes": 268435456, "positions": "stripped"}
    )


@pytest.mark.parametrize("flag", ["--form", "--format"])
def test_both_flags_name_the_format(flag: str, tmp_path: Path) -> None:
    split = make_split(tmp_path, 3)[1]
    done = CliRunner().invoke(main, ["export", str(split), flag, "hf", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "export.json").read_text())["form"] == "parquet"
    wrong = CliRunner().invoke(main, ["export", str(split), flag, "tar", "--out", str(tmp_path / "out")])
    assert "'tar' is not one of 'imagefolder', 'webdataset', 'parquet', 'hf'" in wrong.output


def test_a_package_declares_a_format_and_nothing_else_is_changed(tmp_path: Path) -> None:
    import mlcroissant

    split = make_split(tmp_path, 5)[1]
    out = tmp_path / "out"
    with toy_installed(tmp_path):
        told = " ".join(CliRunner().invoke(main, ["export", "--help"]).output.split())
        assert "[imagefolder|webdataset|parquet|csv_list|hf|csv]" in told
        assert "csv_list or csv: pictures and one CSV that lists them" in told
        table = export_formats_table()
        assert "| `csv_list` (or `csv`) | pictures and one CSV that lists them." in table
        done = CliRunner().invoke(main, ["export", str(split), "--format", "csv", "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert ExportConfig(format="csv").shard_bytes == 5 * 2**20
        again = export_split(split, ExportConfig(format="csv_list"), out)
    info = json.loads((out / "export.json").read_text())
    assert again == info
    assert (info["form"], info["rows_count"]) == ("csv_list", 4)
    rows = pl.read_csv(out / "list.csv")
    assert rows["candidate_id"].to_list() == read_split(split)[0]["candidate_id"].to_list()
    assert all(file_sha256(out / row["file"]) == row["stored_sha256"] for row in rows.iter_rows(named=True))
    card = (out / "README.md").read_text()
    assert 'polars.read_csv("<this folder>/list.csv")' in card
    assert '    - "list.csv"' in card
    dataset = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert [row["images/label"] for row in dataset.records("images")] == rows["label"].to_list()
    with pytest.raises(BadInput, match="'csv_list' is not known"):
        ExportConfig(format="csv_list")
    assert "csv_list" not in export_formats_table()


def test_two_formats_cannot_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    other = replace(get_format("parquet"), name="mine", aliases=("hf",))
    try:
        for declared, message in (({"mine": other}, "takes the name 'hf'"), ({"yours": other}, "another name, 'mine'")):
            monkeypatch.setattr(registry, "find_declared", lambda *_, declared=declared: declared)
            registry._list_formats.cache_clear()
            with pytest.raises(BadInput, match=message):
                list_formats()
    finally:
        registry._list_formats.cache_clear()
