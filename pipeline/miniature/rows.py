"""The plan of a synthetic world: every LAION-like row, what is wrong with it, and the truth about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from relaionet.pipeline.miniature.captions import write_caption
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, WORLD_SEEDS, rng_of

HOST = "http://miniature.invalid"
# what is wrong with a row -> how many rows of a whole world have it
FAULT_COUNTS = {
    "404": 56, "410": 20, "dead_host": 28, "403": 20, "500": 10, "slow": 4, "cut": 8, "truncated": 14, "html": 14,
    "corrupt": 14, "unsafe": 25, "watermark": 25, "too_small": 25, "word": 40, "clutter": 60, "pair": 40,
    "placeholder": 10, "duplicate": 60, "leak": 40, "long_url": 3, "bad_url": 12, "no_url": 5, "repeated": 30,
}  # fmt: skip
NO_BYTES = ("404", "410", "dead_host", "403", "500", "long_url", "bad_url", "no_url")
KIND_FAULTS = ("word", "clutter", "pair", "placeholder")
CAPTION_ODDS = {"right": 0.62, "wrong": 0.08, "none": 0.18, "ambiguous": 0.12}
LATER_ODDS = {"exact": 0.8, "same_picture": 0.08, "changed": 0.05, "gone": 0.07}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One planned row; see `TRUTH` in world.py for what the fields mean to scoring."""

    name: str
    url: str | None
    caption: str | None
    caption_kind: str
    wnid: str | None
    kind: str
    fault: str | None
    group: int
    seed: int
    size_px: int
    later: str
    copy_of: str | None = None
    other_wnid: str | None = None
    punsafe: float = 0.0
    pwatermark: float = 0.0
    rows_count: int = 1

    @property
    def releasable(self) -> bool:
        """Alive, a proper picture of one class, the largest of its duplicates, and excluded by nothing."""
        return self.fault is None and self.kind == "picture"


def _draw(odds: dict[str, float], rng: Random) -> str:
    return rng.choices(list(odds), weights=list(odds.values()))[0]


def _plain_row(seed: int, index: int, wnid: str, fault: str | None) -> Row:
    """A row that shows a picture of one class; faults are laid over it afterwards."""
    rng = rng_of("row", seed, index)
    name = hashlib.sha256(f"miniature/{seed}/{index}".encode()).hexdigest()[:20]
    caption_kind = _draw(CAPTION_ODDS, rng)
    query = f"?w={rng.randint(200, 900)}" if rng.random() < 0.05 else ""
    return Row(
        name=name, url=f"{HOST}/{name}.jpg{query}", caption=write_caption(caption_kind, wnid, rng), wnid=wnid,
        caption_kind=caption_kind, kind="picture", fault=fault, group=index,
        seed=rng.randrange(WORLD_SEEDS.start, WORLD_SEEDS.stop),
        size_px=rng.choice([112, 128, 128, 144, 160, 192, 224, 256]), later=_draw(LATER_ODDS, rng),
        punsafe=round(rng.betavariate(1, 60), 4), pwatermark=round(rng.betavariate(1, 8) * 0.7, 4),
    )  # fmt: skip


def _bad_url(row: Row, number: int) -> str:
    return (
        f"javascript:alert('{row.name}')", f"ftp://miniature.invalid/{row.name}.jpg",
        f"data:image/jpeg;base64,{row.name}", f"//{row.name}.jpg", f"http:///{row.name}", f"file:///etc/{row.name}",
    )[number % 6]  # fmt: skip


def _spoil(row: Row, number: int) -> Row:
    """Lay the row's fault over it."""
    rng = rng_of("fault", row.name)
    fault = row.fault
    if fault in KIND_FAULTS:
        other = rng.choice([wnid for wnid in CLASSES if wnid != row.wnid]) if fault == "pair" else None
        return replace(row, kind=fault, other_wnid=other, later="exact")
    row = replace(row, later="exact")
    if fault == "dead_host":
        return replace(row, url=f"http://gone-{row.name[:8]}.invalid/{row.name}.jpg")
    if fault == "unsafe":
        return replace(row, punsafe=round(rng.uniform(0.9, 1.0), 4))
    if fault == "watermark":
        return replace(row, pwatermark=round(rng.uniform(0.92, 1.0), 4))
    if fault == "too_small":
        return replace(row, size_px=rng.randint(20, 48))
    if fault == "bad_url":
        return replace(row, url=_bad_url(row, number))
    if fault == "no_url":
        return replace(row, url=None)
    if fault == "long_url":
        return replace(row, url=f"{HOST}/{row.name}/{'a' * 10_000}.jpg")
    return row


def _faulty(seed: int, scale: float, first: int) -> Iterator[Row]:
    index = first
    for fault, count in FAULT_COUNTS.items():
        if fault in ("duplicate", "repeated"):
            continue
        for number in range(round(count * scale)):
            yield _spoil(_plain_row(seed, index, CLASSES[(index * 7) % len(CLASSES)], fault), number)
            index += 1


def _duplicates(seed: int, good: list[Row], count: int, first: int) -> Iterator[Row]:
    """Smaller copies of good rows, elsewhere on the web; every fourth original has two."""
    large = [row for row in good if row.size_px >= 144]
    for number in range(count if large else 0):
        original = large[(number - number // 4) % len(large)]
        copy = _plain_row(seed, first + number, str(original.wnid), "duplicate")
        size_px = int(original.size_px * rng_of("copy", copy.name).uniform(0.62, 0.88))
        yield replace(copy, group=original.group, copy_of=original.name, size_px=size_px, later="exact")


def plan_rows(seed: int, per_class_count: int, faults_scale: float) -> list[Row]:
    """Plan a world.

    Args:
        seed: another seed is another world.
        per_class_count: rows of each class that can be released.
        faults_scale: factor on `FAULT_COUNTS`.

    Returns:
        One entry per distinct URL (rows without one count each), shuffled. A row that stands more than once in the
        source has rows_count > 1.
    """
    good = [
        _plain_row(seed, index, CLASSES[index % len(CLASSES)], None) for index in range(per_class_count * len(CLASSES))
    ]
    order = rng_of("order", seed)
    order.shuffle(good)
    for place in range(min(len(good), round(FAULT_COUNTS["repeated"] * faults_scale))):
        good[place] = replace(good[place], rows_count=2 + (place % 5 == 0))
    faulty = list(_faulty(seed, faults_scale, len(good)))
    copies = round(FAULT_COUNTS["duplicate"] * faults_scale)
    rows = [*good, *faulty, *_duplicates(seed, good, copies, len(good) + len(faulty))]
    order.shuffle(rows)
    return rows
