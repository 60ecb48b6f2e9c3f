from . import formats
from .card import write_export_card, write_export_croissant
from .features import arrow_schema, class_names
from .format import ExportFormat, Writer
from .pictures import ExportedPicture, read_pictures
from .registry import get_format, list_formats

__all__ = [
    "ExportFormat",
    "ExportedPicture",
    "Writer",
    "arrow_schema",
    "class_names",
    "formats",
    "get_format",
    "list_formats",
    "read_pictures",
    "write_export_card",
    "write_export_croissant",
]
