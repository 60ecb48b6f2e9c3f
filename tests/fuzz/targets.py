"""What is fuzzed: a reader, and good files it starts from."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from relaionet.manifests.containers.checkpoints import check_weights
from relaionet.manifests.containers.limits import PICTURES, STREAM
from relaionet.manifests.containers.packed import LONGEST_MAGIC, open_packed, packing_of
from relaionet.manifests.containers.parquet import open_parquet
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.containers.safetensors import check_safetensors
from relaionet.manifests.containers.tar import walk_tar
from relaionet.manifests.containers.texts import parse_json, parse_toml
from relaionet.pipeline.arrays import map_npy, map_npz, read_npy, read_npz
from relaionet.pipeline.tensors import read_weights
from tests.attempts.containers.numbers import checkpoint, state, tensor

FOLDER = Path(tempfile.mkdtemp(prefix="relaionet-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader that is fuzzed.

    Attributes:
        seeds: good files.
        read: given bytes; raises nothing but this project's errors.
        share: of the inputs; slow readers get fewer.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], Any]
    share: float


def on_disk(suffix: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    path = FOLDER / f"input{suffix}"

    def give(data: bytes) -> Any:
        path.write_bytes(data)
        return read(path)

    return give


def tar(kind: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name in ("a.jpg", "b" * 90 + "/" + "c" * 60 + ".jpg", "ü.txt"):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"bytes"))
    return out.getvalue()


def walk_packed(data: bytes) -> int:
    packing = packing_of(data[:LONGEST_MAGIC])
    return 0 if packing is None else sum(1 for _ in walk_tar(open_packed(io.BytesIO(data), packing, len(data))))


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(write: Callable[..., None]) -> bytes:
    out = io.BytesIO()
    write(out, arr_0=np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3), mu=np.ones(3), name=np.array(["a", "bc"]))
    return out.getvalue()


def both_arrays(path: Path) -> Any:
    map_npz(path, "arr_0")
    return read_npz(path)


def parquet(**options: Any) -> bytes:
    out = io.BytesIO()
    table = pa.table({
        "url": [f"http://a/{n % 7}" for n in range(60)], "list": [[n, n] for n in range(60)],
        "image": [{"bytes": b"x" * n, "path": None} for n in range(60)],
    })  # fmt: skip
    pq.write_table(table, out, row_group_size=25, **options)
    return out.getvalue()


def all_batches(path: Path) -> int:
    read_guarded(path)
    rows = 0
    for limits, source in ((PICTURES, path), (STREAM, path.open("rb"))):
        with open_parquet(source, limits, dictionaries=True) as file:
            rows += sum(batch.num_rows for batch in file.batches(16, file.schema.names))
    return rows


def tensors() -> bytes:
    about = json.dumps(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"k": "v"}}
    ).encode()
    return len(about).to_bytes(8, "little") + about + bytes(8)


TOML = b'a = 1\n[b.c]\nd = ["x", {e = 1.5}]\nf = """g\\n"""\n[[h]]\ni = 2020-01-01\n'
TARGETS = {
    "tar": Target(
        seeds=[tar(kind) for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)],
        read=lambda data: list(walk_tar(io.BytesIO(data))), share=0.3,
    ),
    "packed": Target(
        seeds=[pack(tar(tarfile.USTAR_FORMAT)) for pack in (gzip.compress, bz2.compress, lzma.compress)],
        read=walk_packed, share=0.1,
    ),
    "json": Target(seeds=[b'{"a": [1, 2.5, {"b": "c\\u00fc"}], "d": null}'], read=parse_json, share=0.24),
    "toml": Target(seeds=[TOML], read=lambda data: parse_toml(data.decode("utf-8", "replace")), share=0.1),
    "npy": Target(
        seeds=[npy(np.ones((2, 3))), npy(np.array(["a", "bc"])), npy(np.asfortranarray(np.ones((3, 2), np.float16)))],
        read=on_disk(".npy", lambda path: (map_npy(path), read_npy(path))), share=0.08,
    ),
    "npz": Target(seeds=[npz(np.savez), npz(np.savez_compressed)], read=on_disk(".npz", both_arrays), share=0.05),
    "pickle": Target(
        seeds=[checkpoint(state(tensor()), **{"0": bytes(16)})], read=on_disk(".pt", check_weights), share=0.05
    ),
    "safetensors": Target(seeds=[tensors()], read=on_disk(".safetensors", check_safetensors), share=0.06),
    "weights": Target(
        seeds=[checkpoint(state(tensor()), **{"0": bytes(16)})], read=on_disk(".pt", read_weights), share=0.01
    ),
    "parquet": Target(
        seeds=[parquet(), parquet(compression="zstd", data_page_version="2.0"), parquet(use_dictionary=False)],
        read=on_disk(".parquet", all_batches), share=0.01,
    ),
}  # fmt: skip
