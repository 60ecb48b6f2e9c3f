from .dit import DiT, DiTConfig
from .dit_dh import DiTDH, DiTDHConfig
from .imf_dit import ImfDiT, ImfDiTConfig
from .unet import UNet, UNetConfig

__all__ = [
    "DiT",
    "DiTConfig",
    "DiTDH",
    "DiTDHConfig",
    "ImfDiT",
    "ImfDiTConfig",
    "UNet",
    "UNetConfig",
]
