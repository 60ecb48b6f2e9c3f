from . import charts, evaluation
from .candidates import write_candidates_report
from .class_counts import count_classes
from .proposals import write_proposals_report
from .review import write_review_report
from .screens import write_screens_page
from .thumbnails import make_thumbnail

__all__ = [
    "charts",
    "count_classes",
    "evaluation",
    "make_thumbnail",
    "write_candidates_report",
    "write_proposals_report",
    "write_review_report",
    "write_screens_page",
]
