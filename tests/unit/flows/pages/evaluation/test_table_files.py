"""Leaderboards as files: what is written is what was scored, and names from strangers stay names."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import polars as pl
import pytest

from relaionet.flows.pages.evaluation.leaderboard import Board, make_leaderboard
from relaionet.flows.pages.evaluation.table_files import FORMS, choose_columns, format_board, write_tables
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, shape_table

STRANGE = "a|b & 50% $x_1$ {y} \\input{z} #1 ~ ^ <b>`c`</b>"


@pytest.fixture
def scores() -> pl.DataFrame:
    rows = [
        (name, "a split", "paper", 4, 1.5, 8.0, metric, value, low, low and value + 1, 50, "m", "d")
        for name, fid in ((STRANGE, 3.25), ("plain", 2.0))
        for metric, value, low in (("FID", fid, fid - 1), ("IS", 7.0, None), ("FID to mine", -1.5, -2.0))
    ]
    return shape_table(pl.DataFrame(rows, schema=list(SCORES.columns), orient="row"), SCORES)


@pytest.fixture
def board(scores: pl.DataFrame) -> Board:
    return make_leaderboard(scores, {})


def test_csv_holds_every_number_in_full(board: Board, scores: pl.DataFrame) -> None:
    read = pl.read_csv(io.StringIO(format_board(board, scores, "csv")))
    assert read["generator"].to_list() == ["plain", STRANGE]  # best first
    for row in scores.iter_rows(named=True):
        line = read.filter(generator=row["generator"])
        assert line[row["metric"]].item() == row["value"]
        assert line[f"{row['metric']} low"].item() == row["low"]
        assert line[f"{row['metric']} high"].item() == row["high"]


def test_json_says_direction_and_what_numbers_were_made_with(board: Board, scores: pl.DataFrame) -> None:
    read = json.loads(format_board(board, scores, "json"))
    assert read["better"] == {"FID": "lower", "IS": "higher", "FID to mine": "lower"}
    assert (read["split"], read["protocol"]) == ("a split", "paper")
    assert len(read["scores"]) == scores.height
    assert {row["made_with"] for row in read["scores"]} == {"d"}


def test_markdown_has_one_cell_for_each_column(board: Board, scores: pl.DataFrame) -> None:
    text = format_board(board, scores, "markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert {len(line) for line in cells} == {5 + 3 + 1}
    assert "**2.00** (1.00 to 3.00)" in text
    assert r"\<b\>" in text
    assert "50 images a set" in text


def test_latex_is_balanced_and_passes_nothing_through(board: Board, scores: pl.DataFrame) -> None:
    text = format_board(board, scores, "latex")
    bare = re.sub(r"\\[{}&%$#_\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert "\\input" not in text
    rows = [line for line in text.splitlines() if line.endswith(r" \\") and "toprule" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {8}
    assert r"\textbf{2.00}" in text
    for sign in "↓↑≈−–":
        assert sign not in text


def test_columns_can_be_chosen(board: Board, scores: pl.DataFrame) -> None:
    few = choose_columns(board, ["IS", "FID"])
    assert few.metrics == ["IS", "FID"]
    assert [cell and cell.text for cell in few.rows[0].cells] == ["7.00", "2.00"]
    assert {row["metric"] for row in json.loads(format_board(few, scores, "json"))["scores"]} == {"IS", "FID"}
    with pytest.raises(BadInput, match=r"'FIT' was not scored .* Did you mean 'FID'"):
        choose_columns(board, ["FIT"])
    with pytest.raises(BadInput, match="no form of a table"):
        format_board(board, scores, "html")


def test_files_are_named_after_split_and_protocol(tmp_path: Path, board: Board, scores: pl.DataFrame) -> None:
    parts = {"class_scores": CLASS_SCORES.empty(), "differences": DIFFERENCES.empty()}
    paths = write_tables(tmp_path / "tables", board, scores, **parts)
    names = {path.name for path in paths}
    endings = {f"a-split-paper.{ending}" for ending, _ in FORMS.values()}
    assert names == endings | {"a-split-paper-classes.csv", "a-split-paper-differences.csv"}
    before = {path: path.read_bytes() for path in paths}
    write_tables(tmp_path / "tables", board, scores, **parts)
    assert {path: path.read_bytes() for path in paths} == before
    strange = make_leaderboard(scores.with_columns(split=pl.lit("../../x")), {})
    for path in write_tables(tmp_path / "tables", strange, scores, **parts):
        assert path.resolve().parent == (tmp_path / "tables").resolve()
