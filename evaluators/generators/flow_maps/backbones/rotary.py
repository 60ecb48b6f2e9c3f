"""Rotary positions: pairs of neighbouring channels are turned by an angle that grows with a token's place."""

from __future__ import annotations

import torch

THETA = 10000.0


def line_angles(length: int, width: int) -> torch.Tensor:
    """Angles of tokens in a line.

    Args:
        length: tokens.
        width: channels of a head, even.

    Returns:
        `[length, width / 2]` float32: place × THETA^(-2i / width).
    """
    frequency = THETA ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    return torch.outer(torch.arange(length, dtype=torch.float32), frequency)


def grid_angles(side: int, width: int) -> torch.Tensor:
    """Angles of tokens on a square grid, row-major.

    The first half of the channels turns with the row, the second with the column.

    Args:
        side: tokens along one side.
        width: channels of a head, a multiple of 4.

    Returns:
        `[side * side, width / 2]` float32.
    """
    one = line_angles(side, width // 2)  # [side, width / 4]
    row = one[:, None].expand(side, side, -1)
    column = one[None].expand(side, side, -1)
    return torch.cat([row, column], dim=-1).reshape(side * side, -1)


def rotate(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turn pairs (0, 1), (2, 3), … of the last axis.

    Args:
        x: `[…, T, D]`.
        angles: `[T, D / 2]`.

    Returns:
        As `x`.

    Source: Su et al. 2021 (RoFormer), section 3.4.
    """
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)
