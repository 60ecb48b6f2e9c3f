from . import features, generators, metrics, miniature, sampling, scoring
from .protocols import PROTOCOLS, Protocol, Resize, check_comparable, check_made_alike, find_protocol, find_protocols
from .set_labels import add_labels, set_label

__all__ = [
    "PROTOCOLS",
    "Protocol",
    "Resize",
    "add_labels",
    "check_comparable",
    "check_made_alike",
    "features",
    "find_protocol",
    "find_protocols",
    "generators",
    "metrics",
    "miniature",
    "sampling",
    "scoring",
    "set_label",
]
