from .by_class import score_classes
from .compare import compare_sets
from .influences import Influences, keep_influences, read_influences, write_influences
from .measure import Measured, match_rows, measure_alone, measure_set
from .missing import count_missing
from .score import REAL, Setting, list_scores, score_generator, score_real
from .warnings import find_warnings

__all__ = [
    "REAL",
    "Influences",
    "Measured",
    "Setting",
    "compare_sets",
    "count_missing",
    "find_warnings",
    "keep_influences",
    "list_scores",
    "match_rows",
    "measure_alone",
    "measure_set",
    "read_influences",
    "score_classes",
    "score_generator",
    "score_real",
    "write_influences",
]
