from .comparisons import compare
from .errors import BadInput, Corrupt, Unavailable
from .generators import Generator, load_generator
from .releases import Release, load_release, rebuild
from .runs import curate, evaluate, report
from .scoring import metrics, score
from .splits import Split, load_split
from .version import __version__

__all__ = [
    "BadInput",
    "Corrupt",
    "Generator",
    "Release",
    "Split",
    "Unavailable",
    "__version__",
    "compare",
    "curate",
    "evaluate",
    "load_generator",
    "load_release",
    "load_split",
    "metrics",
    "rebuild",
    "report",
    "score",
]
