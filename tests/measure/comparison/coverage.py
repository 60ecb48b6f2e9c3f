"""`python -m tests.measure.comparison.coverage [WORLDS]`: how often the intervals of a comparison hold the truth.

Of sets of Gaussian classes drawn anew again and again. The truth of KD and class KD is a closed form; that of the other
measures, which move with the number of pictures, is their mean over all worlds.
"""

from __future__ import annotations

import sys

import numpy as np
import polars as pl

from relaionet.evaluators.comparison.compare import CompareConfig, compare_pair
from relaionet.evaluators.comparison.draws import DrawConfig
from tests.unit.evaluators.comparison.worlds import World

CASES = {
    "20 classes, 2 and 3 pictures, 3 draws": (World(20, 8), (2, 3), 3),
    "20 classes, 3 and 3 pictures, shifted": (World(20, 8, shift=0.4, noise=1.1), (3, 3), 1),
    "6 classes, 12 and 20 pictures, moved by class": (World(6, 12, class_shift=0.3), (12, 20), 2),
    "4 classes, 50 and 50 pictures, shifted": (World(4, 12, shift=0.2), (50, 50), 1),
}
MEASURED = ("KD", "class KD", "FD", "effective rank", "log density", "similarity")


def measure(world: World, per_class: tuple[int, int], draws: int, times: int) -> dict[str, float]:
    """Measure -> share of worlds whose interval holds the truth, 0 to 1."""
    config = CompareConfig(draw=DrawConfig(draws=draws), mix="equal")
    # of measures of either set alone, the first set's
    whole = (pl.col("part") == "") & pl.col("about").is_in(["both", "A"]) & pl.col("metric").is_in(MEASURED)
    rows = pl.concat([compare_pair(*world.draw(per_class, seed), config).rows.filter(whole) for seed in range(times)])
    truth = {"KD": world.kernel_distance(), "class KD": world.class_distance()}
    held = {}
    for metric in MEASURED:
        own = rows.filter(pl.col("metric") == metric).drop_nulls("low")
        answer = truth.get(metric, float(np.mean(own["value"].to_numpy())) if own.height else 0.0)
        if own.height:
            held[metric] = float(own.select(pl.lit(answer).is_between("low", "high").mean()).item())
    return held


def main() -> None:
    """Print a table."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{times} worlds each\n| sets | {' | '.join(MEASURED)} |\n|---|{'---|' * len(MEASURED)}")
    for name, (world, per_class, draws) in CASES.items():
        held = measure(world, per_class, draws, times)
        print(f"| {name} | {' | '.join(f'{held[one]:.1%}' if one in held else '–' for one in MEASURED)} |", flush=True)


if __name__ == "__main__":
    main()
