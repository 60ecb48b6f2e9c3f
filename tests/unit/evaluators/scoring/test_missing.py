"""Images that a set has not are counted from the scores alone."""

from __future__ import annotations

import polars as pl

from relaionet.evaluators.scoring.missing import count_missing
from relaionet.evaluators.scoring.score import REAL, score_generator, score_real
from relaionet.manifests.tables import SCORES
from tests.unit.evaluators.scoring.test_score import make_set


def test_every_set_says_how_many_images_it_lacks() -> None:
    whole, real = make_set(200, seed=1), make_set(200)
    parts = [
        score_real(real, "s"),
        score_generator(whole, real, generator="whole", split="s", steps=4, guidance=2.0),
        score_generator(whole.take(range(199)), real, generator="less one", split="s"),
        score_generator(whole.take(range(50)), real, generator="less", split="s"),
    ]
    scores = pl.concat(parts)
    assert count_missing(scores) == {"whole, 4 steps, guidance 2": 0, "less one": 1, "less": 150}
    # an evaluation without the real images' scores: the largest set is taken to be whole
    assert count_missing(scores.filter(pl.col("generator") != REAL))["less"] == 150
    assert count_missing(SCORES.empty()) == {}
