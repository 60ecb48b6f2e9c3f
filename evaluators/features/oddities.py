"""How many pictures of a set a published protocol reads otherwise than they are shown."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, write_json
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.picture import Oddity, find_oddities

FILE = "oddities.json"
WORDS: dict[Oddity, str] = {
    "turned": "shown turned and read as stored",
    "transparent": "transparent and read with the colours beneath",
    "wide": "grey of 16 bits and cut off at 255",
    "managed": "in colours of their own profile, which is ignored",
}


def describe_oddities(paths: Sequence[Path], protocol: Protocol, digest: str, folder: Path) -> tuple[str, ...]:
    """Say for how many pictures a protocol's way of reading files matters.

    Args:
        paths: of the set's pictures.
        protocol: whose `decode` it is.
        digest: of the pictures.
        folder: of the set's features; what was counted is kept there.

    Returns:
        One sentence; none where the protocol reads pictures as they are shown, or all of them are plain.

    Raises:
        BadInput: a file is no picture.
    """
    if protocol.decode == "as shown":
        return ()
    counts = _count_once(paths, digest_of(digest, sorted(WORDS)), folder / FILE)
    told = [f"{counts[name]:,} {words}" for name, words in WORDS.items() if counts.get(name)]
    if not told:
        return ()
    reads = f"protocol {protocol.name} reads files as published code does: of the split's {len(paths):,} pictures"
    return (f"{reads}, {'; '.join(told)}.",)


def _count_once(paths: Sequence[Path], digest: str, file: Path) -> Mapping[Oddity, int]:
    try:
        stored = parse_json(file.read_bytes())
        if stored["digest"] == digest:
            counts: dict[Oddity, int] = stored["counts"]
            return counts
    except (OSError, ValueError, KeyError, TypeError):  # never counted, or not by this version
        pass
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = Counter(name for oddities in pool.map(_find, paths) for name in oddities)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"digest": digest, "counts": dict(found)})
    return found


def _find(path: Path) -> frozenset[Oddity]:
    try:
        return find_oddities(path)
    except (OSError, BrokenImage) as error:
        raise BadInput(f"{path} cannot be decoded as an image: {error}. Build the split again.") from None
