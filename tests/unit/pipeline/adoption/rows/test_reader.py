"""The process that reads strangers' sets: what it opens, what it refuses, and how little of it is believed."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.adoption.rows import stream
from relaionet.pipeline.adoption.rows.columns import Columns
from relaionet.pipeline.adoption.rows.reader import _is_inside, _take, _texts
from relaionet.pipeline.adoption.rows.stream import Row, RowsReader, RowsSource
from tests.fakes.hub import sets

HUB = "hf://datasets/me/set@" + "a" * 40


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}", asked
        served.shutdown()


def read(source: RowsSource) -> list[Row]:
    with RowsReader(source) as reader:
        return [row for row in reader.stream(reader.describe(), [(0, 0)]) if isinstance(row, Row)]


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        (f"{HUB}/data/a.jpg", True), (f"zip://x/a.jpg::{HUB}/a.zip", True), (f"{HUB}/../../other/x@main/a.jpg", False),
        ("hf://datasets/me/other@main/a.jpg", False), (f"{HUB}x/a.jpg", False), ("/etc/passwd", False),
        ("http://127.0.0.1/a.jpg", False), (f"zip://a::zip://b::{HUB}/c.zip", True), ("zip://a.jpg::/etc/x.zip", False),
        (f"http://h/a::{HUB}/c.zip", False), ("file:///etc/passwd", False), (f"filecache://{HUB}/a", False),
    ],
)  # fmt: skip
def test_files_outside_a_set_of_the_hub_are_not_opened(place: str, inside: bool) -> None:
    assert _is_inside(place, HUB) is inside


def test_files_outside_a_folder_are_not_opened(tmp_path: Path) -> None:
    base = tmp_path / "set"
    base.mkdir()
    (base / "a.jpg").write_bytes(b"1")
    (tmp_path / "secret").write_bytes(b"2")
    (base / "link").symlink_to(tmp_path / "secret")
    columns = Columns(image="image", image_kind="path", label=None)
    request = {"base": str(base), "max_bytes": 10}
    assert _take("a.jpg", columns, request) == ("a.jpg", b"1", None)
    outside = "its row names a file outside the set"
    for name in ("../secret", "link", str(tmp_path / "secret"), "http://127.0.0.1/x", "hf://datasets/a/b/c"):
        assert _take(name, columns, request)[1:] == (None, outside), name
    assert _take("none.jpg", columns, request)[2] == "its row names a file that cannot be read: FileNotFoundError"
    assert _take({"bytes": b"1" * 11, "path": None}, columns, request)[2] == "longer than 10 bytes"
    assert _take(None, columns, request)[2] == "no bytes in its row"


def test_labels_are_texts_of_bounded_length() -> None:
    assert _texts([3, None, "crane", [1], {"a": 1}]) == ["3", "crane"]
    assert _texts(None) == []
    assert len(_texts("x" * 10_000)[0]) == 2_000
    with pytest.raises(BadInput, match="1,001 labels"):
        _texts(list(range(1_001)))


def test_a_path_in_a_row_leads_nowhere_else(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    address, asked = server
    (tmp_path / "secret.jpg").write_bytes(sets.picture("secret"))
    paths = ("pictures/21.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), f"{address}/a.jpg")
    found = read(RowsSource(place=str(sets.make_path_lines(tmp_path / "set", paths))))
    assert [row.data is not None for row in found] == [True, False, False, False]
    assert asked == []


def test_settings_that_name_other_places_are_refused_unread(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    """A card's `data_files` may be any address: another server's, another repository's, this machine's."""
    address, asked = server
    (tmp_path / "mine.jsonl").write_text(json.dumps({"file_name": "a", "class_name": "secret"}) + "\n")
    for number, place in enumerate((f"{address}/a.jsonl", str(tmp_path / "mine.jsonl"), "../mine.jsonl")):
        folder = sets.make_path_lines(tmp_path / f"set{number}")
        card = f"---\nconfigs:\n- config_name: default\n  data_files: {json.dumps(place)}\n---\n"
        (folder / "README.md").write_text(card)
        with pytest.raises(BadInput, match=r"outside itself|another server|Unable to find"):
            read(RowsSource(place=str(folder)))
    assert asked == []


def test_no_code_of_a_set_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")
    with pytest.raises(BadInput):
        read(RowsSource(place=str(folder)))
    (folder / "rows.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    with pytest.raises(BadInput):
        read(RowsSource(place=str(folder)))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "takes too much memory"),
        ("import sys; sys.stdin.buffer.readline(); sys.exit(7)", r"its reader ended \(7\)"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff')", "describes itself in"),
        ("import sys; sys.stdout.buffer.write(b'\\0\\0\\0\\x09{\"kind\"')", "its reader ended"),
    ],
)
def test_what_the_process_says_is_not_believed(monkeypatch: pytest.MonkeyPatch, code: str, why: str) -> None:
    started = stream.start_child
    monkeypatch.setattr(
        stream, "start_child", lambda command, **options: started([sys.executable, "-c", code], **options)
    )
    with RowsReader(RowsSource(place="set")) as reader, pytest.raises(BadInput, match=why):
        reader.describe()


def test_a_set_that_needs_too_much_memory_ends_alone(tmp_path: Path) -> None:
    folder = sets.make_imagenet_r(tmp_path / "set")
    with pytest.raises(BadInput, match=r"set.*(memory|its reader ended|alloc)"):
        read(RowsSource(place=str(folder), memory_bytes=200 << 20))
