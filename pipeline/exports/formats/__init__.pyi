from .imagefolder import ImageFolderWriter
from .parquet import ParquetWriter
from .webdataset import WebDatasetWriter

__all__ = [
    "ImageFolderWriter",
    "ParquetWriter",
    "WebDatasetWriter",
]
