from . import (
    adoption,
    candidates,
    captions,
    downloads,
    embeddings,
    exports,
    images,
    miniature,
    neighbours,
    proposals,
    retrieval,
    screens,
    sources,
    splits,
)
from .child_process import ChildProcess, run_to_end, start_child
from .declared import find_declared
from .factories import call_factory, find_factory
from .hub import fetch_snapshot, parse_address, push_folder
from .machine import find_home, memory_budget, peak_memory_bytes
from .settings import build

__all__ = [
    "ChildProcess",
    "adoption",
    "build",
    "call_factory",
    "candidates",
    "captions",
    "downloads",
    "embeddings",
    "exports",
    "fetch_snapshot",
    "find_declared",
    "find_factory",
    "find_home",
    "images",
    "memory_budget",
    "miniature",
    "neighbours",
    "parse_address",
    "peak_memory_bytes",
    "proposals",
    "push_folder",
    "retrieval",
    "run_to_end",
    "screens",
    "sources",
    "splits",
    "start_child",
]
