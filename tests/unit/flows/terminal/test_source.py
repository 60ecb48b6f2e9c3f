"""`relaionet source`: a source looked at before a run is begun."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.curate import source
from relaionet.flows.terminal.source import preview_source
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.stream import read_candidates

CAPTIONS = ["a goldfish", "tench and goldfish", "a crane", "nothing\x1b[31m", None]


def make_table(path: Path, url: str = "URL") -> Path:
    rows = {url: [f"http://a.example/{n}" for n in range(5)], "TEXT": CAPTIONS}
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_the_first_rows_are_shown_with_what_they_would_become(tmp_path: Path) -> None:
    preview = preview_source([str(make_table(tmp_path / "t.parquet"))], CandidatesConfig(), 4)
    lines = [line.strip() for line in preview.describe()]
    assert lines == [
        "1 file, LAION-2B schema, 5 rows (not stated: sizes, punsafe, pwatermark)",
        "columns: caption = TEXT, url = URL",
        "first 4 rows:",
        "2   50.0%  ok",
        '"a goldfish" -> goldfish (n01443537)',
        '"a crane" -> perhaps crane bird (n02012849), construction crane (n03126707)',
        "1   25.0%  two_labels: the caption names two or more classes",
        '"tench and goldfish" -> tench (n01440764), goldfish (n01443537)',
        "1   25.0%  bad_text: the caption holds control characters",
        '"nothing\N{REPLACEMENT CHARACTER}[31m"',
    ]


def test_of_rows_without_a_usable_address_the_address_is_shown(tmp_path: Path) -> None:
    urls = ["javascript:alert(1)", None]
    pl.DataFrame({"URL": urls, "TEXT": ["a goldfish"] * 2}).write_parquet(tmp_path / "t.parquet")
    lines = [line.strip() for line in preview_source([str(tmp_path)], CandidatesConfig(), 9).describe()]
    assert '"javascript:alert(1)"' in lines
    assert "no url" in lines
    assert not any("goldfish" in line for line in lines)


@pytest.mark.parametrize("rows_count", [1, 4, 5, 6, 9, 10, 11])
def test_as_many_rows_as_asked_for_over_files_and_row_groups(tmp_path: Path, rows_count: int) -> None:
    for name in "ab":
        pl.read_parquet(make_table(tmp_path / f"{name}.parquet")).write_parquet(
            tmp_path / f"{name}.parquet", row_group_size=2
        )
    shown = preview_source([str(tmp_path)], CandidatesConfig(rows_per_shard=3), rows_count).rows
    assert shown.equals(read_candidates(tmp_path).head(rows_count))


def test_an_empty_source_and_wrong_options_are_said(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("")
    assert preview_source([str(tmp_path)], CandidatesConfig(), 10).describe() == [
        "1 file, empty schema, 0 rows",
        "no rows",
    ]
    path = make_table(tmp_path / "own.parquet", url="link")
    done = CliRunner().invoke(source, [str(path), "--column", "url=link", "--rows", "2"])
    assert done.exit_code == 0, done.output
    assert "url = link" in done.output
    for wrong in ("link", "=link", "url="):
        done = CliRunner().invoke(source, [str(path), "--column", wrong])
        assert isinstance(done.exception, BadInput)
