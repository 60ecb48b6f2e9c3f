from .command import CommandGenerator, make_command
from .diffusers import DiffusersGenerator, make_diffusers
from .flow_map import make_flow_map
from .http import HttpGenerator, make_http
from .python import make_python
from .samples import SampleImages, make_samples

__all__ = [
    "CommandGenerator",
    "DiffusersGenerator",
    "HttpGenerator",
    "SampleImages",
    "make_command",
    "make_diffusers",
    "make_flow_map",
    "make_http",
    "make_python",
    "make_samples",
]
