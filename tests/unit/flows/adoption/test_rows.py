"""Rows of a dataset through the flow: each measured once, whatever stopped a run; broken ones are said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relaionet.flows.adopt import run_adopt
from relaionet.flows.adoption import rows as flow
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.release.release import check_release
from relaionet.pipeline.adoption.adopt import AdoptConfig
from relaionet.pipeline.adoption.rows.columns import Columns
from relaionet.pipeline.adoption.rows.stream import Row, RowsAbout, RowsSource, UnitEnd
from tests.fakes.hub import sets
from tests.fakes.hub.sets import WNIDS

COUNTS = (7, 4, 3)


class Reader:
    """Stands for the process that reads: three files of rows; it breaks off where it is told to."""

    breaks_after: int | None = None
    given: list[tuple[int, int]] = []  # noqa: RUF012  emptied by each test

    def __init__(self, source: RowsSource) -> None:
        self.source = source

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def describe(self) -> RowsAbout:
        columns = Columns(image="image", image_kind="image", label="wnid", label_kind="text")
        files = tuple(f"{self.source.base}/{number}.parquet" for number in range(len(COUNTS)))
        return RowsAbout(format="parquet", split="test", columns=columns, files=files)

    def stream(self, about: RowsAbout, units: Sequence[tuple[int, int]]) -> Iterator[Row | UnitEnd]:
        for unit, first in units:
            for row in range(first, COUNTS[unit]):
                if self.breaks_after is not None and len(self.given) >= self.breaks_after:
                    raise Unavailable("the Hub does not answer")
                self.given.append((unit, row))
                data = None if (unit, row) == (1, 2) else sets.picture(f"{unit}/{row}")
                why = "longer than 10 bytes" if data is None else None
                yield Row(unit, row, "", (WNIDS[row],), (), data, why)
            yield UnitEnd(unit, COUNTS[unit])


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(flow, "RowsReader", Reader)
    monkeypatch.setattr(Reader, "given", [])
    (tmp_path / "set").mkdir()
    for number in range(len(COUNTS)):
        (tmp_path / "set" / f"{number}.parquet").write_bytes(b"stands for one")
    return tmp_path / "set"


def adopt(source: Path, out: Path, **values: Any) -> pl.DataFrame:
    path = run_adopt(source, out, AdoptConfig(name="set", kind="rows", rows_per_shard=2, **values))
    check_release(path)
    return pl.read_parquet(f"{path}.adopted.parquet")


@pytest.mark.parametrize("breaks_after", range(14))
def test_a_run_that_broke_off_goes_on_behind_what_it_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks_after: int
) -> None:
    whole = adopt(source, tmp_path / "whole")
    Reader.given.clear()
    monkeypatch.setattr(Reader, "breaks_after", breaks_after)
    with pytest.raises(Unavailable):
        adopt(source, tmp_path / "out")
    first = list(Reader.given)
    monkeypatch.setattr(Reader, "breaks_after", None)
    Reader.given.clear()
    assert adopt(source, tmp_path / "out").equals(whole)
    again = set(first) & set(Reader.given)
    assert len(again) <= 2  # those of a part that was not full yet
    assert set(first) | set(Reader.given) == {(unit, row) for unit, count in enumerate(COUNTS) for row in range(count)}
    Reader.given.clear()
    assert adopt(source, tmp_path / "out").equals(whole)
    assert Reader.given == []


def test_a_file_that_changed_is_read_again_alone(source: Path, tmp_path: Path) -> None:
    adopt(source, tmp_path / "out")
    (source / "1.parquet").write_bytes(b"another one")
    Reader.given.clear()
    adopt(source, tmp_path / "out")
    assert {unit for unit, _ in Reader.given} == {1}


def test_every_row_is_one_of_the_report(source: Path, tmp_path: Path) -> None:
    adopted = adopt(source, tmp_path / "out")
    assert adopted["path"].to_list() == sorted(
        f"{u}.parquet/{r}" for u, count in enumerate(COUNTS) for r in range(count)
    )
    broken = adopted.filter(pl.col("status") == "broken").select("path", "reason").rows()
    assert broken == [("1.parquet/2", "longer than 10 bytes")]
    assert adopted.filter(pl.col("status") == "ok").height == sum(COUNTS) - 1


def test_paths_that_cannot_stand_in_a_manifest_are_named_by_their_place() -> None:
    place = RowsSource(place="me/set", revision="a" * 40)
    columns = Columns(image="image", image_kind="image", label=None)
    about = RowsAbout(format="imagefolder", split="train", columns=columns, files=())

    def name(text: str) -> str:
        return flow.name_row(place, about, Row(0, 5, text, (), (), b"", None))

    assert name(f"{place.base}/a/b.jpg") == "a/b.jpg"
    for odd in ("", "b.jpg", f"{place.base}/../b.jpg", f"{place.base}/C:/b.jpg", f"{place.base}/a\nb", "x" * 2000):
        assert name(odd) == "train/5", odd
