"""`python -m tests.fuzz.mutate TARGET COUNT SEED`: good files changed by chance, given to a reader."""

from __future__ import annotations

import random
import re
import resource
import shutil
import signal
import sys
from pathlib import Path

from relaionet.manifests.errors import ReLAIONetError
from tests.fuzz.targets import FOLDER, TARGETS

# of one input
MOST_S = 20
MOST_BYTES = 4 << 30
ODD = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"-",
    b"[",
    b"{",
    b'"',
    b"9",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
)


def changed(seeds: list[bytes], dice: random.Random) -> bytes:
    """A seed with a few changes: bytes replaced, taken away, doubled, or put in from another."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        place, length = dice.randrange(len(data) + 1), dice.choice((1, 1, 2, 4, 8, 40))
        what = dice.randrange(6)
        if what == 0 and data:
            data[place % len(data)] ^= 1 << dice.randrange(8)
        elif what == 1:
            odd = dice.choice(ODD)
            data[place : place + len(odd)] = odd
        elif what == 2:
            del data[place : place + length]
        elif what == 3:
            data[place:place] = data[place : place + length] * dice.choice((1, 2, 50))
        elif what == 4:
            other = dice.choice(seeds)
            start = dice.randrange(len(other) + 1)
            data[place : place + length] = other[start : start + length]
        else:
            data[place : place + length] = dice.randbytes(length)
    return bytes(data[: 1 << 20])


def fuzz(name: str, count: int, seed: int) -> int:
    """Give `count` inputs; how many were read to their end.

    Raises:
        BaseException: what a reader raised that is no error of this project; its input is printed.
    """
    target, dice, read = TARGETS[name], random.Random(seed), 0
    for _ in range(count):
        data = changed(list(target.seeds), dice)
        signal.setitimer(signal.ITIMER_PROF, MOST_S)
        try:
            target.read(data)
            read += 1
        except ReLAIONetError:
            continue
        except BaseException:
            sys.stderr.write(f"{name}: {data[:4000].hex()}\n")
            raise
    signal.setitimer(signal.ITIMER_PROF, 0)
    return read


def peak_kib() -> int:
    """Most memory this process held, KiB; the count the kernel hands on at a start holds the starter's too."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    try:
        print(fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), peak_kib())
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
