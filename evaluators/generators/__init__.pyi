from . import adapters, flow_maps
from .ask import ask_generator, check_image
from .catalogue import About, catalogue_names, find_entry
from .check import check_generator
from .dry_run import DryRun
from .protocol import Foreseen, Generated, Generator, GeneratorDied, Info, Request, Settings, check_settings, make_info
from .registry import list_generators, load_generator
from .requests import check_classes, make_requests, make_seed

__all__ = [
    "About",
    "DryRun",
    "Foreseen",
    "Generated",
    "Generator",
    "GeneratorDied",
    "Info",
    "Request",
    "Settings",
    "adapters",
    "ask_generator",
    "catalogue_names",
    "check_classes",
    "check_generator",
    "check_image",
    "check_settings",
    "find_entry",
    "flow_maps",
    "list_generators",
    "load_generator",
    "make_info",
    "make_requests",
    "make_seed",
]
