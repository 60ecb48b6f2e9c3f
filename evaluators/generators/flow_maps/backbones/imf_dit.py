"""Improved MeanFlow's transformer: all that it is told stands as tokens before the patches.

State-dict keys are those of the published torch checkpoints without their `_flax_…` wrappers and their v head, which
only training uses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from relaionet.evaluators.generators.flow_maps.backbones.dit import LabelEmbedder, PatchEmbed, ScalarEmbedder
from relaionet.evaluators.generators.flow_maps.backbones.rotary import line_angles, rotate

RENAME = {"._flax_linear": "", "._flax_embedding": ""}
DROP = ("v_heads.", "v_final_layer.")


@dataclass(frozen=True, kw_only=True)
class ImfDiTConfig:
    """Size of the network.

    Attributes:
        input_size: side of the square input, in latent pixels.
        patch_size: side of a patch, in latent pixels.
        in_channels: channels of input and output.
        hidden_size: width of a token.
        depth: blocks from input to output; the last `head_depth` of them are the u head.
        head_depth: blocks of the u head.
        num_heads: attention heads.
        mlp_ratio: hidden width of a block's MLP over `hidden_size`.
        num_classes: classes; the table has one row more.
        class_tokens: tokens that carry the class.
        guidance_tokens: tokens that carry the guidance scale.
        interval_tokens: tokens that carry each end of the guidance interval.
        time_tokens: tokens that carry the time stepped over.
    """

    input_size: int = 32
    patch_size: int = 2
    in_channels: int = 4
    hidden_size: int = 1024
    depth: int = 48
    head_depth: int = 8
    num_heads: int = 16
    mlp_ratio: float = 8 / 3
    num_classes: int = 1000
    class_tokens: int = 8
    guidance_tokens: int = 4
    interval_tokens: int = 2
    time_tokens: int = 4


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)
        self.q_norm = nn.RMSNorm(width // num_heads, eps=1e-6)
        self.k_norm = nn.RMSNorm(width // num_heads, eps=1e-6)

    def forward(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        n, t, d = x.shape

        def split(part: torch.Tensor) -> torch.Tensor:  # [N, heads, T, D / heads]
            return part.reshape(n, t, self.num_heads, d // self.num_heads).transpose(1, 2)

        q = rotate(self.q_norm(split(self.q_proj(x))), angles)
        k = rotate(self.k_norm(split(self.k_proj(x))), angles)
        mixed = functional.scaled_dot_product_attention(q, k, split(self.v_proj(x)))
        out: torch.Tensor = self.out_proj(mixed.transpose(1, 2).reshape(n, t, d))
        return out


class _GatedMlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, width, bias=False)
        self.w3 = nn.Linear(width, inner, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.w2(functional.silu(self.w1(x)) * self.w3(x))
        return out


class _Block(nn.Module):
    def __init__(self, config: ImfDiTConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm1 = nn.RMSNorm(width, eps=1e-6)
        self.attn = _Attention(width, config.num_heads)
        self.norm2 = nn.RMSNorm(width, eps=1e-6)
        self.mlp = _GatedMlp(width, int(width * config.mlp_ratio))
        self.attn_scale = nn.Parameter(torch.zeros(width))
        self.mlp_scale = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x), angles) * self.attn_scale
        return x + self.mlp(self.norm2(x)) * self.mlp_scale


class _FinalLayer(nn.Module):
    def __init__(self, config: ImfDiTConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.hidden_size, eps=1e-6)
        self.linear = nn.Linear(config.hidden_size, config.patch_size**2 * config.in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(self.norm(x))
        return out


class ImfDiT(nn.Module):
    """The network.

    Args:
        config: its size.

    Source: Geng et al. 2025 (improved MeanFlow), and the authors' torch code, run beside it once by hand:
    equal to 1e-5 on random weights.
    """

    def __init__(self, config: ImfDiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.x_embedder = PatchEmbed(config.patch_size, config.in_channels, width)
        self.h_embedder = ScalarEmbedder(width)
        self.omega_embedder = ScalarEmbedder(width)
        self.cfg_t_start_embedder = ScalarEmbedder(width)
        self.cfg_t_end_embedder = ScalarEmbedder(width)
        self.y_embedder = LabelEmbedder(config.num_classes, width)

        def tokens(count: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(count, width) / math.sqrt(width))

        self.class_tokens = tokens(config.class_tokens)
        self.omega_tokens = tokens(config.guidance_tokens)
        self.t_min_tokens = tokens(config.interval_tokens)
        self.t_max_tokens = tokens(config.interval_tokens)
        self.time_tokens = tokens(config.time_tokens)
        self.prefix = config.class_tokens + config.guidance_tokens + 2 * config.interval_tokens + config.time_tokens
        count = self.prefix + (config.input_size // config.patch_size) ** 2
        angles = line_angles(count, width // config.num_heads)
        self.register_buffer("angles", angles, persistent=False)
        self.shared_blocks = nn.ModuleList(_Block(config) for _ in range(config.depth - config.head_depth))
        self.u_heads = nn.ModuleList(_Block(config) for _ in range(config.head_depth))
        self.u_final_layer = _FinalLayer(config)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, label: torch.Tensor, second_t: torch.Tensor | None = None,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """One forward call.

        Args:
            x: `[N, C, H, W]` float.
            t: not used: the network is told only how far it steps.
            label: `[N]` int64.
            second_t: `[N]` float, h = t - r.
            guidance: `[N, 3]` float: scale, at least 1, and the times between which it acts; 1, 0 and 1 where None.

        Returns:
            `[N, C, H, W]`: the average velocity u.
        """
        if second_t is None:
            raise ValueError("this network needs the time stepped over; set second_time = 'h'")
        if guidance is None:
            guidance = x.new_tensor([1.0, 0.0, 1.0]).expand(len(x), 3)
        told = [
            self.class_tokens + self.y_embedder(label)[:, None],
            self.omega_tokens + self.omega_embedder(1 - 1 / guidance[:, 0])[:, None],
            self.t_min_tokens + self.cfg_t_start_embedder(guidance[:, 1])[:, None],
            self.t_max_tokens + self.cfg_t_end_embedder(guidance[:, 2])[:, None],
            self.time_tokens + self.h_embedder(second_t)[:, None],
        ]
        sequence = torch.cat([*told, self.x_embedder(x)], dim=1)  # [N, prefix + T, D]
        for block in (*self.shared_blocks, *self.u_heads):
            sequence = block(sequence, self.angles)
        return self._unpatchify(self.u_final_layer(sequence[:, self.prefix :]))

    def _unpatchify(self, patches: torch.Tensor) -> torch.Tensor:
        side, channels = self.config.patch_size, self.config.in_channels
        grid = self.config.input_size // side
        x = patches.reshape(-1, grid, grid, side, side, channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, grid * side, grid * side)
