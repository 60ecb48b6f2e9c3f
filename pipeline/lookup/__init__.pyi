from .compare import compare_addresses
from .near import search_service, search_stores
from .places import LookupConfig, Places, sort_places
from .settle import add_addresses, settle_lookup

__all__ = [
    "LookupConfig",
    "Places",
    "add_addresses",
    "compare_addresses",
    "search_service",
    "search_stores",
    "settle_lookup",
    "sort_places",
]
