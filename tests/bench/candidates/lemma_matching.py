"""[lemma_matching] Captions per second: LAIONet's rule as a loop over captions and lemmas, and ours, by both rules.

There are two loops: one as LAIONet wrote it, and a tighter one that pads its lemmas once. They are timed on a part:
their time per caption does not depend on how many there are. The captions are the real alt texts of ../shared/real
where they are, words of them put together anew, and made ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.lemma_match import name_classes
from tests.bench.candidates.laionet_loop import loop_matches, made_captions, tight_loop_matches
from tests.bench.row import Row

REAL_ROWS = Path(__file__).resolve().parents[5] / "shared" / "real" / "rows.parquet"
CAPTIONS_COUNT, BATCH_ROWS, MADE_COUNT, LOOP_COUNT = 500_000, 131_072, 15_000, 3_000
REPEATS = 8
ORDINARY = "the of and new vintage with Photo by NEW 2014 great white for in Women Black Stock - | Home Print".split()  # noqa: SIM905


def read_captions() -> list[str]:
    """The real alt texts; made captions where they are not at hand."""
    if REAL_ROWS.is_file():
        return pl.read_parquet(REAL_ROWS)["TEXT"].drop_nulls().to_list()
    return made_captions(10_000, ORDINARY, seed=1)


def many_captions(known: list[str], count: int) -> pl.Series:
    """The known captions once, then new ones of the same lengths and words, so that no cache sees a caption twice."""
    random = Random(0)
    words = [word for caption in known for word in caption.split()]
    lengths = [len(caption.split()) for caption in known]
    made = (" ".join(random.choices(words, k=random.choice(lengths))) for _ in range(count - len(known)))
    return pl.Series([*known, *made])


def batches(captions: pl.Series, rows: int) -> list[pl.Series]:
    return [captions[start : start + rows] for start in range(0, captions.len(), rows)]


def per_second(work: Callable[[pl.Series], object], parts: list[pl.Series], best: dict[int, float]) -> float:
    """Captions per second over all parts, each at its best of the calls so far."""
    for place, part in enumerate(parts):
        started = time.perf_counter()
        work(part)
        best[place] = min(best.get(place, float("inf")), time.perf_counter() - started)
    return sum(part.len() for part in parts) / sum(best.values())


def same_matches(captions: list[str]) -> int:
    """How many captions name the same classes by our rule `laionet` and by both loops."""
    table = name_classes(pl.Series(captions), "laionet")
    ours = [({one} if one else set()) | set(two) for one, two in table.select("wnid", "other_wnids").iter_rows()]
    loops = zip(loop_matches(captions), tight_loop_matches(captions), strict=True)
    return sum(plain == tight and wnids == plain[1] for wnids, (plain, tight) in zip(ours, loops, strict=True))


def measure() -> list[Row]:
    real = read_captions()
    checked = real + made_captions(MADE_COUNT, [word for caption in real[:2000] for word in caption.split()])
    same = same_matches(checked)
    many = batches(many_captions(real, CAPTIONS_COUNT), BATCH_ROWS)
    some = batches(pl.Series(Random(1).sample(real, min(LOOP_COUNT, len(real)))), LOOP_COUNT // 10)
    works = (loop_matches, tight_loop_matches, name_classes, lambda part: name_classes(part, "laionet"))
    best: list[dict[int, float]] = [{} for _ in works]
    for _ in range(REPEATS):
        loop, tight, ours, laionet = (
            per_second(work, some if place < 2 else many, best[place]) for place, work in enumerate(works)
        )
    lemmas = sum(len(label.lemmas) for label in read_labels())
    peer = f"captions/s (LAIONet's rule as a loop over {lemmas:,} lemmas"
    return [
        Row(name="lemma_matching", ours=ours, peer=loop, goal=">=300", unit=f"{peer})"),
        Row(name="lemma_matching_laionet", ours=laionet, peer=loop, goal=">=300", unit=f"{peer})"),
        Row(name="lemma_matching_tight", ours=ours, peer=tight, goal=">=100", unit=f"{peer} padded once)"),
        Row(name="lemma_matching_laionet_tight", ours=laionet, peer=tight, goal=">=100", unit=f"{peer} padded once)"),
        Row(name="lemma_matching_speed", ours=ours, peer=1e6, goal=">=1", unit="captions/s (bound)"),
        Row(name="lemma_matching_same", ours=same, peer=len(checked), goal=">=1", unit="captions with equal matches"),
    ]
