from .build import build_split, carry_out, read_split
from .card import write_split_card
from .export import ExportConfig, export_split
from .facts import cite_split, describe_split
from .hub_release import fetch_release
from .local_images import collect_images
from .plan import POLICIES, SplitConfig, SplitPlan, plan_split
from .vectors import make_vectors, read_vectors
from .verdicts import VERDICTS, VerdictConfig, compare_pictures, judge_rows

__all__ = [
    "POLICIES",
    "VERDICTS",
    "ExportConfig",
    "SplitConfig",
    "SplitPlan",
    "VerdictConfig",
    "build_split",
    "carry_out",
    "cite_split",
    "collect_images",
    "compare_pictures",
    "describe_split",
    "export_split",
    "fetch_release",
    "judge_rows",
    "make_vectors",
    "plan_split",
    "read_split",
    "read_vectors",
    "write_split_card",
]
