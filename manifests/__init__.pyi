from . import release, tables
from .class_groups import ClassGroup, groups_by_wnid, read_class_groups
from .errors import BadInput, Corrupt, ReLAIONetError, Unavailable
from .files import digest_of, file_sha256, read_json, write_atomic, write_json
from .labels import Label, find_label, labels_by_wnid, labels_table, read_labels
from .store import Receipt, Store

__all__ = [
    "BadInput",
    "ClassGroup",
    "Corrupt",
    "Label",
    "ReLAIONetError",
    "Receipt",
    "Store",
    "Unavailable",
    "digest_of",
    "file_sha256",
    "find_label",
    "groups_by_wnid",
    "labels_by_wnid",
    "labels_table",
    "read_class_groups",
    "read_json",
    "read_labels",
    "release",
    "tables",
    "write_atomic",
    "write_json",
]
