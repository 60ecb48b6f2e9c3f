from . import formats
from .features import arrow_schema, class_names
from .pictures import ExportedPicture, read_pictures

__all__ = [
    "ExportedPicture",
    "arrow_schema",
    "class_names",
    "formats",
    "read_pictures",
]
