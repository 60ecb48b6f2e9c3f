"""The synthetic world's web: every fault happens, through the proxy and directly, and nothing else gets out."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.miniature.server import Served, serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world

CONFIG = WorldConfig(seed=2, per_class_count=6, faults_scale=0.25, reference_per_class_count=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("miniature") / "world", CONFIG)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with serve_world(world.folder) as served:
        yield served


def fetch(served: Served, url: str, timeout_s: float = 60) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": served.proxy}))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def urls(world: World, fault: str | None) -> list[str]:
    truth = pl.read_parquet(world.truth)
    rows = truth.filter(pl.col("fault").is_null() if fault is None else pl.col("fault") == fault)
    return rows["url"].to_list()


def raw(served: Served, request: bytes) -> bytes:
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("fault", "status"),
    [("404", 404), ("410", 410), ("403", 403), ("500", 500), ("dead_host", 502), ("long_url", 414)],
)
def test_faults_with_a_status(world: World, served: Served, fault: str, status: int) -> None:
    assert urls(world, fault)
    assert {fetch(served, url)[0] for url in urls(world, fault)} == {status}


@pytest.mark.parametrize("fault", [None, "truncated", "html", "corrupt", "word", "leak", "duplicate", "unsafe"])
def test_stored_bytes_arrive_whole(world: World, served: Served, fault: str | None) -> None:
    for url in urls(world, fault):
        stored = (world.folder / "photos" / url.split("/")[-1].partition(".jpg")[0]).read_bytes()
        assert fetch(served, url) == (200, stored)


def test_a_cut_connection_is_noticed(world: World, served: Served) -> None:
    with pytest.raises(http.client.IncompleteRead):
        fetch(served, urls(world, "cut")[0])


def test_a_slow_answer_goes_on_past_any_patience(world: World, served: Served) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": served.proxy}))
    with opener.open(urls(world, "slow")[0], timeout=60) as answer:
        start = time.monotonic()
        first = answer.read(4)
        assert len(first) == 4
        assert time.monotonic() - start > 0.5
        assert int(answer.headers["Content-Length"]) > 1000


def test_direct_requests_work_too_and_are_counted(world: World, served: Served) -> None:
    name = urls(world, None)[0].split("/")[-1]
    before = served.requests.get("200", 0)
    with urllib.request.urlopen(f"{served.url}/{name}", timeout=60) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("image/")
    assert served.requests["200"] == before + 1


@pytest.mark.parametrize(
    "path",
    ["/../truth.parquet", "/truth.parquet", "/..%2ftruth.parquet", "/photos/../truth.parquet", "//etc/passwd", "/",
     "/answers.json", "http://miniature.invalid/../truth.parquet", "http://miniature.invalid//etc/passwd",
     "/0123456789abcdef0123.jpg", "/../photos/0123456789abcdef0123.jpg"],
)  # fmt: skip
def test_nothing_but_pictures_gets_out(served: Served, path: str) -> None:
    answer = raw(served, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "line", [b"GET http://[::1 HTTP/1.1", b"POST / HTTP/1.1", b"\x00\xff\xfe", b"GET", b"CONNECT a:1 HTTP/1.1"]
)
def test_malformed_requests_do_no_harm(world: World, served: Served, line: bytes) -> None:
    raw(served, line + b"\r\nConnection: close\r\n\r\n")
    assert fetch(served, urls(world, None)[0])[0] == 200


def test_clients_that_leave_do_no_harm(world: World, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    parts = urlsplit(served.url)
    for url in urls(world, "slow") + urls(world, None)[:20]:
        connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()
    assert fetch(served, urls(world, None)[0])[0] == 200
    time.sleep(0.6)
    assert capfd.readouterr() == ("", "")


def test_second_epoch_serves_what_the_truth_says(world: World) -> None:
    truth = pl.read_parquet(world.truth).filter("releasable")
    seen = set()
    with serve_world(world.folder, later=True) as served:
        for url, later in truth.select("url", "later").iter_rows():
            seen.add(later)
            status, data = fetch(served, url)
            before = (world.folder / "photos" / url.split("/")[-1].partition(".jpg")[0]).read_bytes()
            assert status == (404 if later == "gone" else 200)
            assert (data == before) == (later == "exact")
    assert seen == {"exact", "same_picture", "changed", "gone"}


def test_the_server_stops_at_once_even_while_it_drips(world: World) -> None:
    with serve_world(world.folder) as served:
        parts = urlsplit(served.url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
        connection.sendall(f"GET {urls(world, 'slow')[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.recv(10)
        start = time.monotonic()
    assert time.monotonic() - start < 60  # it would drip for minutes
    connection.close()
    with pytest.raises(urllib.error.URLError):
        fetch(served, urls(world, None)[0])


def test_a_folder_without_a_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no synthetic world"), serve_world(tmp_path):
        pass
