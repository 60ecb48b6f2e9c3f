"""Arrays, zips and weights that ask for far more room than they take."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relaionet.evaluators.features.statistics import read_statistics
from relaionet.evaluators.generators.sample_files import look_into_npz
from relaionet.evaluators.generators.weights import read_tensors
from relaionet.pipeline.arrays import map_npy
from tests.attempts.containers.trying import refused


def npy(shape: str, descr: str = "'<f8'", data: bytes = b"") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


ARRAYS = [
    ("a shape of 10^15", "(10**15,)", npy("(1000000000000000,)")),
    ("a shape below 0", "(-1,)", npy("(-1,)", data=bytes(64))),
    ("a shape that overflows", "(2**40, 2**40)", npy(f"({2**40}, {2**40})")),
    ("a shape of parentheses", "((((…", npy("(" * 2000 + ")" * 2000)),
    ("items of 1 GB", "V1000000000", npy("(8,)", "'|V1000000000'")),
    ("objects", "|O", npy("(1,)", "'|O'", pickle.dumps([1]))),
    ("records", "[('a', '<f8')]", npy("(1,)", "[('a', '<f8')]", bytes(8))),
    ("a type that is none", "z9", npy("(1,)", "'z9'", bytes(9))),
    ("a header of 4 GiB", "length = 2^32 - 1", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100)),
    ("a header that runs code", "__import__('os')", npy("__import__('os')")),
    ("cut short", "8 bytes of 80", npy("(10,)", data=bytes(8))),
]


def zipped(packed: bool = True, **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def archives() -> Iterator[tuple[str, str, bytes]]:
    for name, shown, data in ARRAYS:
        yield f"npz: {name}", shown, zipped(mu=data, arr_0=data)
    zeros = npy("(4096, 8192)", data=bytes(4096 * 8192 * 8))
    bomb = zipped(mu=zeros, sigma=zeros, arr_0=zeros)
    yield "npz: 800 MB of zeros in 0.8 MB", "zeros", bomb
    good = zipped(False, mu=npy("(1,)", data=bytes(8)), sigma=npy("(1, 1)", data=bytes(8)))
    at = good.rfind(b"PK\x05\x06")
    yield "npz: a list of 4 GiB", "size of the list = 2^32 - 1", good[: at + 12] + b"\xff" * 4 + good[at + 16 :]
    entry = good.find(b"PK\x01\x02")
    yield "npz: a member of 4 GiB", "size = 2^32 - 2", good[: entry + 24] + b"\xfe\xff\xff\xff" + good[entry + 28 :]
    yield "npz: a member elsewhere", "offset = 2^31", good[: entry + 42] + b"\0\0\0\x80" + good[entry + 46 :]
    second = good.find(b"PK\x01\x02", entry + 1)
    yield "npz: members on each other", "both at 0", good[: second + 42] + bytes(4) + good[second + 46 :]
    yield "npz: encrypted", "flag 1", good[: entry + 8] + b"\1\0" + good[entry + 10 :]
    yield "npz: cut in half", "half of it", good[: len(good) // 2]
    yield "npz: no zip", "PK", b"PK" * 100


def checkpoint(state: bytes, **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", state)
        archive.writestr("a/byteorder", b"little")
        archive.writestr("a/version", b"3\n")
        for name, data in members.items():
            archive.writestr(f"a/data/{name}", data)
    return out.getvalue()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def call(module: str, name: str, arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + arguments + b"tR"


def tensor(storage: int = 4, sizes: bytes = b"K\x01\x85", strides: bytes = b"K\x01\x85", key: str = "0") -> bytes:
    stored = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    stored += b"J" + struct.pack("<i", storage) + b"tQ"
    made = call("collections", "OrderedDict", b"")
    return call("torch._utils", "_rebuild_tensor_v2", stored + b"K\x00" + sizes + strides + b"\x89" + made)


def state(value: bytes) -> bytes:
    return b"\x80\x02}" + text("a") + value + b"s."


HUGE = b"\x8a\x05" + (1 << 36).to_bytes(5, "little")
NUL = bytes(16)


def weights() -> Iterator[tuple[str, str, bytes]]:
    yield "a bytearray of 64 GiB", "bytearray(2**36)", checkpoint(state(call("builtins", "bytearray", HUGE)))
    yield "os.system", "os.system('id')", checkpoint(state(call("os", "system", text("id"))))
    yield "a call of torch itself", "torch.load('x')", checkpoint(state(call("torch", "load", text("x"))))
    far = tensor(sizes=HUGE + b"\x85", strides=b"K\x00\x85")
    yield "one number seen 2^36 times", "stride 0", checkpoint(state(far), **{"0": NUL})
    yield "a tensor beyond its storage", "size 9 of 4", checkpoint(state(tensor(sizes=b"K\x09\x85")), **{"0": NUL})
    yield "a storage of 4 GB", "numel = 10^9", checkpoint(state(tensor(10**9)), **{"0": NUL})
    yield "a storage that is missing", "data/1", checkpoint(state(tensor(key="1")), **{"0": NUL})
    yield "a storage shorter than it says", "numel = 4", checkpoint(state(tensor()), **{"0": NUL[:4]})
    yield "a dict that holds itself", "a = {'a': a}", checkpoint(b"\x80\x02}q\x00" + text("a") + b"h\x00s.")
    laughs = (
        b"\x80\x02}"
        + text("a")
        + b"]q\x00"
        + b"".join(b"]q" + bytes([n + 1]) + b"h" + bytes([n]) + b"ah" + bytes([n]) + b"a" for n in range(40))
    )
    yield "lists of lists, doubled 40 times", "a = [b, b], b = [c, c], …", checkpoint(laughs + b"s.")
    yield "lists a thousand deep", "[[[[…", checkpoint(b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b".")
    yield "a pickle cut short", "80 02 7d", checkpoint(b"\x80\x02}")
    yield "a text of 2^63 bytes", "BINUNICODE8", checkpoint(b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.")
    yield "a plain pickle", "pickle of os.system", pickle.dumps(print)
    yield "an older form with a storage of 4 GB", "magic, …", older()
    yield "a tar, as the oldest form was", "storages", b"storages" + bytes(2000)


def older() -> bytes:
    front = b"".join(pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {}))
    return front + state(tensor(10**9)) + pickle.dumps(["0"], 2) + bytes(100)


def safetensors() -> Iterator[tuple[str, str, bytes]]:
    yield "a header of 2^63 bytes", "length = 2^63", struct.pack("<Q", 1 << 63) + b"{}"
    yield "a header of lists", "[[[[…", struct.pack("<Q", 100_000) + b"[" * 100_000
    for name, about in (
        ("a tensor of 8 TB", '{"a":{"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]}}'),
        ("a tensor that ends before it begins", '{"a":{"dtype":"U8","shape":[1],"data_offsets":[4,0]}}'),
        ("a shape below 0", '{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}'),
        ("a type that is none", '{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,1]}}'),
    ):
        yield name, about, struct.pack("<Q", len(about)) + about.encode() + bytes(8)
    double = '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'
    yield "tensors on each other", double, struct.pack("<Q", len(double)) + double.encode() + bytes(8)


def read(path: Path) -> Any:
    return read_tensors(path, "attempt")


ATTEMPTS = [
    *refused("containers: arrays", "rows", map_npy, "a.npy", ARRAYS),
    *refused("containers: arrays", "statistics", read_statistics, "a.npz", archives()),
    *refused("containers: arrays", "samples", look_into_npz, "a.npz", archives()),
    *refused("containers: weights", "a checkpoint", read, "a.pt", weights()),
    *refused("containers: weights", "safetensors", read, "a.safetensors", safetensors()),
]
