from .fetched import fetch_all, gather_addresses
from .near import find_all_near
from .order import LookupOrder, LookupWork, open_lookup
from .settled import compare_all, release_found, settle_all
from .sought import embed_all_sought, write_sought

__all__ = [
    "LookupOrder",
    "LookupWork",
    "compare_all",
    "embed_all_sought",
    "fetch_all",
    "find_all_near",
    "gather_addresses",
    "open_lookup",
    "release_found",
    "settle_all",
    "write_sought",
]
