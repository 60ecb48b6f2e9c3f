from .environment import prepare_environment
from .folder_lock import hold_folder
from .recipes import find_recipe, read_recipe
from .reporter import Reporter
from .run import Run, StageCount
from .run_record import write_run_record
from .runners import make_runner
from .stages import run_shards

__all__ = [
    "Reporter",
    "Run",
    "StageCount",
    "find_recipe",
    "hold_folder",
    "make_runner",
    "prepare_environment",
    "read_recipe",
    "run_shards",
    "write_run_record",
]
