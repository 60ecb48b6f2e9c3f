from .acceptance import bound_wrong, sample_size
from .calibration import Calibration, read_calibration, uncalibrated
from .calibration_fit import CalibrateConfig, Examples, fit_calibration
from .caption_errors import fit_caption_errors
from .caption_evidence import Evidence, read_evidence
from .propose import ProposeConfig, propose_labels
from .reliability import Reliability, measure_reliability
from .review_budget import RouteConfig, answers_needed, route_rows
from .thresholds import find_thresholds

__all__ = [
    "CalibrateConfig",
    "Calibration",
    "Evidence",
    "Examples",
    "ProposeConfig",
    "Reliability",
    "RouteConfig",
    "answers_needed",
    "bound_wrong",
    "find_thresholds",
    "fit_calibration",
    "fit_caption_errors",
    "measure_reliability",
    "propose_labels",
    "read_calibration",
    "read_evidence",
    "route_rows",
    "sample_size",
    "uncalibrated",
]
