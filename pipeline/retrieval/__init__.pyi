from .exact import search_exact
from .hashes import HashIndex, near_hashes
from .index import build_index, load_index
from .index_plan import IndexConfig, IndexPlan, plan_index
from .ivf import VectorIndex
from .search import RetrieveConfig, nearest_images, nearest_rows, search_index, search_rows, top_labels
from .searchable_store import SearchStore, open_store
from .shards import VectorShards, as_shards, map_files

__all__ = [
    "HashIndex",
    "IndexConfig",
    "IndexPlan",
    "RetrieveConfig",
    "SearchStore",
    "VectorIndex",
    "VectorShards",
    "as_shards",
    "build_index",
    "load_index",
    "map_files",
    "near_hashes",
    "nearest_images",
    "nearest_rows",
    "open_store",
    "plan_index",
    "search_exact",
    "search_index",
    "search_rows",
    "top_labels",
]
