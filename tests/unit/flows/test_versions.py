"""What was withdrawn stays out of everything; a core is what was alive whenever somebody looked."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.adopt import run_adopt
from relaionet.flows.checking import CheckConfig, draw_sample, estimate_alive, run_check
from relaionet.flows.export import run_export
from relaionet.flows.rebuild import run_rebuild
from relaionet.flows.rebuilding import RebuildOrder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.versions import Withdrawal, list_withdrawals, make_version, run_core, run_withdraw
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.release.release import Release, check_release, make_release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import CHECKED, SPLIT, WITHDRAWN
from relaionet.manifests.tables.adoption import ADOPTED
from relaionet.pipeline.addresses.withdrawals import address_key, find_withdrawn
from relaionet.pipeline.adoption.adopt import AdoptConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from tests.unit.pipeline.conftest import FaultServer, picture
from tests.unit.pipeline.splits.test_addresses import HOST, row_of

QUIET = Reporter(Console(file=io.StringIO(), width=200))
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[FaultServer, Path]]:
    """Twelve rows, all alive; the last has a second address on another host."""
    server, rows = FaultServer(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in range(12):
        others = ["http://img.shop.example/copy.jpg"] if number == 11 else None
        rows.append(row_of(number, picture(number), other_urls=others))
        server.files[f"/{number}-0.jpg"] = picture(number)
    rows = pl.DataFrame(rows, schema_overrides={"other_urls": pl.List(pl.String)})
    evidence = tell_evidence("seen", rows.select("candidate_id", "width_px"))
    release = make_release(rows, tmp_path / "releases", notes={}, evidence=evidence)
    yield server, release
    server.shutdown()
    server.server_close()


def test_addresses_are_the_same_however_they_are_spelled() -> None:
    same = ["http://Photos.Example/a.jpg", "https://photos.example:443/a.jpg#x", "http://photos.example./a.jpg"]
    assert {address_key(url) for url in same} == {"photos.example/a.jpg"}
    assert address_key("http://photos.example:8080/a.jpg") != address_key(same[0])
    rows = pl.DataFrame(
        {
            "candidate_id": ["0" * 64, "1" * 64, "2" * 64, "3" * 64, "4" * 64],
            "url": [*same[:2], "http://notphotos.example/a", "http://x.photos.example/b", None],
            "other_urls": [None, None, ["http://y.photos.example/c"], None, None],
        },
        schema_overrides={"other_urls": pl.List(pl.String)},
    )
    by_url = list_withdrawals([Withdrawal("url", ["http://photos.example/a.jpg"])], "no")
    assert find_withdrawn(rows, by_url).is_not_null().to_list() == [True, True, False, False, False]
    by_host = list_withdrawals([Withdrawal("host", ["Photos.Example."])], None)
    assert find_withdrawn(rows, by_host).to_list() == [f"withdrawn since {TODAY}"] * 4 + [None]
    assert find_withdrawn(rows, None).null_count() == 5
    with pytest.raises(BadInput):
        list_withdrawals([Withdrawal("image_sha256", ["abc"])], None)


class Withdrawn(NamedTuple):
    """A release of twelve rows, the next version without four of them, and which these are."""

    first: Path
    second: Path
    ids: dict[int, str]
    out: set[str]


OUT = (1, 2, 3, 11)  # by URL, by bytes, by id, and by the host of a second address


@pytest.fixture
def withdrawn(web: tuple[FaultServer, Path]) -> Withdrawn:
    _, release = web
    rows = read_release(release).manifest
    by = {f"{HOST}/{number}-0.jpg": number for number in range(12)}
    ids = {by[url]: candidate_id for candidate_id, url in rows.select("candidate_id", "url").iter_rows()}
    hashes = {by[url]: sha256 for sha256, url in rows.select("image_sha256", "url").iter_rows()}
    wanted = [
        Withdrawal("url", ["https://pictures.invalid/1-0.jpg"]), Withdrawal("image_sha256", [hashes[2].upper()]),
        Withdrawal("candidate_id", [ids[3]]), Withdrawal("host", ["shop.example"]),
    ]  # fmt: skip
    second = run_withdraw(release, wanted, why="asked by the owner", reporter=QUIET)
    assert run_withdraw(second, wanted, why="asked by the owner", reporter=QUIET) == second  # nothing new: no version
    return Withdrawn(release, second, ids, {ids[number] for number in OUT})


def test_the_next_version_is_without_them(withdrawn: Withdrawn) -> None:
    made = check_release(withdrawn.second)
    assert (withdrawn.second.name, made.manifest.height) == ("relaionet-v2", 8)
    assert made.withdrawn is not None
    assert made.withdrawn.height == 4
    assert not set(made.manifest["candidate_id"]) & withdrawn.out
    assert made.evidence is not None
    assert not set(made.evidence["candidate_id"]) & withdrawn.out


def test_a_split_of_the_older_version_obeys_the_newer_beside_it(
    web: tuple[FaultServer, Path], withdrawn: Withdrawn, tmp_path: Path
) -> None:
    server, split = web[0], tmp_path / "split"
    download, apart = DownloadConfig(proxy=server.url), tmp_path / "apart" / withdrawn.first.name
    shutil.copytree(withdrawn.first, apart)
    assert run_rebuild(apart, split, download=download, reporter=QUIET)["kept_count"] == 12
    server.asked.clear()
    told = run_rebuild(withdrawn.first, split, download=download, reporter=QUIET)
    assert told["verdicts"] == {"exact": 8, "same_picture": 0, "changed": 0, "gone": 0, "withdrawn": 4}
    assert not server.asked
    gone = Store(split).read(SPLIT).filter(status="withdrawn")
    assert set(gone["candidate_id"]) == withdrawn.out
    assert set(gone["reason"]) == {f"withdrawn since {TODAY}: asked by the owner"}
    files = {path.stem for path in (split / "images").glob("n*/*")} | {path.stem for path in split.glob("aside/*/*")}
    assert not files & withdrawn.out
    assert len(files) == 8
    assert sum(row["kept_count"] for row in told["classes"].values()) == 8
    # without the newer version beside it, the split remembers, and another is told
    assert run_rebuild(apart, split, download=download, reporter=QUIET)["kept_count"] == 8
    other = tmp_path / "other"
    assert run_rebuild(apart, other, download=download, withdrawn=withdrawn.second, reporter=QUIET)["kept_count"] == 8


def test_what_is_withdrawn_is_never_asked_for(
    web: tuple[FaultServer, Path], withdrawn: Withdrawn, tmp_path: Path
) -> None:
    server, download = web[0], DownloadConfig(proxy=web[0].url)
    run_rebuild(withdrawn.first, tmp_path / "new", download=download, reporter=QUIET)
    run_rebuild(withdrawn.first, tmp_path / "new", download=download, retry="all", reporter=QUIET)
    assert set(server.asked) == {f"/{number}-0.jpg" for number in range(12) if number not in OUT}


def test_whoever_makes_the_next_version_leaves_them_out(withdrawn: Withdrawn, tmp_path: Path) -> None:
    rows = read_release(withdrawn.first).manifest
    third = make_version(rows, withdrawn.second.parent, notes={"made": "anew"})
    assert third.name == "relaionet-v3"
    assert check_release(third).manifest.height == 8
    more = tmp_path / "more.csv"
    more.write_text(f"kind,value,why\ncandidate_id,{withdrawn.ids[5]},by mail\nhost,pictures.invalid.example,\n")
    fourth = check_release(run_withdraw(withdrawn.second.parent, [], listed=more, reporter=QUIET))
    assert (fourth.info.version, fourth.manifest.height) == (4, 7)
    assert fourth.withdrawn is not None
    assert fourth.withdrawn.height == 6


def test_an_export_obeys_a_list_and_takes_the_pictures_out_of_the_split(
    web: tuple[FaultServer, Path], tmp_path: Path
) -> None:
    server, release = web
    split = tmp_path / "split"
    run_rebuild(release, split, download=DownloadConfig(proxy=server.url), reporter=QUIET)
    listed = tmp_path / "list.csv"
    listed.write_text("kind,value\nurl,http://pictures.invalid/4-0.jpg\n")
    server.asked.clear()
    run_export(split, tmp_path / "out", format="parquet", withdrawn=listed, reporter=QUIET)
    assert read_json(tmp_path / "out" / "export.json")["rows_count"] == 11
    assert Store(split).read(SPLIT).filter(status="withdrawn").height == 1
    assert len(list((split / "images").glob("n*/*"))) == 11
    assert not server.asked


def test_adopting_leaves_out_what_was_withdrawn(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "n01443537"
    folder.mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    first = run_adopt(tmp_path / "set", tmp_path / "releases", AdoptConfig(name="mine"), reporter=QUIET)
    row = read_release(first).manifest.row(0, named=True)
    run_withdraw(first, [Withdrawal("image_sha256", [row["image_sha256"]])], why="private", reporter=QUIET)
    (folder / "5.jpg").write_bytes(picture(5))
    third = run_adopt(tmp_path / "set", tmp_path / "releases", AdoptConfig(name="mine"), reporter=QUIET)
    made = check_release(third)
    assert (made.info.version, made.manifest.height) == (3, 4)
    assert row["candidate_id"] not in set(made.manifest["candidate_id"])
    assert made.withdrawn is not None
    adopted = pl.read_parquet(third.with_name(f"{third.name}.adopted.parquet"))
    assert adopted.columns == list(ADOPTED.columns)
    assert adopted.filter(status="withdrawn").select("path", "reason").rows() == [
        (row["path"], f"withdrawn since {TODAY}: private")
    ]


def order_of(release: Path, out: Path, server: FaultServer) -> RebuildOrder:
    return RebuildOrder(release=release, out=out, download=DownloadConfig(proxy=server.url, retries=0))


def test_a_check_says_the_share_alive_and_keeps_no_picture(web: tuple[FaultServer, Path], tmp_path: Path) -> None:
    server, release = web
    for number in (0, 3, 6):
        del server.files[f"/{number}-0.jpg"]
    server.files["/7-0.jpg"] = picture(7, quality=40)
    server.files["/8-0.jpg"] = picture(800)
    told = run_check(order_of(release, tmp_path / "all", server), CheckConfig(count=50), QUIET)
    assert (told["sample_count"], told["alive_count"], told["rows_count"]) == (12, 8, 12)
    assert told["low"] == told["alive_frac"] == told["high"] == 8 / 12
    assert told["verdicts"] == {"changed": 1, "exact": 7, "gone": 3, "same_picture": 1}
    rows = Store(tmp_path / "all").read(CHECKED)
    assert rows["is_alive"].sum() == 8
    assert {path.name for path in (tmp_path / "all").iterdir() if not path.name.startswith(".lock")} >= {"check.json"}
    assert not [path for path in (tmp_path / "all").rglob("*") if path.suffix in (".jpeg", ".jpg")]
    server.asked.clear()
    assert run_check(order_of(release, tmp_path / "all", server), CheckConfig(count=50), QUIET) == told
    assert not server.asked
    part = run_check(order_of(release, tmp_path / "part", server), CheckConfig(count=5, seed=3), QUIET)
    assert server.asked.total() == part["sample_count"] == 5
    assert part["low"] <= 8 / 12 <= part["high"]
    with pytest.raises(BadInput, match="another release, size or seed"):
        run_check(order_of(release, tmp_path / "part", server), CheckConfig(count=6, seed=3), QUIET)


def test_the_interval_of_a_check_holds_the_truth_as_often_as_it_says(tmp_path: Path) -> None:
    import numpy as np

    draws, rows_count = np.random.default_rng(3), 2000
    for share, count in ((0.5, 100), (0.85, 200), (0.97, 500), (0.99, 50), (0.3, 1500)):
        alive = round(share * rows_count)
        found = draws.hypergeometric(alive, rows_count - alive, count, size=4000)
        ends = {seen: estimate_alive(seen, count, rows_count) for seen in set(found.tolist())}
        held = np.mean([ends[seen][1] <= share <= ends[seen][2] for seen in found.tolist()])
        assert held > 0.945, (share, count, held)  # at least 0.95, as far as 4,000 draws tell
        for seen, (middle, low, high) in ends.items():
            assert low <= middle <= high
            assert low * rows_count >= seen - 1e-6
            assert (1 - high) * rows_count >= count - seen - 1e-6
    assert estimate_alive(0, 0, 10) == (0, 0, 1)


def test_a_sample_is_the_same_in_a_later_version(web: tuple[FaultServer, Path]) -> None:
    _, release = web
    first: Release = read_release(release)
    drawn = draw_sample(first, CheckConfig(count=6))
    second = run_withdraw(release, [Withdrawal("candidate_id", [drawn["candidate_id"][0]])], reporter=QUIET)
    again = draw_sample(read_release(second), CheckConfig(count=6))
    assert set(drawn["candidate_id"][1:]) < set(again["candidate_id"])
    assert set(draw_sample(first, CheckConfig(count=6, seed=1))["candidate_id"]) != set(drawn["candidate_id"])


def test_a_core_is_what_was_alive_at_every_look(web: tuple[FaultServer, Path], tmp_path: Path) -> None:
    server, release = web
    run_rebuild(release, tmp_path / "may", download=DownloadConfig(proxy=server.url, retries=0), reporter=QUIET)
    del server.files["/2-0.jpg"]
    run_check(order_of(release, tmp_path / "august", server), CheckConfig(count=8), QUIET)
    server.files["/5-0.jpg"] = picture(555)
    run_rebuild(release, tmp_path / "now", download=DownloadConfig(proxy=server.url, retries=0), reporter=QUIET)
    path = run_core(release, [tmp_path / "may", tmp_path / "august", tmp_path / "now"], reporter=QUIET)
    made = check_release(path)
    dead = {f"{HOST}/2-0.jpg", f"{HOST}/5-0.jpg"}
    assert {url: url not in dead for url in made.manifest["url"]} == dict(made.manifest.select("url", "is_core").rows())
    assert len(made.info.notes["core"]) == 3
    assert run_core(path, [tmp_path / "may", tmp_path / "august", tmp_path / "now"], reporter=QUIET) == path

    once = check_release(run_core(release, [tmp_path / "may", tmp_path / "august"], reporter=QUIET)).manifest
    sampled = set(Store(tmp_path / "august").read(CHECKED)["candidate_id"])
    for row in once.iter_rows(named=True):
        expected = row["url"] != f"{HOST}/2-0.jpg" if row["candidate_id"] in sampled else None
        assert row["is_core"] == expected
    with pytest.raises(BadInput, match="two rebuilds or checks"):
        run_core(release, [tmp_path / "may", tmp_path / "may"], reporter=QUIET)
    with pytest.raises(BadInput, match="neither a finished split nor a check"):
        run_core(release, [tmp_path / "may", tmp_path], reporter=QUIET)


def test_pictures_of_a_folder_say_nothing_about_the_web(web: tuple[FaultServer, Path], tmp_path: Path) -> None:
    server, release = web
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    run_rebuild(release, tmp_path / "local", images=folder, reporter=QUIET)
    run_rebuild(release, tmp_path / "web", download=DownloadConfig(proxy=server.url), reporter=QUIET)
    made = check_release(run_core(release, [tmp_path / "local", tmp_path / "web"], reporter=QUIET))
    assert made.manifest["is_core"].null_count() == 12


def test_lists_of_strangers_are_checked(tmp_path: Path) -> None:
    from relaionet.manifests.release.withdrawals import read_withdrawals

    wrong = tmp_path / "wrong.csv"
    for text in ("kind,value\nurl,ftp://a\n", "kind,value\nperson,x\n", "value\nx\n", "kind,value\nhost,a b\n", ""):
        wrong.write_text(text)
        with pytest.raises(BadInput):
            read_withdrawals(wrong)
    with pytest.raises(BadInput, match="does not exist"):
        read_withdrawals(tmp_path / "none")
    WITHDRAWN.empty().write_parquet(tmp_path / "empty.parquet")
    assert read_withdrawals(tmp_path / "empty.parquet").is_empty()
