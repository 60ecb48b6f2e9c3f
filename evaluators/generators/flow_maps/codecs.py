"""From what a network samples to pixels: pixels themselves, an SD-VAE's latents, or a representation autoencoder's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from relaionet.manifests.errors import BadInput

Decode = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """How states become pixels.

    Attributes:
        kind: `pixel`: the state is the image, -1 to 1; `sd-vae`: latents of an AutoencoderKL; `rae`: of an
            AutoencoderRAE, which knows its own mean and deviation.
        model: of the autoencoder: a folder relative to the TOML file, or `owner/name` on the Hub.
        subfolder: of it in the model.
        revision: branch, tag or commit on the Hub.
        scale: latents are divided by it before they are decoded.
        mean: of each channel, added after that; empty adds nothing.
        std: of each channel, multiplied before that; empty multiplies by nothing.
        image_size_px: side of the image; the state's where 0.
    """

    kind: Literal["pixel", "sd-vae", "rae"] = "pixel"
    model: str = ""
    subfolder: str = ""
    revision: str = ""
    scale: float = 1.0
    mean: tuple[float, ...] = field(default=())
    std: tuple[float, ...] = field(default=())
    image_size_px: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("pixel", "sd-vae", "rae"):
            raise BadInput(f"codec: kind is '{self.kind}'; expected pixel, sd-vae or rae.")
        if self.kind != "pixel" and not self.model:
            raise BadInput(f"codec: '{self.kind}' needs a model.")
        if self.scale <= 0 or len(self.mean) != len(self.std):
            raise BadInput("codec: scale must be above 0, and mean and std must have one number per channel each.")


@dataclass(frozen=True, kw_only=True)
class Codec:
    """Decodes states.

    Attributes:
        config: which autoencoder, and how its latents are scaled.
        decode: `[N, C, h, w]` states -> `[N, 3, H, W]` float pixels, about -1 to 1.
        source: what the autoencoder is, in words; empty for pixels.
    """

    config: CodecConfig
    decode: Decode
    source: str = ""


def load_codec(config: CodecConfig, channels: int, device: str, base: Path, where: str) -> Codec:
    """Load a codec.

    Args:
        config: which autoencoder, and how its latents are scaled.
        channels: of the state.
        device: torch device.
        base: folder of the generator's file.
        where: names the generator in errors.

    Raises:
        BadInput: the model is not there or is of another kind, or the channels do not fit.
        Unavailable: the Hub does not answer.
    """
    if config.kind == "pixel":
        if channels != 3:
            raise BadInput(f"{where}: a state of {channels} channels needs a [codec]; only 3 is pixels.")
        return Codec(config=config, decode=lambda state: state)
    from relaionet.evaluators.generators.diffusers_loading import find_model, load_part

    place, source = find_model(config.model, config.revision, base, where, config.subfolder, is_part=True)
    kind = {"sd-vae": "AutoencoderKL", "rae": "AutoencoderRAE"}[config.kind]
    model = load_part(kind, place, config.subfolder, where).eval().requires_grad_(False).to(device)
    if config.mean and len(config.mean) != channels:
        raise BadInput(f"{where}: [codec] mean has {len(config.mean)} numbers for {channels} channels.")
    decode = _decode_rae(model) if config.kind == "rae" else _decode_vae(model, config, device)
    return Codec(config=config, decode=decode, source=f"{kind} {source}")


def _decode_vae(model: Any, config: CodecConfig, device: str) -> Decode:
    shape = (1, -1, 1, 1)
    mean = torch.tensor(config.mean or (0.0,), device=device).reshape(shape)
    std = torch.tensor(config.std or (1.0,), device=device).reshape(shape)

    def decode(state: torch.Tensor) -> torch.Tensor:
        pixels: torch.Tensor = model.decode(state / config.scale * std + mean).sample
        return pixels

    return decode


def _decode_rae(model: Any) -> Decode:
    def decode(state: torch.Tensor) -> torch.Tensor:
        pixels: torch.Tensor = model.decode(state).sample  # 0 to 1
        return 2 * pixels - 1

    return decode


def quantise(pixels: torch.Tensor, how: Literal["round", "truncate"]) -> torch.Tensor:
    """Pixels in -1 to 1 as bytes.

    Args:
        pixels: `[N, 3, H, W]` float.
        how: `round` (half up, as MeanFlow's 127.5 x + 128) or `truncate` (as RAE's 255 x).

    Returns:
        `[N, H, W, 3]` uint8.

    Raises:
        ValueError: a pixel is not finite; the message says in how many samples.
    """
    broken = (~torch.isfinite(pixels)).flatten(1).any(dim=1)
    if broken.any():
        raise ValueError(f"{int(broken.sum())} of {len(broken)} samples hold NaN or infinite pixels")
    offset = 128.0 if how == "round" else 127.5
    levels = pixels.to(torch.float64, copy=True).mul_(127.5).add_(offset).floor_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
