from .checkpoints import check_model_folder, check_weights
from .limits import Limits, ParquetLimits, Refused
from .npy import NpyHeader, read_npy_header
from .packed import open_packed, packing_of
from .parquet import open_parquet
from .parquet_table import read_guarded
from .safetensors import check_safetensors
from .tar import TarMember, walk_tar
from .texts import parse_json, parse_toml, read_bounded, read_toml
from .zips import ZipMember, list_zip, open_member, read_member

__all__ = [
    "Limits",
    "NpyHeader",
    "ParquetLimits",
    "Refused",
    "TarMember",
    "ZipMember",
    "check_model_folder",
    "check_safetensors",
    "check_weights",
    "list_zip",
    "open_member",
    "open_packed",
    "open_parquet",
    "packing_of",
    "parse_json",
    "parse_toml",
    "read_bounded",
    "read_guarded",
    "read_member",
    "read_npy_header",
    "read_toml",
    "walk_tar",
]
