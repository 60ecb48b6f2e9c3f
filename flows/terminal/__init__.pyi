from .doctor import check_installation
from .evaluation_plan import plan_lines
from .releases import show_check, show_diff, show_list, show_release
from .review_status import show_status
from .source import preview_source
from .trace import show_trace

__all__ = [
    "check_installation",
    "plan_lines",
    "preview_source",
    "show_check",
    "show_diff",
    "show_list",
    "show_release",
    "show_status",
    "show_trace",
]
