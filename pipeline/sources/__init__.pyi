from .files import SourceFile, list_files
from .parquet import read_parquet
from .read import Source, open_source, read_batches
from .schemas import SourceSchema, get_schema, list_schemas, read_schema
from .text import read_text

__all__ = [
    "Source",
    "SourceFile",
    "SourceSchema",
    "get_schema",
    "list_files",
    "list_schemas",
    "open_source",
    "read_batches",
    "read_parquet",
    "read_schema",
    "read_text",
]
