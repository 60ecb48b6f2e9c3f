from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.tables import DOWNLOADS, check_table
from relaionet.pipeline.downloads.fetch import DownloadConfig, _check_complete, fetch_images
from relaionet.pipeline.downloads.web_rules import NO_NAME
from relaionet.pipeline.images.perceptual_hash import phash_hex
from tests.waiting import WATCHDOG_S

HOST = "http://pictures.invalid"


def make_rows(urls: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"candidate_id": [hashlib.sha256(url.encode()).hexdigest() for url in urls], "url": urls})


def picture(seed: int, format: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").rotate(seed * 7).resize((64, 48)).save(out, format)
    return out.getvalue()


def serve(server, count: int) -> list[str]:
    for number in range(count):
        server.files[f"/{number}.jpg"] = picture(number)
    return [f"{HOST}/{number}.jpg" for number in range(count)]


# path -> (status, words of the reason); the server's conftest says what each path does
FAULTS = {
    "/nothere.jpg": ("gone", "HTTP 404"),
    "/code/410": ("gone", "HTTP 410"),
    "/code/403": ("refused", "HTTP 403"),
    "/code/429": ("refused", "HTTP 429"),
    "/code/500": ("gone", "HTTP 500"),
    "/html/x": ("broken", "an HTML page (served as text/html)"),
    "/liar/x": ("broken", "an HTML page (served as image/jpeg)"),
    "/noise/x": ("broken", "not an image"),
    "/empty/x": ("broken", "no bytes"),
    "/short/x": ("broken", "truncated"),
    "/cut/x": ("broken", "truncated"),
    "/noai/x": ("refused", "X-Robots-Tag"),
    "/big/x": ("broken", "more than 1000000 bytes"),
    "/bomb/x": ("broken", "more than 4000000 pixels"),
    "/hop/http:~~127.0.0.1~x": ("refused", "private address"),
    "/hop/file:~~~etc~passwd": ("refused", "redirected to where scheme 'file' is not http(s)"),
    "/loop/x": ("gone", "redirects without end"),
    "/drip/x": ("slow", "timed out after 4 s"),
    "/dripheaders/x": ("slow", "timed out after 4 s"),
}
BAD_URLS = {
    "http://dead.invalid/x": ("gone", "HTTP 502"),
    "http://127.0.0.1:1/x": ("refused", "private address"),
    "http://2130706433/x": ("refused", "private address"),
    "http://localhost/x": ("refused", "private host"),
    "javascript:alert(1)": ("refused", "not http(s)"),
    "file:///etc/passwd": ("refused", "not http(s)"),
    "http://[bad/x": ("refused", "not a URL"),
    "no url at all": ("refused", ""),
}


def test_every_fault_gets_its_status_and_bytes_are_kept_as_served(fault_server, tmp_path: Path) -> None:
    good = {"/a.jpg": ("jpeg", picture(1)), "/ü b.jpg": ("png", picture(2, "PNG")), "/w": ("webp", picture(3, "WEBP"))}
    fault_server.files.update({path: data for path, (_, data) in good.items()})
    fine = [HOST + path for path in (*good, "/flaky/x", "/hop/~a.jpg")]
    expected = {HOST + path: verdict for path, verdict in FAULTS.items()} | BAD_URLS
    rows = make_rows([*fine, *expected])
    config = DownloadConfig(timeout_s=4, proxy=fault_server.url, max_bytes=1_000_000, max_pixels=4_000_000)
    parts: list[int] = []
    table = fetch_images(rows, config, tmp_path, parts.append)

    check_table(table, DOWNLOADS)
    assert table.select("candidate_id", "url").equals(rows)
    assert sum(parts) == rows.height
    by_url = {row["url"]: row for row in table.iter_rows(named=True)}
    for url, (status, words) in expected.items():
        assert by_url[url]["status"] == status, by_url[url]
        assert words in by_url[url]["reason"]
        assert by_url[url]["path"] is None
    for path, (format, data) in good.items():
        row = by_url[HOST + path]
        assert (row["status"], row["reason"], row["format"]) == ("ok", None, format)
        assert (tmp_path / row["path"]).read_bytes() == data
        assert row["image_sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["bytes_count"], row["width_px"], row["height_px"]) == (len(data), 64, 48)
        assert row["path"] == f"{row['candidate_id'][:2]}/{row['candidate_id']}.{format}"
    assert by_url[HOST + "/flaky/x"]["status"] == by_url[HOST + "/hop/~a.jpg"]["status"] == "ok"
    # what cannot get better is not asked for twice; what may is
    assert fault_server.asked["/nothere.jpg"] == fault_server.asked["/drip/x"] == 1
    assert fault_server.asked["/code/500"] == fault_server.asked["/short/x"] == 2
    assert all("relaionet" in agent for agent in fault_server.agents)
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {Path(row["path"]).name for row in by_url.values() if row["path"]}


def test_order_and_number_of_threads_change_nothing(fault_server, tmp_path: Path) -> None:
    rows = make_rows([*serve(fault_server, 12), f"{HOST}/none.jpg"])
    mixed = rows.sample(fraction=1, shuffle=True, seed=3)
    one = fetch_images(rows, DownloadConfig(proxy=fault_server.url, threads=1), tmp_path / "one")
    many = fetch_images(mixed, DownloadConfig(proxy=fault_server.url, threads=9), tmp_path / "many")
    assert many["candidate_id"].to_list() == mixed["candidate_id"].to_list()
    timeless = [table.drop("fetched_at", "seconds").sort("candidate_id") for table in (one, many)]
    assert timeless[0].equals(timeless[1])
    assert tree(tmp_path / "one") == tree(tmp_path / "many")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_a_proxy_private_addresses_are_refused_unless_allowed(fault_server, tmp_path: Path) -> None:
    fault_server.files["/a.jpg"] = picture(1)
    port = fault_server.server_address[1]
    rows = make_rows([f"{fault_server.url}/a.jpg", f"http://localhost:{port}/a.jpg"])
    assert fetch_images(rows, DownloadConfig(), tmp_path)["status"].to_list() == ["refused", "refused"]
    assert not fault_server.asked
    assert fetch_images(rows, DownloadConfig(allow_private=True), tmp_path)["status"].to_list() == ["ok", "ok"]


# starts a fetch of 120 rows from a server that answers 30 a second, in a process of its own
LONG_FETCH = """
import sys, polars as pl
from pathlib import Path
from relaionet.pipeline.downloads.fetch import DownloadConfig, _check_complete, fetch_images
rows = pl.read_parquet(sys.argv[1])
fetch_images(rows, DownloadConfig(proxy=sys.argv[2], threads=2), Path(sys.argv[3]), lambda n: print(n, flush=True))
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_fetch_continues_and_leaves_no_process(fault_server, tmp_path: Path, kill: signal.Signals) -> None:
    rows = make_rows(serve(fault_server, 60))
    rows.write_parquet(tmp_path / "rows.parquet")
    slow = fault_server.RequestHandlerClass.do_GET
    images = tmp_path / "images"

    def do_get(handler) -> None:
        time.sleep(0.05)
        slow(handler)

    fault_server.RequestHandlerClass = type("Slow", (fault_server.RequestHandlerClass,), {"do_GET": do_get})
    command = [sys.executable, "-c", LONG_FETCH, str(tmp_path / "rows.parquet"), fault_server.url, str(images)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(kill)
    process.wait(WATCHDOG_S)
    process.stdout.close()
    time.sleep(0.5)
    asked = sum(fault_server.asked.values())
    time.sleep(0.5)
    assert 0 < asked < rows.height
    assert sum(fault_server.asked.values()) == asked, "the fetching process outlived its parent"
    config = DownloadConfig(proxy=fault_server.url, threads=2)
    table = fetch_images(rows, config, images)
    assert table["status"].to_list() == ["ok"] * rows.height
    assert sum(fault_server.asked.values()) <= rows.height + 6
    assert tree(images) == {
        row["path"]: fault_server.files["/" + row["url"].rpartition("/")[2]] for row in table.iter_rows(named=True)
    }


def test_a_fetch_killed_again_and_again_ends_with_the_same_bytes(fault_server, tmp_path: Path) -> None:
    rows = make_rows([*serve(fault_server, 60), f"{HOST}/none.jpg", f"{HOST}/flaky/x", f"{HOST}/html/x"])
    rows.write_parquet(tmp_path / "rows.parquet")
    plain = fetch_images(rows, DownloadConfig(proxy=fault_server.url), tmp_path / "plain")
    fault_server.asked.clear()
    quick = fault_server.RequestHandlerClass.do_GET

    def do_get(handler) -> None:
        time.sleep(0.04)
        quick(handler)

    fault_server.RequestHandlerClass = type("Slow", (fault_server.RequestHandlerClass,), {"do_GET": do_get})
    images, moments = tmp_path / "images", random.Random(5)
    command = [sys.executable, "-c", LONG_FETCH, str(tmp_path / "rows.parquet"), fault_server.url, str(images)]
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()  # of a fetch that goes on, at once: what was done before
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.wait(WATCHDOG_S)
        process.stdout.close()
    table = fetch_images(rows, DownloadConfig(proxy=fault_server.url, threads=2), images)
    same = ["candidate_id", "status", "reason", "image_sha256", "phash", "path", "final_url", "http_code"]
    assert table.select(same).equals(plain.select(same))
    assert tree(images) == tree(tmp_path / "plain")


def test_what_fails_for_a_moment_is_asked_again_after_the_others(fault_server, tmp_path: Path) -> None:
    """One host, busy at first: its pause is kept to, its rows end well, and other hosts do not wait for it."""
    order: list[tuple[str, float]] = []
    quick = fault_server.RequestHandlerClass.do_GET

    def do_get(handler) -> None:
        name = handler.path
        order.append((name, time.monotonic()))
        if name.startswith("http://busy") and sum(seen == name for seen, _ in order) == 1 and len(busy_at) < 1:
            busy_at.append(time.monotonic())
            handler.send_response(429)
            handler.send_header("Retry-After", "2")
            handler.end_headers()
            return
        quick(handler)

    busy_at: list[float] = []
    fault_server.RequestHandlerClass = type("Busy", (fault_server.RequestHandlerClass,), {"do_GET": do_get})
    serve(fault_server, 8)
    urls = [f"http://busy.invalid/{number}.jpg" for number in range(4)] + [f"{HOST}/{n}.jpg" for n in range(4, 8)]
    config = DownloadConfig(proxy=fault_server.url, requests_per_host=1, threads=2)
    table = fetch_images(make_rows(urls), config, tmp_path)
    assert table["status"].to_list() == ["ok"] * 8
    assert sorted(table["tries_count"].to_list()) == [1] * 7 + [2]
    after = [at for name, at in order if name.startswith("http://busy") and at > busy_at[0]]
    assert min(after) >= busy_at[0] + 1.9  # by the server's clock, less what rounding may take


def test_a_host_that_only_fails_is_left_alone(fault_server, tmp_path: Path) -> None:
    urls = [f"{HOST}/code/503/{number}" for number in range(30)]
    config = DownloadConfig(
        proxy=fault_server.url, host_failures=3, requests_per_host=1, retries=0, host_wait_s=30, retry_wait_s=0
    )
    table = fetch_images(make_rows(urls), config, tmp_path)
    assert sum(fault_server.asked.values()) == 3
    assert table["may_come_back"].all()
    assert table["reason"].value_counts(sort=True).rows() == [
        ("not asked: pictures.invalid failed 3 times in a row, last HTTP 503 Service Unavailable", 27),
        ("HTTP 503 Service Unavailable", 3),
    ]


def test_what_is_told_of_a_row(fault_server, tmp_path: Path) -> None:
    fault_server.files["/a.png"] = picture(1, "PNG")
    urls = [f"{HOST}/hop/~a.png", f"{HOST}/code/410", f"{HOST}/code/503"]
    config = DownloadConfig(proxy=fault_server.url, contact="mailto:me@example.org", user_agent="my-copy")
    found, gone, busy = fetch_images(make_rows(urls), config, tmp_path).rows(named=True)
    assert (found["final_url"], found["http_code"], found["tries_count"]) == (f"{HOST}/a.png", 200, 1)
    assert found["seconds"] > 0
    with Image.open(io.BytesIO(picture(1, "PNG"))) as image:
        assert found["phash"] == phash_hex(image)
    assert (gone["http_code"], gone["tries_count"], gone["may_come_back"], gone["phash"]) == (410, 1, False, None)
    assert (busy["http_code"], busy["tries_count"], busy["may_come_back"]) == (503, 2, True)
    assert [agent.partition("/0.")[0] for agent in fault_server.agents] == ["Mozilla/5.0 (compatible; my-copy"]
    assert next(iter(fault_server.agents)).endswith("; +mailto:me@example.org)")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (pl.DataFrame({"url": ["http://a/"]}), "lack candidate_id"),
        (pl.DataFrame({"candidate_id": ["../../x"], "url": ["http://a/"]}), "64 hex digits"),
        (pl.DataFrame({"candidate_id": ["A" * 64], "url": ["http://a/"]}), "64 hex digits"),
        (pl.DataFrame({"candidate_id": ["a" * 64] * 2, "url": ["http://a/"] * 2}), "stands twice"),
        (pl.DataFrame({"candidate_id": ["a" * 64], "url": pl.Series([None], dtype=pl.String)}), "has no URL"),
    ],
)
def test_rows_that_cannot_be_fetched_are_bad_input(rows: pl.DataFrame, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        fetch_images(rows, DownloadConfig(), tmp_path)


def test_no_rows_need_no_network(tmp_path: Path) -> None:
    empty = make_rows(["http://a/"]).clear()
    assert fetch_images(empty, DownloadConfig(proxy="http://127.0.0.1:9"), tmp_path).equals(DOWNLOADS.empty())


def test_a_proxy_that_does_not_answer_is_unavailable_not_gone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable, match=f"proxy http://127.0.0.1:{port} does not answer"):
        fetch_images(make_rows([f"{HOST}/1.jpg"]), DownloadConfig(proxy=f"http://me:secret@127.0.0.1:{port}"), tmp_path)


def test_a_proxys_password_is_on_no_file(fault_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    proxy = fault_server.url.replace("://", "://me:secret@")
    fetch_images(make_rows([f"{HOST}/1.jpg"]), DownloadConfig(proxy=proxy), tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "job.json" for path in files)
    assert not any(b"secret" in path.read_bytes() for path in files)


def test_a_folder_that_cannot_be_written_is_an_error_and_runs_later(fault_server, tmp_path: Path) -> None:
    rows = make_rows(serve(fault_server, 2))
    folder = tmp_path / rows["candidate_id"][0][:2]
    folder.write_text("a file where the images' folder should be")
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        fetch_images(rows, DownloadConfig(proxy=fault_server.url), tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    folder.unlink()
    assert fetch_images(rows, DownloadConfig(proxy=fault_server.url), tmp_path)["status"].to_list() == ["ok", "ok"]


@pytest.mark.parametrize(("answered", "is_cut_off"), [(False, True), (True, False)])
def test_a_dead_network_is_no_verdict_on_the_rows(tmp_path: Path, answered: bool, is_cut_off: bool) -> None:
    rows = make_rows([f"{HOST}/{number}.jpg" for number in range(4)])
    unresolved, slow = (
        {"offline": offline, "status": status, "reason": None} for offline, status in ((True, "gone"), (False, "slow"))
    )
    last = {"offline": False, "status": "gone", "reason": "HTTP 404 Not Found"} if answered else slow
    done = dict(zip(rows["candidate_id"], [unresolved, slow, unresolved, last], strict=True))
    (tmp_path / "work").mkdir()
    if is_cut_off:
        with pytest.raises(Unavailable, match="none of 4 hosts could be reached"):
            _check_complete(rows, done, tmp_path / "work")
    else:
        _check_complete(rows, done, tmp_path / "work")


def test_config_is_checked() -> None:
    with pytest.raises(BadInput, match="timeout_s"):
        DownloadConfig(timeout_s=0)
    with pytest.raises(BadInput, match="retries"):
        DownloadConfig(retries=-1)
    for wrong in ({"user_agent": "a b"}, {"user_agent": "a\nX: y"}, {"contact": "me (here)"}, {"contact": "a\r\nX: y"}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            DownloadConfig(**wrong)


def test_environment_of_the_process_is_quiet_and_has_no_other_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from relaionet.pipeline.downloads.process import _environment

    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere:1")
    env = _environment("http://127.0.0.1:5")
    assert env["http_proxy"] == env["https_proxy"] == "http://127.0.0.1:5"
    assert "HTTPS_PROXY" not in env
    assert env["DO_NOT_TRACK"] == "1"
    assert _environment(None)["HTTPS_PROXY"] == "http://elsewhere:1"
    assert "DO_NOT_TRACK" in env
    assert os.environ["HTTPS_PROXY"] == "http://elsewhere:1"


@pytest.mark.parametrize("others_resolve", [True, False])
def test_a_resolver_that_knows_no_name_at_all_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others_resolve: bool
) -> None:
    rows = pl.DataFrame({"candidate_id": ["a", "b", "c"]})
    done = {key: {"offline": False, "status": "gone", "reason": NO_NAME} for key in rows["candidate_id"]}
    monkeypatch.setattr("relaionet.pipeline.downloads.fetch._resolves", lambda _name: others_resolve)
    (tmp_path / "work").mkdir()
    if others_resolve:
        _check_complete(rows, done, tmp_path / "work")
    else:
        with pytest.raises(Unavailable, match="check this machine's network"):
            _check_complete(rows, done, tmp_path / "work")
