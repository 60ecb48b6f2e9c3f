"""Strangers' pictures decoded in a process of their own: bytes made to crash, hang or bloat a decoder end there.

The process reads one JSON line per picture and answers with one. The kernel ends it when a picture takes too long or
too much memory; whoever asked gets a status for that picture and a new process for the next.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relaionet.pipeline.child_process import ChildProcess, start_child
from relaionet.pipeline.images.decode import TOO_MUCH_MEMORY, BrokenImage, ImageFacts
from relaionet.pipeline.images.fingerprints import take_phash
from relaionet.pipeline.images.perceptual_hash import phash_hex

# of decoded pixels (4 bytes), a copy turned upright, one in grey, and what a decoder holds besides
BYTES_PER_PIXEL, BASE_BYTES = 24, 1 << 30


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    """What decoding told: the facts, and the perceptual hash (16 hex digits)."""

    facts: ImageFacts
    phash: str


def read_picture(data: bytes, max_pixels: int) -> DecodedPicture:
    """Decode a picture in this process.

    Args:
        data: bytes from anywhere.
        max_pixels: width × height at most.

    Raises:
        BrokenImage: no picture within the limits.
    """
    facts, phash = take_phash(data, max_pixels)
    return DecodedPicture(facts=facts, phash=phash)


class Decoder:
    """A decoding process, started when it is first needed and again after it was ended; for one thread at a time.

    Args:
        max_pixels: width × height at most.
        timeout_s: seconds one picture may take.
    """

    def __init__(self, max_pixels: int, timeout_s: float) -> None:
        self._max_pixels, self._timeout_s = max_pixels, timeout_s
        self._child: ChildProcess | None = None

    def read(self, path: Path) -> DecodedPicture:
        """Decode a file.

        Raises:
            BrokenImage: no picture within the limits, or the decoder came to its end over it.
        """
        answer = self._ask(path)
        if answer is None:
            answer = {"error": self._explain_end()}
        if answer.get("error") == TOO_MUCH_MEMORY:
            self.close()
        if "error" in answer:
            raise BrokenImage(answer["error"])
        return DecodedPicture(facts=ImageFacts(**answer["facts"]), phash=answer["phash"])

    def _ask(self, path: Path) -> dict[str, Any] | None:
        if self._child is None:
            command = [sys.executable, "-P", "-m", __name__, str(self._max_pixels), str(self._timeout_s)]
            self._child = start_child(command, output="read", errors="dropped")
        writer, reader = self._child.writer, self._child.reader
        if writer is None or reader is None:
            raise RuntimeError("the decoding process has no pipes.")
        try:
            writer.write(json.dumps(str(path)).encode() + b"\n")
            writer.flush()
            line = reader.readline()
        except BrokenPipeError:
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def _explain_end(self) -> str:
        child, self._child = self._child, None
        if child is None:
            return "the decoder ended"
        code = child.stop(ask="close", wait_s=None)
        if code == -signal.SIGALRM:
            return f"decoding takes more than {self._timeout_s:g} s"
        if code == -signal.SIGKILL:
            return TOO_MUCH_MEMORY
        return f"the decoder crashed on it (exit code {code})"

    def close(self) -> None:
        """End the process, if there is one."""
        if self._child is not None:
            self._child.stop(ask="close", wait_s=None)
            self._child = None


def _limit_memory(max_pixels: int) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = BASE_BYTES + BYTES_PER_PIXEL * max_pixels
    try:
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    except (ValueError, OSError):  # a system without such limits
        return


def serve_pictures(max_pixels: int, timeout_s: float) -> None:
    """Answer until the pipe closes; the main function of the decoding process."""
    from PIL import Image

    phash_hex(Image.new("RGB", (8, 8)))  # what it needs is loaded before the clock runs
    _limit_memory(max_pixels)
    for line in sys.stdin.buffer:
        # the signal's default action ends the process even inside a decoder's own code
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            picture = read_picture(Path(json.loads(line)).read_bytes(), max_pixels)
            answer: dict[str, Any] = {"facts": asdict(picture.facts), "phash": picture.phash}
        except BrokenImage as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": TOO_MUCH_MEMORY}
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()
        if answer.get("error") == TOO_MUCH_MEMORY:
            return  # what is left of it must not be held against the next picture


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    serve_pictures(int(sys.argv[1]), float(sys.argv[2]))
