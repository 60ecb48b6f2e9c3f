"""What is fetched again when a run is changed, cut otherwise, damaged or retried: no more than must be."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curation.downloads import download_shard, finish_downloads, set_shards_aside
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.tables import CANDIDATES, CHOSEN, DOWNLOADS, Table
from relaionet.pipeline.downloads.fetch import DownloadConfig
from tests.unit.pipeline.conftest import FaultServer, picture, running_server

HOST = "http://pictures.invalid"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with running_server() as server:
        for number in range(6):
            server.files[f"/{number}.jpg"] = picture(number)
        yield server


@pytest.fixture
def recipe(server: FaultServer) -> CurateRecipe:
    return CurateRecipe(source="x", download=DownloadConfig(proxy=server.url, retries=0))


def store(run: Run, table: Table, shard: str, names: list[str]) -> None:
    urls = [f"{HOST}/{name}" for name in names]
    given = {
        "candidate_id": [hashlib.sha256(url.encode()).hexdigest() for url in urls], "url": urls,
        "status": ["ok"] * len(urls),
    }  # fmt: skip
    rows = {name: given.get(name, [None] * len(urls)) for name in table.columns}
    run.store.write(pl.DataFrame(rows, schema=table.schema), table, digest="x", shard=shard)


def fetch(run: Run, recipe: CurateRecipe, names: list[str], shard: str = "0", *, retry: bool = False) -> bool:
    for table in (CANDIDATES, CHOSEN):
        store(run, table, shard, names)
    return download_shard(run, shard, recipe.download, retry, lambda _count: None)


def asked(server: FaultServer) -> dict[str, int]:
    found = {name.strip("/"): count for name, count in server.asked.items()}
    server.asked.clear()
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(root=tmp_path / "run", reporter=Reporter(Console(quiet=True)))


def test_only_new_rows_are_fetched_and_a_lost_file_comes_back(run, recipe, server) -> None:
    assert fetch(run, recipe, ["0.jpg", "none.jpg"])
    assert asked(server) == {"0.jpg": 1, "none.jpg": 1}
    assert not fetch(run, recipe, ["0.jpg", "none.jpg"])
    before = run.store.read(DOWNLOADS, "0")
    assert fetch(run, recipe, ["1.jpg", "0.jpg", "none.jpg"])
    assert asked(server) == {"1.jpg": 1}
    table = run.store.read(DOWNLOADS, "0")
    assert table["status"].to_list() == ["ok", "ok", "gone"]
    assert table[1:].equals(before)
    (run.images / table["path"][0]).unlink()
    assert fetch(run, recipe, ["1.jpg", "0.jpg", "none.jpg"])
    assert asked(server) == {"1.jpg": 1}
    assert (run.images / table["path"][0]).is_file()


def test_a_row_may_leave_come_back_and_stand_in_another_shard(run, recipe, server) -> None:
    fetch(run, recipe, ["0.jpg", "1.jpg"], "0")
    fetch(run, recipe, ["2.jpg", "none.jpg"], "1")
    asked(server)
    # the source is cut otherwise: the first shard gives up a row before the second one asks for it
    fetch(run, recipe, ["0.jpg"], "0")
    fetch(run, recipe, ["1.jpg", "2.jpg", "none.jpg"], "1")
    fetch(run, recipe, ["0.jpg", "1.jpg"], "0")
    set_shards_aside(run, ["0"])
    run.store.keep_only(DOWNLOADS, ["0"])
    fetch(run, recipe, ["0.jpg", "1.jpg", "2.jpg", "none.jpg"], "0")
    assert asked(server) == {}
    assert run.store.read(DOWNLOADS, "0")["status"].to_list() == ["ok", "ok", "ok", "gone"]


def test_a_retry_asks_only_for_what_may_come_back(run, recipe, server) -> None:
    names = ["0.jpg", "none.jpg", "code/503", "flaky/x", "html/x"]
    fetch(run, recipe, names)
    asked(server)
    assert not fetch(run, recipe, names)
    server.asked["/flaky/x"] = 1  # it answers from the second time on
    assert fetch(run, recipe, names, retry=True)
    assert asked(server) == {"code/503": 1, "flaky/x": 2}
    table = run.store.read(DOWNLOADS, "0")
    assert table["status"].to_list() == ["ok", "gone", "gone", "ok", "broken"]
    assert table["may_come_back"].to_list() == [False, False, True, False, False]
    assert table["tries_count"].to_list() == [1, 1, 2, 2, 1]
    assert table["http_code"].to_list() == [200, 404, 503, 200, 200]


def test_other_limits_ask_again_for_failures_only(run, recipe, server) -> None:
    from dataclasses import replace

    small = replace(recipe, download=replace(recipe.download, max_pixels=5_000))
    names = ["0.jpg", "none.jpg"]
    fetch(run, small, names)
    assert run.store.read(DOWNLOADS, "0")["status"].to_list() == ["broken", "gone"]
    asked(server)
    fetch(run, recipe, names)
    assert asked(server) == {"0.jpg": 1, "none.jpg": 1}
    fetch(run, replace(recipe, download=replace(recipe.download, max_bytes=1_000_000)), names)
    assert asked(server) == {"none.jpg": 1}
    fetch(run, small, names)
    assert asked(server)["0.jpg"] == 1
    assert run.store.read(DOWNLOADS, "0")["status"].to_list() == ["broken", "gone"]


def test_a_table_of_another_version_is_fetched_anew(run, recipe, server) -> None:
    fetch(run, recipe, ["0.jpg"])
    asked(server)
    path = run.store.path(DOWNLOADS, "0")
    pl.read_parquet(path).drop("settings").write_parquet(path)
    run.store.forget(DOWNLOADS.name, "0")
    fetch(run, recipe, ["0.jpg"])
    assert asked(server) == {"0.jpg": 1}


def test_reasons_are_said_over_all_shards_with_what_lets_the_rows_through(run: Run) -> None:
    def rows(reasons: list[tuple[str, str | None]]) -> pl.DataFrame:
        given = {
            "candidate_id": [hashlib.sha256(f"{reasons}{place}".encode()).hexdigest() for place in range(len(reasons))],
            "status": [status for status, _ in reasons], "reason": [why for _, why in reasons],
            "may_come_back": [False] * len(reasons),
        }  # fmt: skip
        return pl.DataFrame(
            {name: given.get(name, [None] * len(reasons)) for name in DOWNLOADS.columns}, schema=DOWNLOADS.schema
        )

    private = [("refused", f"10.0.0.{number} is a private address") for number in range(2)]
    run.store.write(rows([("ok", None), *private]), DOWNLOADS, digest="x", shard="0")
    run.store.write(rows([("refused", "nas is a private address"), ("gone", "HTTP 404 Not Found")]), DOWNLOADS,
                    digest="x", shard="1")  # fmt: skip
    told = io.StringIO()
    finish_downloads(Run(root=run.root, reporter=Reporter(Console(file=told, width=200))))
    said = " ".join(told.getvalue().split())
    assert said.startswith(
        "3 refused: the host is a private address ([download] allow_private = true lets them through)"
    )
    assert said.endswith("1 gone: HTTP 404 Not Found")
