"""Rows with several addresses: which are asked, and which answer counts."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.manifest_check import adopted_id, url_id
from relaionet.manifests.release.release import Release, make_release, read_release
from relaionet.manifests.tables import MANIFEST, SPLIT, check_table
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.splits.build import NO_ADDRESS, build_split, read_split
from relaionet.pipeline.splits.plan import SplitConfig, plan_split
from tests.unit.pipeline.conftest import FaultServer, picture

HOST = "http://pictures.invalid"
OUTCOMES = ("exact", "same_picture", "changed", "gone", "down")
POOR = ("changed", "gone", "down")
ORDER = ("exact", "same_picture", "changed", "gone", "down")


def row_of(number: int, data: bytes, **more: object) -> dict[str, object]:
    label, url = read_labels()[number % 7 * 11], f"{HOST}/{number}-0.jpg"
    with Image.open(io.BytesIO(data)) as image:
        seen = {"phash": phash_hex(image), "thumbprint": thumbprint_hex(image)}
    return dict.fromkeys(MANIFEST.columns) | seen | {
        "candidate_id": url_id(url), "url": url, "wnid": label.wnid, "class_index": label.class_index,
        "class_name": label.name, "format": "jpeg", "image_sha256": hashlib.sha256(data).hexdigest(),
        "bytes_count": len(data), "width_px": 96, "height_px": 64, "votes_count": 1, "yes_count": 1,
        "selection_frac": 1.0,
    } | more  # fmt: skip


def release_of(rows: list[dict[str, object]], folder: Path) -> Release:
    return read_release(make_release(pl.DataFrame(rows, schema=MANIFEST.schema), folder, notes={}))


def serve(server: FaultServer, name: str, number: int, outcome: str, turn: int) -> None:
    if outcome == "down":
        server.codes[name] = 503
    elif outcome != "gone":
        made = {"exact": picture(number), "same_picture": picture(number, quality=40 + turn)}
        server.files[name] = made.get(outcome) or picture(10_000 + 10 * number + turn)


def expected_of(outcomes: tuple[str, ...]) -> tuple[int, int]:
    """How many addresses are asked, and whose answer counts."""
    asked = next((turn + 1 for turn, one in enumerate(outcomes) if one not in POOR), len(outcomes))
    ranks = ["gone" if one == "down" else one for one in outcomes[:asked]]
    return asked, min(range(asked), key=lambda turn: (ORDER.index(ranks[turn]), turn))


@dataclass(frozen=True)
class Web:
    server: FaultServer
    release: Release
    cases: dict[str, tuple[int, tuple[str, ...]]]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """Every combination of what three addresses of a row may give."""
    server, rows, cases = FaultServer(), [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number, outcomes in enumerate(product(OUTCOMES, repeat=3)):
        for turn, outcome in enumerate(outcomes):
            serve(server, f"/{number}-{turn}.jpg", number, outcome, turn)
        others = [f"{HOST}/{number}-{turn}.jpg" for turn in (1, 2)]
        rows.append(row_of(number, picture(number), other_urls=others))
        cases[rows[-1]["candidate_id"]] = (number, outcomes)
    yield Web(server, release_of(rows, tmp_path / "release"), cases)
    server.shutdown()
    server.server_close()


def check_rows(web: Web, out: Path, table: pl.DataFrame) -> None:
    check_table(table, SPLIT)
    assert table["candidate_id"].equals(web.release.manifest["candidate_id"])
    for row in table.iter_rows(named=True):
        number, outcomes = web.cases[row["candidate_id"]]
        asked, turn = expected_of(outcomes)
        status = "gone" if outcomes[turn] == "down" else outcomes[turn]
        name = f"/{number}-{turn}.jpg"
        assert row["status"] == status, outcomes
        assert row["archived_at"] is None
        if status == "gone":
            assert (row["fetched_from"], row["path"], row["aside_path"]) == (None, None, None)
            assert row["may_come_back"] == ("down" in outcomes[:asked]), outcomes
        else:
            assert row["fetched_from"] == (f"{HOST}{name}" if turn else None), outcomes
            assert (out / (row["path"] or row["aside_path"])).read_bytes() == web.server.files[name], outcomes
        assert ("another address" in (row["reason"] or "")) == (status in ("changed", "gone")), outcomes


def test_addresses_are_asked_in_order_until_a_picture_passes_and_the_best_answer_counts(
    web: Web, tmp_path: Path
) -> None:
    download, out = DownloadConfig(proxy=web.server.url, retries=0, host_failures=10_000), tmp_path / "split"
    table = build_split(web.release, SplitConfig(rows_per_shard=70), out, download)
    check_rows(web, out, table)
    asked = {number: expected_of(outcomes)[0] for number, outcomes in web.cases.values()}
    wanted = {f"/{number}-{turn}.jpg": 1 for number, count in asked.items() for turn in range(count)}
    assert web.server.asked == wanted
    web.server.asked.clear()
    assert build_split(web.release, SplitConfig(), out, download).equals(table)
    assert build_split(web.release, SplitConfig(policy="exact"), out, download)["status"].equals(table["status"])
    assert build_split(web.release, SplitConfig(), out, download).equals(table)
    check_rows(web, out, table)
    kept, told = read_split(out)
    assert kept.height == told["kept_count"] == table["status"].is_in(["exact", "same_picture"]).sum()

    # files that are lost come from the address they came from; nothing else is asked
    lost = table.filter(pl.col("fetched_from").is_not_null() & pl.col("kept")).head(5)
    for path in lost["path"]:
        (out / path).unlink()
    assert build_split(web.release, SplitConfig(), out, download).equals(table)
    assert set(web.server.asked) == {address.removeprefix(HOST) for address in lost["fetched_from"]}


def test_a_retry_asks_once_more_only_where_nothing_came(web: Web, tmp_path: Path) -> None:
    download, out = DownloadConfig(proxy=web.server.url, retries=0, host_failures=10_000), tmp_path / "split"
    build_split(web.release, SplitConfig(), out, download)
    passing = {
        f"/{number}-{turn}.jpg"
        for number, outcomes in web.cases.values()
        if outcomes[expected_of(outcomes)[1]] in POOR
        for turn in range(3)
        if outcomes[turn] == "down"
    }
    web.server.asked.clear()
    again = build_split(web.release, SplitConfig(), out, download, retry="passing")
    check_rows(web, out, again)
    assert set(web.server.asked) == passing
    assert set(web.server.asked.values()) == {1}

    for name in passing:  # every server that was down has the picture now
        del web.server.codes[name]
        web.server.files[name] = picture(int(name[1:].partition("-")[0]))
    web.server.asked.clear()
    back = build_split(web.release, SplitConfig(), out, download, retry="passing")
    for row in back.iter_rows(named=True):
        number, outcomes = web.cases[row["candidate_id"]]
        if outcomes[expected_of(outcomes)[1]] in POOR:
            first = next((turn for turn in range(3) if outcomes[turn] == "down"), None)
            assert (row["status"] == "exact") == (first is not None)
            assert row["fetched_from"] == (f"{HOST}/{number}-{first}.jpg" if first else None) or first is None
    assert set(web.server.asked.values()) == {1}
    kinds = [attempt["kind"] for attempt in json.loads((out / "split.json").read_text())["attempts"]]
    assert kinds[:2] == ["first", "other"]
    assert set(kinds[2:]) == {"retry"}


def test_a_run_that_stopped_between_two_addresses_goes_on_with_the_second(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relaionet.pipeline.splits.attempts import Attempts

    download, config = DownloadConfig(proxy=web.server.url, retries=0, host_failures=10_000), SplitConfig()
    whole = build_split(web.release, config, tmp_path / "whole", download)
    asked, fetch = dict(web.server.asked), Attempts.fetch
    for stop in ("fetch", "compare"):
        out, calls = tmp_path / stop, []

        def stopping(self: Attempts, chunk, *more: object, stop=stop, calls=calls) -> None:
            if calls and stop == "fetch":
                raise KeyboardInterrupt
            calls.append(chunk)
            fetch(self, chunk, *more)
            if stop == "compare":
                raise KeyboardInterrupt

        web.server.asked.clear()
        for _ in range(2):
            monkeypatch.setattr(Attempts, "fetch", stopping)
            with pytest.raises(KeyboardInterrupt):
                build_split(web.release, config, out, download)
            calls.clear()
        monkeypatch.setattr(Attempts, "fetch", fetch)
        assert build_split(web.release, config, out, download).equals(whole)
        assert web.server.asked == asked


def test_adopted_rows_come_from_the_web_where_an_address_is_known_else_from_a_folder(tmp_path: Path) -> None:
    server, rows = FaultServer(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in range(8):
        data, path = picture(number), f"a/{number}.jpg"
        found = adopted_id(hashlib.sha256(data).hexdigest(), path)
        row = row_of(number, data, path=path, candidate_id=found)
        rows.append(row | ({"url": None} if number < 4 else {}))
        server.files[f"/{number}-0.jpg"] = data
    release, out = release_of(rows, tmp_path / "release"), tmp_path / "split"
    download = DownloadConfig(proxy=server.url)
    table = build_split(release, SplitConfig(), out, download)
    assert table.group_by("status").len().sort("status").rows() == [("exact", 4), ("gone", 4)]
    assert set(table.filter(status="gone")["reason"]) == {NO_ADDRESS}
    assert plan_split(release, SplitConfig(), out).table is not None  # nothing is left to ask the web
    for number in range(8):
        place = tmp_path / "set" / f"{number}.jpg"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(picture(number))
    server.asked.clear()
    assert plan_split(release, SplitConfig(), out, images=tmp_path / "set").count("first") == 4
    whole = build_split(release, SplitConfig(), out, download, images=tmp_path / "set")
    assert whole["status"].to_list() == ["exact"] * 8
    assert not server.asked
    (out / whole.filter(candidate_id=rows[0]["candidate_id"])["path"][0]).unlink()
    again = build_split(release, SplitConfig(), out, download)  # its file is lost, and the web has no address of it
    assert again["kept"].sum() == 7
    assert read_split(out).rows.height == 7
    assert build_split(release, SplitConfig(), out, download, images=tmp_path / "set").equals(whole)
    server.shutdown()
    server.server_close()
