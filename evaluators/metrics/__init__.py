"""Metrics: each a function of stored features, one module for each; `score_generator` computes all of a protocol."""

from relaionet.evaluators.metrics.measure import match_rows, measure_set
from relaionet.evaluators.metrics.scaled import Bounds, find_bounds, score_mmhm
from relaionet.evaluators.metrics.score import REAL, score_generator, score_real

__all__ = ["REAL", "Bounds", "find_bounds", "match_rows", "measure_set", "score_generator", "score_mmhm", "score_real"]
