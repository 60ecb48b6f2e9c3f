from . import backbones
from .checkpoints import CheckpointConfig, load_weights
from .codecs import Codec, CodecConfig, load_codec
from .dormand_prince import integrate
from .flax_checkpoints import read_flax
from .flax_conversion import convert_checkpoint
from .networks import BACKBONES
from .sampler import sample_flow_map
from .spec import FlowMapSpec, make_grid

__all__ = [
    "BACKBONES",
    "CheckpointConfig",
    "Codec",
    "CodecConfig",
    "FlowMapSpec",
    "backbones",
    "convert_checkpoint",
    "integrate",
    "load_codec",
    "load_weights",
    "make_grid",
    "read_flax",
    "sample_flow_map",
]
