from .folder_search import search_folder
from .queries import NeighboursConfig, Query, embed_queries, make_queries
from .service import RetrievalService
from .service_search import search_neighbours

__all__ = [
    "NeighboursConfig",
    "Query",
    "RetrievalService",
    "embed_queries",
    "make_queries",
    "search_folder",
    "search_neighbours",
]
