from .order import PROTOCOL, REPRESENTATIONS, CompareOrder
from .read_sets import ReadSet, is_miniature, open_sets, read_set
from .release import add_to_release, find_compared
from .results import Compared, describe_facts, write_results
from .work import CompareWork

__all__ = [
    "PROTOCOL",
    "REPRESENTATIONS",
    "CompareOrder",
    "CompareWork",
    "Compared",
    "ReadSet",
    "add_to_release",
    "describe_facts",
    "find_compared",
    "is_miniature",
    "open_sets",
    "read_set",
    "write_results",
]
