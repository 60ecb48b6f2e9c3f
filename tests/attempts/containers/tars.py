"""Tars whose headers lie."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.sample_files import look_into
from relaionet.pipeline.images.webdataset import find_shards, read_samples
from tests.attempts.containers.trying import refused

KIND = "containers: tar"


def header(name: bytes = b"a.jpg", size: bytes = b"00000000001\0", kind: bytes = b"0") -> bytes:
    """A header with a right checksum."""
    head = bytearray(512)
    head[: len(name)] = name
    head[124:136] = size
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
    return bytes(head)


def packed(text: bytes) -> bytes:
    return text + bytes(-len(text) % 512)


def pax(*lines: bytes) -> bytes:
    body = b"".join(lines)
    return header(b"pax", b"%011o\0" % len(body), b"x") + packed(body)


def plain() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size = 700
        archive.addfile(info, io.BytesIO(b"x" * 700))
    return out.getvalue()


END = bytes(1024)
HOSTILE = [
    ("a size of -512", r"size = \xff…\xfe\x00", header(size=b"\xff" * 10 + b"\xfe\x00") + END),
    ("a size of -1", r"size = \xff × 12", header(size=b"\xff" * 12) + END),
    ("a size with a minus", "size = -0000000777", header(size=b"-0000000777\0") + END),
    ("a size of 2^88", r"size = \x80\xff…", header(size=b"\x80" + b"\xff" * 11) + END),
    ("a size beyond the end", "size = 77777777777", header(size=b"77777777777\0") + END),
    ("a size of digits that are none", "size = 00000000089", header(size=b"00000000089\0") + END),
    ("a size of -1 in pax", "12 size=-1", pax(b"11 size=-1\n") + header() + packed(b"x") + END),
    ("a size of 10^18 in pax", "size=10^18", pax(b"28 size=1000000000000000000\n") + header() + END),
    ("a pax line of length 0", "0 a=b", pax(b"0 a=b\n") + header() + END),
    ("a pax line longer than all", "99999 a=b", pax(b"99999 a=b\n") + header() + END),
    ("a pax header of 64 GiB", "size of x = 2^36", header(b"pax", b"777777777777", b"x") + END),
    ("a long name of 8 GiB", "size of L = 2^33", header(b"long", b"77777777777\0", b"L") + END),
    ("a thousand long names in a row", "L L L …", (header(b"l", b"00000000002\0", b"L") + packed(b"n\0")) * 1000 + END),
    ("a thousand pax headers in a row", "x x x …", pax(b"8 a=bcd\n") * 1000 + END),
    ("an old sparse member without end", "S, isextended", header(kind=b"S")[:482] + b"\1" + bytes(29) + END),
    ("a checksum that is wrong", "chksum + 1", plain()[:150] + b"7" + plain()[151:]),
    ("cut within a header", "300 bytes", plain()[:300]),
    ("cut within a member", "600 bytes", plain()[:600]),
    ("nothing", "", b""),
    ("no tar", "<html>…", b"<html>" * 500),
]  # fmt: skip


def read_shard(path: Path) -> list[Any]:
    return list(read_samples(find_shards(str(path), 1)[0]))


def read_tar_samples(path: Path) -> Any:
    return look_into(path, None)


def bombs() -> Iterator[tuple[str, str, bytes]]:
    head = header(b"a.png", b"07777777777\0")
    yield "1 GiB of zeros in 1 MB of gzip", "size = 2^30 - 1", gzip.compress(head + bytes(1 << 29), 9)
    yield "512 MiB of zeros in xz", "size = 2^30 - 1", lzma.compress(head + bytes(1 << 29), preset=1)
    yield "gzip that is cut short", r"\x1f\x8b…", gzip.compress(plain())[:-30]
    yield "gzip of nothing that is a tar", r"\x1f\x8b…", gzip.compress(b"no tar" * 500)
    yield "gzip in gzip", r"\x1f\x8b\x1f\x8b…", gzip.compress(gzip.compress(plain()))


ATTEMPTS = [
    *refused(KIND, "pictures to embed", read_shard, "a.tar", HOSTILE),
    *refused(KIND, "samples", read_tar_samples, "a.tar", HOSTILE),
    *refused(KIND, "samples", read_tar_samples, "a.tar.gz", bombs()),
]
