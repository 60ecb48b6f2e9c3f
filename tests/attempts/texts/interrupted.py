"""Writing that ends half-way: a full disk, Ctrl-C, a kill. Nothing half-written may stay, and what was there does.

A limit on the length of files (RLIMIT_FSIZE, its signal ignored) is met in the same places as the end of a disk.
"""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.annotations.label_studio.server_settings import read_credentials
from relaionet.annotations.label_studio.upgrade import DATABASE, note_version, save_database
from relaionet.annotations.tasks.pictures import store_picture
from relaionet.evaluators.generators.job import write_job
from relaionet.evaluators.sampling.shards import write_images
from relaionet.flows.pages.frame import render
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.manifests.errors import ReLAIONetError
from relaionet.manifests.files import write_atomic, write_json
from relaionet.manifests.release.release import make_release
from relaionet.manifests.store import Store, write_parquet
from relaionet.manifests.tables import MANIFEST
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.exports.formats.imagefolder import write_metadata
from relaionet.pipeline.splits.export import ExportConfig, export_split
from tests.attempts.attempt import Attempt, family
from tests.fakes.hub.splits import make_split
from tests.unit.manifests.conftest import manifest_rows

BIG = b"0123456789" * 20_000
ROWS = pl.DataFrame({"text": [f"row {number} {number * 7919 % 1000}" for number in range(20_000)]})


def write_table(out: Path) -> None:
    """A table with its receipt."""
    Store(out).write(manifest_rows(200), MANIFEST, "digest")


def write_vectors(out: Path) -> None:
    """Embeddings with their metadata."""
    rows = pl.DataFrame({"candidate_id": ["x"] * 500, "caption": ["c"] * 500, "url": ["u"] * 500})
    write_embeddings(out, 0, np.zeros((500, 64), np.float32), rows)


def write_index(out: Path) -> None:
    """faiss's own writing."""
    import faiss

    from relaionet.pipeline.retrieval.index import _write

    index = faiss.IndexFlatIP(64)
    index.add(np.zeros((2000, 64), np.float32))
    out.mkdir()
    _write(index, out / "part_0.index")


def write_features(out: Path) -> None:
    """Arrays that grow while a model works."""
    from relaionet.evaluators.features.extract import extract_features
    from tests.unit.evaluators.features.test_extract import PROTOCOL, Means, ids, make_images

    extract_features(make_images(2000), ids(2000), Means(), PROTOCOL, out)


def write_backup(out: Path) -> None:
    """A copy of a server's database."""
    (out / DATABASE).parent.mkdir(parents=True)
    with unlimited(), closing(sqlite3.connect(out / DATABASE)) as database:
        database.execute("create table t (a)")
        database.executemany("insert into t values (?)", [("x" * 500,)] * 500)
        database.commit()
    save_database(out, "1.0")


def export(form: str) -> Callable[[Path], object]:
    """An export of a split in that format."""

    def write(out: Path) -> None:
        with unlimited():
            split = make_split(out.parent / "made", 40)[1]
        export_split(split, ExportConfig(format=form, positions="stripped"), out)

    return write


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda out: write_atomic(out / "file", BIG),
    "JSON": lambda out: write_json(out / "file.json", {"long": BIG.decode()}),
    "a table": lambda out: write_parquet(out / "table.parquet", ROWS),
    "a table with its receipt": write_table,
    "embeddings": write_vectors,
    "a part of an index": write_index,
    "features": write_features,
    "samples": lambda out: write_images(Store(out), "0", np.zeros((40, 64, 64, 3), np.uint8), "digest", 1.0),
    "a release": lambda out: make_release(manifest_rows(300), out, name="set", notes={}),
    "an export as parquet": export("parquet"),
    "an export as WebDataset": export("webdataset"),
    "an export as an image folder": export("imagefolder"),
    "a list of images": lambda out: write_metadata(
        out / "metadata.parquet",
        [{"file_name": f"{number * 7919}.jpg", "label": 1, "wnid": "n", "class_name": "c", "candidate_id": str(number),
          "image_sha256": str(number), "stored_sha256": str(number)} for number in range(5000)],
    ),
    "a picture for reviewers": lambda out: store_picture(BIG, out),
    "a page": lambda out: write_atomic(out / "p.html", render("links.html", links=[]).encode() + BIG),
    "a backup of a database": write_backup,
    "a generator's job": lambda out: write_job(out, {"requests": [{"prompt": "x" * 90}] * 3000, "settings": {}}),
    "credentials": lambda out: read_credentials(out),
    "a server's version": lambda out: note_version(out, "1" * 9000),
}  # fmt: skip


@contextmanager
def limited(room: int) -> Iterator[None]:
    """No file grows beyond so many bytes while inside."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def unlimited() -> Iterator[None]:
    """Lift the limit while inside."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def left_over(folder: Path) -> list[str]:
    """Names of what is half-written."""
    return [path.name for path in folder.rglob("*") if path.name.endswith((".part", ".growing", ".tmp"))]


def fill_disk(room: int) -> Callable[[Path, str], str]:
    """The attempt with so much room for a file."""

    def attempt(folder: Path, writer: str) -> str:
        try:
            with limited(room):
                WRITERS[writer](folder / "out")
        except (OSError, ReLAIONetError):
            assert left_over(folder) == [], "something half-written is left"
            return "an error in words; nothing is left"
        raise AssertionError("nothing failed")

    return attempt


KILLED = """
import sys, os, signal
from pathlib import Path
from relaionet.manifests.replacing import replacing
if "{signal}" == "SIGHUP":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test run under nohup would not be hung up
with replacing(Path(sys.argv[1]) / "deep" / "table.parquet") as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), signal.{signal})
"""


def end_process(folder: Path, name: str) -> str:
    """A process that is ended while it writes; then another begins in the same folder."""
    out = folder / "run"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "table.parquet").write_bytes(b"before")
    code = KILLED.format(signal=name)
    subprocess.run([sys.executable, "-c", code, str(out)], check=False, stderr=subprocess.DEVNULL)
    with hold_folder(out):
        assert left_over(out) == [], "something half-written is left"
    assert (out / "deep" / "table.parquet").read_bytes() == b"before"
    return "what was there stays; the next run finds nothing half-written"


MUST = "an error the user can act on; no .part is left"
ENDS = {"killed": "SIGKILL", "told to end": "SIGTERM", "Ctrl-C": "SIGINT", "hung up": "SIGHUP", "aborted": "SIGABRT"}
SMALL = {name: name for name in WRITERS}
ATTEMPTS: list[Attempt] = [
    *family("Full disk: no room at all", MUST, fill_disk(0), SMALL),
    *family(
        "Full disk: room for 300 bytes", MUST, fill_disk(300), {name: name for name in WRITERS if name != "credentials"}
    ),
    *family("Ended while writing", "the old file, nothing half-written at the next start", end_process, ENDS),
]
