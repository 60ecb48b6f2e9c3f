from .accuracy import score_accuracy
from .alignment import score_alignment
from .catalogue import METRICS
from .estimate import Estimate
from .frechet import Gaussian, fit_gaussian, frechet_distance, score_frechet
from .frechet_infinity import score_infinity
from .inception_score import score_inception
from .kernel import score_cmmd, score_kernel
from .lookup import explain_metric, find_extra, find_metric, find_metrics, is_lower_better, list_extras
from .metric import Metric, Sides
from .precision_recall import Neighbours, score_neighbours
from .scaled import score_scaled

__all__ = [
    "METRICS",
    "Estimate",
    "Gaussian",
    "Metric",
    "Neighbours",
    "Sides",
    "explain_metric",
    "find_extra",
    "find_metric",
    "find_metrics",
    "fit_gaussian",
    "frechet_distance",
    "is_lower_better",
    "list_extras",
    "score_accuracy",
    "score_alignment",
    "score_cmmd",
    "score_frechet",
    "score_inception",
    "score_infinity",
    "score_kernel",
    "score_neighbours",
    "score_scaled",
]
