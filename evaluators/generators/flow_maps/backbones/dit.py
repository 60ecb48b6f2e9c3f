"""A class-conditional diffusion transformer with adaLN-zero, one or two times and an optional guidance input.

With one time input it is the layout of DiT and SiT; with a second one (`s_embedder`) that of SoFlow, which holds
MeanFlow's weights too. State-dict keys are the published ones, so `pos_embed` may be missing: it is fixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

TIME_FREQUENCIES_COUNT = 256


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """Size and inputs of a DiT.

    Attributes:
        input_size: side of the square input, in latent pixels.
        patch_size: side of a patch, in latent pixels.
        in_channels: channels of the input.
        out_channels: channels of the output; twice `in_channels` where a variance was learned too.
        hidden_size: width of a token.
        depth: number of blocks.
        num_heads: attention heads.
        mlp_ratio: hidden width of a block's MLP over `hidden_size`.
        num_classes: classes; the table has one row more, the null class, whose index is `num_classes`.
        second_time: whether the network takes a second time.
        guidance_input: whether the network takes a guidance value of its own (as 1 - 1/guidance).
    """

    input_size: int = 32
    patch_size: int = 2
    in_channels: int = 4
    out_channels: int = 4
    hidden_size: int = 384
    depth: int = 12
    num_heads: int = 6
    mlp_ratio: float = 4.0
    num_classes: int = 1000
    second_time: bool = False
    guidance_input: bool = False


def sincos_positions(side: int, width: int) -> torch.Tensor:
    """Fixed 2-D sine-cosine positions.

    Args:
        side: patches along one side.
        width: width of a token, a multiple of 4.

    Returns:
        `[side * side, width]` float32, row-major; the first half of the width encodes the column.

    Source: the positions of MAE and DiT (`get_2d_sincos_pos_embed`), computed in float64.
    """
    frequency = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    parts = []
    for place in (column, row):
        angle = place.reshape(-1, 1).double() * frequency  # [side * side, width / 4]
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1).float()


class PatchEmbed(nn.Module):
    """Cuts `[N, C, H, W]` into patches and maps each to a token `[N, T, D]`."""

    def __init__(self, patch_size: int, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, hidden_size, patch_size, stride=patch_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens in row-major order. A strided convolution is a linear map of the patches, and cheaper so."""
        side = self.proj.kernel_size[0]
        n, c, h, w = x.shape
        patches = x.reshape(n, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
        return functional.linear(patches.reshape(n, -1, c * side**2), self.proj.weight.flatten(1), self.proj.bias)


class ScalarEmbedder(nn.Module):
    """Maps one number per sample to a vector: sinusoids, then an MLP."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(TIME_FREQUENCIES_COUNT, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size)
        )

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """`[N]` to `[N, D]`."""
        half = TIME_FREQUENCIES_COUNT // 2
        frequency = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=value.device) / half)
        angle = value[:, None].float() * frequency
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=1))


class LabelEmbedder(nn.Module):
    """One vector per class, and one for the null class."""

    def __init__(self, num_classes: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(num_classes + 1, hidden_size)

    def forward(self, label: torch.Tensor) -> torch.Tensor:
        """`[N]` int64 to `[N, D]`."""
        return self.embedding_table(label)


def embed_condition(
    network: Any, t: torch.Tensor, label: torch.Tensor, second_t: torch.Tensor | None, guidance: torch.Tensor | None
) -> torch.Tensor:
    """What a network is told besides the image, `[N, D]`: the sum of the embeddings it has.

    Args:
        network: has `t_embedder`, `y_embedder`, and `s_embedder` and `w_embedder` or None in their place.
        t: `[N]` float time.
        label: `[N]` int64.
        second_t: `[N]` float second time.
        guidance: `[N]` float, at least 1; enters as 1 - 1 / guidance, so that 1 is none.
    """
    condition: torch.Tensor = network.t_embedder(t) + network.y_embedder(label)
    if network.s_embedder is not None and second_t is not None:
        condition = condition + network.s_embedder(second_t)
    if network.w_embedder is not None and guidance is not None:
        condition = condition + network.w_embedder(1 - 1 / guidance)
    return condition


class Attention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.proj = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, T, D]` to `[N, T, D]`."""
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.num_heads, d // self.num_heads).permute(2, 0, 3, 1, 4)
        return self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d))


class Mlp(nn.Module):
    """Two linear layers with a tanh-approximated GELU between."""

    def __init__(self, hidden_size: int, inner_size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, inner_size)
        self.fc2 = nn.Linear(inner_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, T, D]` to `[N, T, D]`."""
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


def _modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return x * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    """A transformer block whose norms are shifted and scaled, and whose branches are gated, by the condition."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, config.num_heads)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = Mlp(width, int(width * config.mlp_ratio))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Tokens `[N, T, D]` and condition `[N, D]` to tokens."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.adaLN_modulation(condition).chunk(6, dim=1)
        x = x + gate_a[:, None] * self.attn(_modulate(self.norm1(x), shift_a, scale_a))
        return x + gate_m[:, None] * self.mlp(_modulate(self.norm2(x), shift_m, scale_m))


class FinalLayer(nn.Module):
    """Maps tokens to patches."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(width, config.patch_size**2 * config.out_channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Tokens `[N, T, D]` to flat patches `[N, T, P * P * C]`."""
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=1)
        return self.linear(_modulate(self.norm_final(x), shift, scale))


class DiT(nn.Module):
    """The network.

    Args:
        config: size and inputs.

    Source: Peebles & Xie 2023 (adaLN-zero); the second time as in MeanFlow (Geng et al. 2025) and SoFlow.
    """

    pos_embed: torch.Tensor

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.x_embedder = PatchEmbed(config.patch_size, config.in_channels, width)
        self.t_embedder = ScalarEmbedder(width)
        self.s_embedder = ScalarEmbedder(width) if config.second_time else None
        self.w_embedder = ScalarEmbedder(width) if config.guidance_input else None
        self.y_embedder = LabelEmbedder(config.num_classes, width)
        positions = sincos_positions(config.input_size // config.patch_size, width)
        self.register_buffer("pos_embed", positions[None], persistent=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_layer = FinalLayer(config)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)  # type: ignore[arg-type,union-attr]
        nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)
        for embedder in filter(None, (self.t_embedder, self.s_embedder, self.w_embedder)):
            nn.init.normal_(embedder.mlp[0].weight, std=0.02)  # type: ignore[arg-type,union-attr]
            nn.init.normal_(embedder.mlp[2].weight, std=0.02)  # type: ignore[arg-type,union-attr]
        last = [self.final_layer.linear, self.final_layer.adaLN_modulation[1]]
        for layer in [block.adaLN_modulation[1] for block in self.blocks] + last:  # type: ignore[index]
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type,union-attr]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type,union-attr]

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
        tokens = self.x_embedder(x) + self.pos_embed  # [N, T, D]
        for block in self.blocks:
            tokens = block(tokens, condition)
        return self._unpatchify(self.final_layer(tokens, condition))

    def _unpatchify(self, patches: torch.Tensor) -> torch.Tensor:
        side, channels = self.config.patch_size, self.config.out_channels
        grid = self.config.input_size // side
        x = patches.reshape(-1, grid, grid, side, side, channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, grid * side, grid * side)
