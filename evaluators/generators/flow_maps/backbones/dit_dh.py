"""RAE's second stage: a deep, narrow transformer makes a condition for each token, a shallow, wide one the velocity.

State-dict keys are those of the published checkpoints; their fixed positions and rotations are not loaded but computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from relaionet.evaluators.generators.flow_maps.backbones.dit import LabelEmbedder, PatchEmbed, sincos_positions
from relaionet.evaluators.generators.flow_maps.backbones.rotary import grid_angles, rotate

FOURIER_COUNT = 256
DROP = ("pos_embed", "enc_feat_rope.", "dec_feat_rope.")


@dataclass(frozen=True, kw_only=True)
class DiTDHConfig:
    """Size of the network; the second number of a pair is of the wide head.

    Attributes:
        input_size: side of the square input, in latent pixels; every one is a token.
        in_channels: channels of input and output.
        hidden_size: width of a token.
        depth: number of blocks.
        num_heads: attention heads.
        mlp_ratio: hidden width of a block's MLP over its width, before the two thirds of a gated one.
        num_classes: classes; the table has one row more, the null class.
    """

    input_size: int = 16
    in_channels: int = 768
    hidden_size: tuple[int, int] = (1152, 2048)
    depth: tuple[int, int] = (28, 2)
    num_heads: tuple[int, int] = (16, 16)
    mlp_ratio: float = 4.0
    num_classes: int = 1000


class _FourierEmbedder(nn.Module):
    """Maps a time to a vector: sines and cosines of fixed random frequencies, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(FOURIER_COUNT), requires_grad=False)
        self.mlp = nn.Sequential(nn.Linear(2 * FOURIER_COUNT, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        angle = t[:, None] * self.W * (2 * torch.pi)
        out: torch.Tensor = self.mlp(torch.cat([angle.sin(), angle.cos()], dim=1))
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.num_heads, d // self.num_heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(rotate(q, angles), rotate(k, angles), v)
        out: torch.Tensor = self.proj(mixed.transpose(1, 2).reshape(n, t, d))
        return out


class _GatedMlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * inner)
        self.w3 = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        out: torch.Tensor = self.w3(functional.silu(gate) * value)
        return out


class _Block(nn.Module):
    """A block that each token's own condition shifts, scales and gates; one condition may serve all tokens."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(width, eps=1e-6)
        self.attn = _Attention(width, num_heads)
        self.norm2 = nn.RMSNorm(width, eps=1e-6)
        self.mlp = _GatedMlp(width, int(2 / 3 * int(width * mlp_ratio)))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: torch.Tensor, condition: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.adaLN_modulation(condition).chunk(6, dim=-1)
        x = x + gate_a * self.attn(self.norm1(x) * (1 + scale_a) + shift_a, angles)
        return x + gate_m * self.mlp(self.norm2(x) * (1 + scale_m) + shift_m)


class _FinalLayer(nn.Module):
    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm_final = nn.RMSNorm(width, eps=1e-6)
        self.linear = nn.Linear(width, channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=-1)
        out: torch.Tensor = self.linear(self.norm_final(x) * (1 + scale) + shift)
        return out


class DiTDH(nn.Module):
    """The network.

    Args:
        config: its size.

    Source: Zheng et al. 2025 (RAE, DiT with a DDT head), and the authors' code, run beside it once by hand:
    equal to 1e-5 on random weights.
    """

    pos_embed: torch.Tensor

    def __init__(self, config: DiTDHConfig) -> None:
        super().__init__()
        self.config = config
        (narrow, wide), side = config.hidden_size, config.input_size
        self.s_embedder = PatchEmbed(1, config.in_channels, narrow)
        self.x_embedder = PatchEmbed(1, config.in_channels, wide)
        self.s_projector = nn.Linear(narrow, wide) if narrow != wide else nn.Identity()
        self.t_embedder = _FourierEmbedder(narrow)
        self.y_embedder = LabelEmbedder(config.num_classes, narrow)
        widths = [narrow] * config.depth[0] + [wide] * config.depth[1]
        heads = [config.num_heads[0]] * config.depth[0] + [config.num_heads[1]] * config.depth[1]
        self.blocks = nn.ModuleList(_Block(*about, config.mlp_ratio) for about in zip(widths, heads, strict=True))
        self.final_layer = _FinalLayer(wide, config.in_channels)
        for name, value in (
            ("pos_embed", sincos_positions(side, narrow)[None]),
            ("narrow_angles", grid_angles(side, narrow // config.num_heads[0])),
            ("wide_angles", grid_angles(side, wide // config.num_heads[1])),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, label: torch.Tensor, second_t: torch.Tensor | None = None,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """One forward call.

        Args:
            x: `[N, C, H, W]` float.
            t: `[N]` float time.
            label: `[N]` int64, 0 to `num_classes` (the null class).
            second_t: not used.
            guidance: not used.

        Returns:
            `[N, C, H, W]`: the velocity.
        """
        time = self.t_embedder(t)  # [N, narrow]
        condition = functional.silu(time + self.y_embedder(label))[:, None]
        tokens = self.s_embedder(x) + self.pos_embed  # [N, T, narrow]
        for block in self.blocks[: self.config.depth[0]]:
            tokens = block(tokens, condition, self.narrow_angles)
        told = self.s_projector(functional.silu(time[:, None] + tokens))  # [N, T, wide]
        tokens = self.x_embedder(x)
        for block in self.blocks[self.config.depth[0] :]:
            tokens = block(tokens, told, self.wide_angles)
        out = self.final_layer(tokens, told)  # [N, T, C]
        return out.transpose(1, 2).reshape(x.shape)
