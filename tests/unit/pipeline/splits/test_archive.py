"""Links that died, asked of an archive: what it holds counts by the verdicts every picture is judged by."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import Release
from relaionet.manifests.tables import SPLIT, check_table
from relaionet.pipeline.downloads.archive import ArchiveConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.attempts import Attempts
from relaionet.pipeline.splits.build import build_split, read_split
from relaionet.pipeline.splits.plan import SplitConfig, plan_split
from tests.fakes.archive import ARCHIVE, ArchivedWeb, Kept, running_archive
from tests.unit.pipeline.conftest import picture
from tests.unit.pipeline.splits.test_addresses import HOST, release_of, row_of

SEEN = datetime(2021, 6, 1, tzinfo=UTC)  # the rows' date
NEAR, LATER, FAR, FARTHER = "20210603120000", "20210801000000", "20230101000000", "20240101000000"
HTML = b"<!DOCTYPE html><html>sold</html>"


def encoded(number: int, quality: int) -> bytes:
    return picture(number, quality=quality)


def mirrored(number: int) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture(number))) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(out, "JPEG")
    return out.getvalue()


def patched(number: int) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture(number))) as image:
        image.paste((255, 0, 0), (10, 10, 50, 40))
        image.save(out, "JPEG", quality=95)
    return out.getvalue()


def other(number: int) -> bytes:
    return picture(50_000 + number)


# name -> snapshots of row n, and the verdict with the snapshot that counts; None where what the web serves counts
CASES = {
    "nothing kept": (lambda n: [], None),
    "exact": (lambda n: [Kept(NEAR, picture(n))], ("exact", NEAR)),
    "re-encoded": (lambda n: [Kept(NEAR, encoded(n, 40))], ("same_picture", NEAR)),
    "another picture": (lambda n: [Kept(NEAR, other(n))], ("changed", NEAR)),
    "mirrored": (lambda n: [Kept(NEAR, mirrored(n))], ("changed", NEAR)),
    "a part replaced": (lambda n: [Kept(NEAR, patched(n))], ("changed", NEAR)),
    "a page": (lambda n: [Kept(NEAR, HTML, kind="image/jpeg")], None),
    "a page that says so": (lambda n: [Kept(NEAR, HTML, kind="text/html")], None),
    "cut off": (lambda n: [Kept(NEAR, picture(n)[:500])], None),
    "a redirect kept": (lambda n: [Kept(NEAR, b"", code="302")], None),
    "changed near, right later": (lambda n: [Kept(NEAR, other(n)), Kept(FAR, picture(n))], ("exact", FAR)),
    "re-encoded near, right later": (
        lambda n: [Kept(NEAR, encoded(n, 50)), Kept(LATER, picture(n))], ("same_picture", NEAR),
    ),
    "right near, changed later": (lambda n: [Kept(LATER, other(n)), Kept(NEAR, picture(n))], ("exact", NEAR)),
    "a page near, right later": (lambda n: [Kept(NEAR, HTML), Kept(LATER, picture(n))], ("exact", LATER)),
    "the same change twice, right last": (
        lambda n: [Kept(NEAR, other(n)), Kept(LATER, other(n)), Kept(FAR, mirrored(n)), Kept(FARTHER, picture(n))],
        ("exact", FARTHER),
    ),
    "right beyond those tried": (
        lambda n: [
            Kept(NEAR, other(n)), Kept(LATER, mirrored(n)), Kept(FAR, patched(n)), Kept(FARTHER, picture(n)),
        ],
        ("changed", NEAR),
    ),
    "before the row's date": (lambda n: [Kept("20200101000000", picture(n))], ("exact", "20200101000000")),
    "forbidden then": (
        lambda n: [Kept(NEAR, picture(n), headers=(("X-Archive-Orig-X-Robots-Tag", "noai"),))], None,
    ),
    "no list": (lambda n: "<html>busy</html>", None),
    "a list of nonsense": (
        lambda n: json.dumps([["timestamp", "original"], ["99999999999999", "file:///etc/passwd"], [1], ["x", "y"]]),
        None,
    ),
}  # fmt: skip


def release_with(web: ArchivedWeb, folder: Path) -> tuple[Release, dict[str, tuple[str, bool]]]:
    """Two rows for every case: one whose address is gone, one that serves another picture now."""
    rows, cases = [], {}
    for number, (name, changed) in enumerate((name, changed) for name in CASES for changed in (False, True)):
        rows.append(row_of(number, picture(number), fetched_at=SEEN))
        address = rows[-1]["url"]
        if changed:
            web.live[address] = picture(90_000 + number)
        kept = CASES[name][0](number)
        if isinstance(kept, str):
            web.lists[address] = kept.encode()
        else:
            web.kept[address] = kept
        cases[rows[-1]["candidate_id"]] = (name, changed)
    return release_of(rows, folder), cases


@pytest.fixture
def web() -> Iterator[ArchivedWeb]:
    with running_archive() as server:
        yield server


FAST = ArchiveConfig(base=ARCHIVE, interval_s=0, retry_wait_s=0.1)


def test_forty_cases_get_the_right_verdict_and_no_changed_picture_is_accepted(web: ArchivedWeb, tmp_path: Path) -> None:
    release, cases = release_with(web, tmp_path / "release")
    download, out = DownloadConfig(proxy=web.url, host_failures=1000), tmp_path / "split"
    plain = build_split(release, SplitConfig(), out, download)
    assert plain.group_by("status").len().sort("status").rows() == [("changed", 20), ("gone", 20)]
    assert not any(name.startswith(("list", "2")) for name in web.asked)
    before = dict(web.asked)

    table = build_split(release, SplitConfig(), out, download, archive=FAST)
    check_table(table, SPLIT)
    assert len(cases) == 40
    right = 0
    for row in table.iter_rows(named=True):
        name, changed = cases[row["candidate_id"]]
        number = release.manifest.row(by_predicate=pl.col("candidate_id") == row["candidate_id"], named=True)["url"]
        expected = CASES[name][1]
        if expected is None or (expected[0] == "changed" and changed):  # of equals the first: what the web serves
            assert row["status"] == ("changed" if changed else "gone"), name
            assert (row["fetched_from"], row["archived_at"]) == (None, None), name
        else:
            assert row["status"] == expected[0], name
            assert row["fetched_from"] == f"{ARCHIVE}/web/{expected[1]}id_/{number}", name
            assert row["archived_at"] == datetime.strptime(expected[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC), name
        assert row["kept"] == (row["status"] in ("exact", "same_picture")), name
        right += 1
    assert right == 40
    for name, count in before.items():  # no address is asked a second time
        assert web.asked[name] == count
    kept = read_split(out).rows
    assert kept.height == sum(1 for _, expected in CASES.values() if expected and expected[0] != "changed") * 2
    assert web.queries[0]["closest"] == ["20210601000000"]

    web.asked.clear()
    failed = plan_split(release, SplitConfig(), out, archive=FAST).archive_questions_count
    assert failed == 2  # the archive gave no list: it is asked again, and nothing else is
    assert build_split(release, SplitConfig(), out, download, archive=FAST).equals(table)
    assert all(name.startswith("list") for name in web.asked)
    assert web.asked.total() == failed
    web.asked.clear()
    assert build_split(release, SplitConfig(), out, download).equals(table)
    assert not web.asked
    exact = build_split(release, SplitConfig(policy="exact"), out, download)
    assert exact["status"].equals(table["status"])
    lost = table.filter(pl.col("archived_at").is_not_null() & pl.col("kept")).row(0, named=True)
    build_split(release, SplitConfig(), out, download)
    (out / lost["path"]).unlink()
    assert build_split(release, SplitConfig(), out, download).equals(table)  # repaired from the very snapshot
    assert web.asked.total() == 1


def test_an_archive_that_is_busy_is_waited_for_as_it_asks(web: ArchivedWeb, tmp_path: Path) -> None:
    rows = [row_of(number, picture(number), fetched_at=SEEN) for number in range(4)]
    for number, row in enumerate(rows):
        web.kept[row["url"]] = [Kept(NEAR, picture(number))]
    first, second = rows[0]["url"], rows[1]["url"]
    web.busy |= {f"list {first}": 2, f"{NEAR} {second}": 1}
    download, release = DownloadConfig(proxy=web.url), release_of(rows, tmp_path / "release")
    table = build_split(release, SplitConfig(), tmp_path / "split", download, archive=FAST)
    assert table["status"].to_list() == ["exact"] * 4
    assert web.asked[f"list {first}"] == 3
    assert web.asked[f"{NEAR} {second}"] == 2


def test_an_archive_that_stays_away_ends_nothing_and_is_asked_again(web: ArchivedWeb, tmp_path: Path) -> None:
    rows = [row_of(number, picture(number), fetched_at=SEEN) for number in range(6)]
    for number, row in enumerate(rows):
        web.kept[row["url"]] = [Kept(NEAR, picture(number))]
        web.busy[f"list {row['url']}"] = 10
    web.busy_code, web.busy_headers = 503, {}
    release, out = release_of(rows, tmp_path / "release"), tmp_path / "split"
    download = DownloadConfig(proxy=web.url, host_failures=3)
    table = build_split(release, SplitConfig(), out, download, archive=ArchiveConfig(
        base=ARCHIVE, interval_s=0, retry_wait_s=0, retries=1, max_wait_s=3))  # fmt: skip
    assert set(table["status"]) == {"gone"}
    assert all("the archive did not answer" in reason for reason in table["reason"])
    assert web.asked.total() < 6 + 6 * 2  # given up after a few
    web.busy.clear()
    assert set(build_split(release, SplitConfig(), out, download, archive=FAST)["status"]) == {"exact"}


def test_questions_that_were_cut_short_go_on(web: ArchivedWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from relaionet.pipeline.downloads import archive

    rows = [row_of(number, picture(number), fetched_at=SEEN) for number in range(6)]
    for number, row in enumerate(rows):
        web.kept[row["url"]] = [Kept(NEAR, picture(number))]
    release, out, download = release_of(rows, tmp_path / "release"), tmp_path / "split", DownloadConfig(proxy=web.url)
    ask = archive._Asker.ask

    def stopping(self: archive._Asker, address: str, near: datetime | None):
        if sum(name.startswith("list") for name in web.asked) == 3:
            raise KeyboardInterrupt
        return ask(self, address, near)

    monkeypatch.setattr(archive._Asker, "ask", stopping)
    with pytest.raises(KeyboardInterrupt):
        build_split(release, SplitConfig(), out, download, archive=FAST)
    monkeypatch.setattr(archive._Asker, "ask", ask)
    fetch = Attempts.fetch

    def stopping_fetch(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Attempts, "fetch", stopping_fetch)
    with pytest.raises(KeyboardInterrupt):
        build_split(release, SplitConfig(), out, download, archive=FAST)
    monkeypatch.setattr(Attempts, "fetch", fetch)
    plain = build_split(release, SplitConfig(), out, download)  # without the word, no archive is asked
    assert set(plain["status"]) == {"gone"}
    assert not any(name.startswith("2") for name in web.asked)
    assert set(build_split(release, SplitConfig(), out, download, archive=FAST)["status"]) == {"exact"}
    assert set(web.asked.values()) == {1}


def test_whoever_forbids_the_use_of_a_picture_forbids_its_copies(web: ArchivedWeb, tmp_path: Path) -> None:
    row = row_of(0, picture(0), fetched_at=SEEN)
    web.live[row["url"]], web.live_headers[row["url"]] = picture(0), {"X-Robots-Tag": "noai"}
    web.kept[row["url"]] = [Kept(NEAR, picture(0))]
    release, download = release_of([row], tmp_path / "release"), DownloadConfig(proxy=web.url)
    table = build_split(release, SplitConfig(), tmp_path / "split", download, archive=FAST)
    assert table["status"].to_list() == ["gone"]
    assert "X-Robots-Tag header says noai" in table["reason"][0]
    assert dict(web.asked) == {f"{HOST}/0-0.jpg": 1}


@pytest.mark.parametrize(
    "wrong",
    [{"base": "ftp://a"}, {"base": "archive"}, {"snapshots_count": 0}, {"interval_s": -1}, {"snapshots_count": 51}],
)
def test_config_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        ArchiveConfig(**wrong)  # type: ignore[arg-type]
