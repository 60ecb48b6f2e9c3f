"""Files and folders are written whole or not at all, and nothing is left of what was interrupted."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from relaionet.manifests.files import write_atomic, write_json
from relaionet.manifests.replacing import FOREIGN_S, HOST, drop_parts, part_of, replacing
from tests.depth import deep


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.part"))


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.parquet"
    with replacing(target) as part:
        part.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), SystemExit(1), MemoryError(), ValueError()]
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_whatever_interrupts_leaves_what_was_there(tmp_path: Path, error: BaseException, is_folder: bool) -> None:
    target = tmp_path / "x"
    target.write_text("before")

    def begin() -> None:
        with replacing(target) as part:
            if is_folder:
                (part / "below").mkdir(parents=True)
                (part / "below" / "file").write_text("half")
            else:
                part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        begin()
    assert target.read_text() == "before"
    assert parts(tmp_path) == []


def test_a_folder_does_not_replace_one_that_holds_something(tmp_path: Path) -> None:
    target = tmp_path / "v1"
    target.mkdir()
    (target / "here").write_text("first")
    with pytest.raises(OSError), replacing(target) as part:  # noqa: PT011  ENOTEMPTY or EEXIST, as the system likes
        part.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["v1", "here"]


def test_threads_of_one_process_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "shared.json"
    failed = []

    def write(number: int) -> None:
        try:
            for _ in range(20):
                write_json(target, {"from": number, "long": "x" * 10_000})
        except BaseException as error:  # noqa: BLE001  a thread's error is the test's
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert target.read_text().count("x") == 10_000
    assert parts(tmp_path) == []


def test_what_a_killed_process_left_is_dropped_and_what_is_written_now_is_not(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = int(ended.stdout)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        kept = [
            tmp_path / f"a.{HOST}-{alive.pid}-0.part", part_of(tmp_path / "mine"), tmp_path / "no.number.part",
            tmp_path / f"b.123456-{dead}-0.part", tmp_path / "part", tmp_path / ".part-0.parquet.crc",
        ]  # fmt: skip
        old = tmp_path / f"b.654321-{dead}-0.part"
        left = [tmp_path / f"c.{HOST}-{dead}-7.part", tmp_path / "deep" / "er" / f"d.{HOST}-{dead}-0.part", old]
        for path in (*kept, *left):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        os.utime(old, (time.time() - 2 * FOREIGN_S,) * 2)
        folder = tmp_path / f"v1.{HOST}-{dead}-3.part"
        folder.mkdir()
        (folder / "inside").write_text("x")
        assert drop_parts(tmp_path, below=False) == 3
        assert drop_parts(tmp_path) == 1
        assert all(path.exists() for path in kept)
        assert not any(path.exists() for path in (*left, folder))
        assert alive.stdin is not None
        alive.stdin.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from relaionet.manifests.files import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write_atomic(Path(sys.argv[1]), b"x" * 300_000)
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize("room", [0, 1, 4096, 299_999])
def test_a_disk_without_room_leaves_nothing(tmp_path: Path, room: int) -> None:
    """A limit on the length of files is met in the same places as the end of a disk, with another number."""
    target = tmp_path / "file"
    command = [sys.executable, "-c", LIMITED, str(target), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from relaionet.manifests.files import write_atomic\n"
        "print('ready', flush=True)\nwhile True: write_atomic(Path(sys.argv[1]), b'y' * 200_000)"
    )
    target = tmp_path / "file"
    for number in range(deep(3)):
        write_atomic(target, b"x" * 100)
        with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.02 * (number % 5))
            writer.send_signal(signal.SIGKILL)
        assert target.stat().st_size in (100, 200_000)
        drop_parts(tmp_path)
        assert list(tmp_path.iterdir()) == [target]
