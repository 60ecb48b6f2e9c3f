"""Packed streams of strangers (gzip, bzip2, xz, Zstandard), unpacked piece by piece up to a bounded size."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import Any

from relaionet.manifests.containers.limits import PACKED, Limits, Refused
from relaionet.manifests.escape import message_of

PIECE_BYTES = 1 << 18
# what unpacking alone may hold; xz writes up to 64 MiB for its strongest level
MAX_WINDOW_BYTES = 256 << 20
MAGICS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
LONGEST_MAGIC = 6


def packing_of(start: bytes) -> str | None:
    """gzip, bz2, xz or zstd by the first bytes of a file; None where it is none of them."""
    return next((name for magic, name in MAGICS if start.startswith(magic)), None)


def open_packed(raw: Any, packing: str, packed_bytes: int, limits: Limits = PACKED) -> Any:
    """A stream of what a packed file unpacks to; it can be read and sought forwards.

    Args:
        raw: binary, at its first byte.
        packing: gzip, bz2, xz or zstd.
        packed_bytes: its length.
        limits: how much it may unpack to.

    Raises:
        Refused: as it is read, where it is damaged, cut short or unpacks to more; the message has no file's name and no
            full stop.
    """
    if packing == "zstd":
        import pyarrow as pa

        raw, packing = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), ""
    return _Forward(_Unpacked(raw, packing, limits.most(packed_bytes)), PIECE_BYTES)


class _Forward(io.BufferedReader):
    """A buffered stream that passes over bytes where it is sought forwards."""

    def __init__(self, raw: Any, size: int) -> None:
        super().__init__(raw, size)
        self._at = 0

    def seekable(self) -> bool:
        """True, forwards."""
        return True

    def tell(self) -> int:
        """Bytes passed."""
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """As every stream."""
        data = super().read(size)
        self._at += len(data)
        return data

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        """Pass over what stands before `target`."""
        if whence != io.SEEK_SET or target < self._at:
            raise io.UnsupportedOperation("a packed stream is read forwards only")
        while self._at < target and self.read(min(PIECE_BYTES, target - self._at)):
            pass
        return self._at


class _Unpacked(io.RawIOBase):
    def __init__(self, raw: Any, packing: str, most: int) -> None:
        self._raw, self._packing, self._most = raw, packing, most
        self._given = 0
        self._kept = b""
        self._unpacker: Any = self._start() if packing else None

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill `target` as far as one piece goes."""
        view = memoryview(target).cast("B")
        try:
            data = self._piece(len(view)) if self._packing else bytes(self._raw.read(len(view)))
        except Refused:
            raise
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError) as error:
            raise Refused(f"damaged ({message_of(error, 120)})") from None
        self._given += len(data)
        if self._given > self._most:
            raise Refused(f"it unpacks to more than {self._most:,} bytes")
        view[: len(data)] = data
        return len(data)

    def _start(self) -> Any:
        if self._packing == "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if self._packing == "bz2":
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES)

    def _piece(self, most: int) -> bytes:
        """Some bytes; none at the end."""
        while True:
            unpacker = self._unpacker
            if unpacker.eof:
                self._kept = (unpacker.unused_data or self._raw.read(PIECE_BYTES)).lstrip(b"\0")
                if not self._kept:
                    return b""
                unpacker = self._unpacker = self._start()
            needs = self._packing == "gzip" or unpacker.needs_input
            fresh = self._kept or self._waiting() or (self._raw.read(PIECE_BYTES) if needs else b"")
            self._kept = b"" if needs else fresh
            data = unpacker.decompress(fresh if needs else b"", most)
            if data:
                return bytes(data)
            if not fresh and not unpacker.eof:
                raise Refused("it ends early")

    def _waiting(self) -> bytes:
        return self._unpacker.unconsumed_tail if self._packing == "gzip" else b""
