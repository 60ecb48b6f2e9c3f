"""A small class-conditional U-Net, called as the DiT is; it learns small pictures in far fewer steps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from relaionet.evaluators.generators.flow_maps.backbones.dit import (
    Attention,
    LabelEmbedder,
    ScalarEmbedder,
    embed_condition,
)

NORM_GROUPS_COUNT = 8


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Size and inputs of a U-Net.

    Attributes:
        input_size: side of the square input, in pixels; divisible by patch_size * 2^(levels - 1).
        patch_size: pixels folded into channels before the first convolution.
        in_channels: channels of the input.
        out_channels: channels of the output.
        widths: channels of each level, finest first.
        blocks: residual blocks of each level, on the way down and again on the way up.
        num_heads: heads of the attention at the coarsest level.
        condition_size: width of the condition.
        num_classes: classes; the table has one row more, the null class, whose index is `num_classes`.
        second_time: whether the network takes a second time.
        guidance_input: whether the network takes a guidance value of its own (as 1 - 1/guidance).
    """

    input_size: int = 32
    patch_size: int = 2
    in_channels: int = 3
    out_channels: int = 3
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: int = 1
    num_heads: int = 4
    condition_size: int = 128
    num_classes: int = 1000
    second_time: bool = False
    guidance_input: bool = False


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity; the condition scales and shifts between them."""

    def __init__(self, width: int, condition_size: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(NORM_GROUPS_COUNT, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.condition = nn.Linear(condition_size, 2 * width)
        self.norm2 = nn.GroupNorm(NORM_GROUPS_COUNT, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`[N, C, H, W]` and `[N, D]` to `[N, C, H, W]`."""
        scale, shift = self.condition(condition)[:, :, None, None].chunk(2, dim=1)
        inner = self.conv1(functional.silu(self.norm1(x)))
        return x + self.conv2(functional.silu(self.norm2(inner) * (1 + scale) + shift))


class Bottom(nn.Module):
    """Block, attention over all places, block, at the coarsest level."""

    def __init__(self, width: int, config: UNetConfig) -> None:
        super().__init__()
        self.block1 = ResidualBlock(width, config.condition_size)
        self.norm = nn.GroupNorm(NORM_GROUPS_COUNT, width)
        self.attn = Attention(width, config.num_heads)
        self.block2 = ResidualBlock(width, config.condition_size)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`[N, C, H, W]` to `[N, C, H, W]`."""
        x = self.block1(x, condition)
        mixed = self.attn(self.norm(x).flatten(2).transpose(1, 2))  # [N, H * W, C]
        return self.block2(x + mixed.transpose(1, 2).reshape(x.shape), condition)


class UNet(nn.Module):
    """The network; what is carried over from the way down is added, not concatenated.

    Args:
        config: size and inputs.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, size = config.widths, config.condition_size
        folded = config.in_channels * config.patch_size**2
        self.t_embedder = ScalarEmbedder(size)
        self.s_embedder = ScalarEmbedder(size) if config.second_time else None
        self.w_embedder = ScalarEmbedder(size) if config.guidance_input else None
        self.y_embedder = LabelEmbedder(config.num_classes, size)
        self.stem = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.down = nn.ModuleList(self._level(width) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.bottom = Bottom(widths[-1], config)
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(self._level(width) for width in widths)
        self.norm = nn.GroupNorm(NORM_GROUPS_COUNT, widths[0])
        self.last = nn.Conv2d(widths[0], config.out_channels * config.patch_size**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def _level(self, width: int) -> nn.ModuleList:
        return nn.ModuleList(ResidualBlock(width, self.config.condition_size) for _ in range(self.config.blocks))

    def forward(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        label: torch.Tensor,
        second_t: torch.Tensor | None = None,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One forward call.

        Args:
            x: `[N, C, H, W]` float.
            t: `[N]` float time.
            label: `[N]` int64, 0 to `num_classes` (the null class).
            second_t: `[N]` float second time; needed when the network has one.
            guidance: `[N]` float guidance, at least 1; needed when the network takes it. 1 is none.

        Returns:
            `[N, out_channels, H, W]`: a velocity or an average velocity.
        """
        condition = embed_condition(self, t, label, second_t, guidance)  # [N, D]
        condition = functional.silu(condition)
        x = self.stem(functional.pixel_unshuffle(x, self.config.patch_size))
        carried = []
        for level, blocks in enumerate(self.down):
            x = self.shrink[level - 1](x) if level else x
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, condition)
            carried.append(x)
        x = self.bottom(x, condition)
        for level in reversed(range(len(carried))):
            x = x + carried[level]
            for block in self.up[level]:  # type: ignore[attr-defined]
                x = block(x, condition)
            if level:
                x = functional.interpolate(self.grow[level - 1](x), scale_factor=2.0, mode="nearest")
        return functional.pixel_shuffle(self.last(functional.silu(self.norm(x))), self.config.patch_size)
