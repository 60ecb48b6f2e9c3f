from .errors import ErrorsAsText
from .main import COMMANDS
from .options import lazy_group, start

__all__ = [
    "COMMANDS",
    "ErrorsAsText",
    "lazy_group",
    "start",
]
