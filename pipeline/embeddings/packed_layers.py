"""Matrix products of a model on a CPU by oneDNN, with weights laid out for it once.

torch gives float32 products to MKL, which uses half the width of vectors on processors that are not Intel's. oneDNN
uses all of it, and is part of every torch for x86. Rows change by float32 rounding alone.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import nn
from torch.nn import functional

ROWS_AT_ONCE = 800  # rows that a product is laid out for: 16 pictures of 50 tokens; others work too
LEAST_PATCH_PX = 8  # a larger stride is a patch embedding, that is, one product


def can_pack(dtype: torch.dtype) -> bool:
    """True where this machine's oneDNN multiplies matrices of this type: float32, or bfloat16 on AVX-512 and AMX."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        return False
    return dtype is torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack_layers(model: nn.Module, dtype: torch.dtype, blocks: tuple[type[nn.Module], ...] = ()) -> None:
    """Replace linear layers and patch embeddings by packed ones, in place; the unpacked weights are let go.

    Args:
        model: in float32, for inference only from now on.
        dtype: float32, or bfloat16: products then take both sides rounded to 8 bits and sum in float32; all between
            them stays float32.
        blocks: classes whose `nn.MultiheadAttention` is asked for self-attention alone, batch first.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child.weight, child.bias, dtype))
            elif type(child) is nn.MultiheadAttention and isinstance(module, blocks) and _is_plain(child):
                setattr(module, name, PackedAttention(child, dtype))
            elif type(child) is nn.Conv2d and _is_patches(child):
                setattr(module, name, PackedPatches(child, dtype))


def _is_plain(attention: nn.MultiheadAttention) -> bool:
    has_extras = attention.bias_k is not None or attention.add_zero_attn or attention.dropout > 0
    return attention.in_proj_weight is not None and attention.batch_first and not has_extras


def _is_patches(layer: nn.Conv2d) -> bool:
    plain = layer.padding in ((0, 0), "valid") and layer.dilation == (1, 1) and layer.groups == 1
    return plain and layer.kernel_size == layer.stride and min(layer.kernel_size) >= LEAST_PATCH_PX


class PackedLinear(nn.Linear):
    """x · weightᵀ + bias. An `nn.Linear`, as some models ask whether it is one, but without parameters.

    Args:
        weight: [out, in].
        bias: [out], or None.
        dtype: of the product; what goes in and comes out keeps its own.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.dtype = dtype
        weight = weight.detach().to(dtype).contiguous()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS_AT_ONCE)
        self._bias = None if bias is None else bias.detach().to(dtype)

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        """[out, in] float32, laid out anew each time: models ask for its type, a few multiply by it themselves."""
        return self._packed.to_dense().float()  # type: ignore[no-any-return]

    @property
    def bias(self) -> torch.Tensor | None:  # type: ignore[override]
        """[out] float32, or None."""
        return None if self._bias is None else self._bias.float()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out]."""
        return self.multiply(rows).to(rows.dtype)

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out] in the type of the product."""
        given = rows.to(self.dtype), self._packed, self._bias
        return torch.ops.mkldnn._linear_pointwise(*given, "none", [], "")  # type: ignore[no-any-return]


class PackedAttention(nn.Module):
    """`nn.MultiheadAttention` of a sequence with itself, called in the same way.

    Args:
        attention: batch first, keys and values as wide as queries.
        dtype: of the products.
    """

    def __init__(self, attention: nn.MultiheadAttention, dtype: torch.dtype) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self._into = PackedLinear(attention.in_proj_weight, attention.in_proj_bias, dtype)
        self._out = PackedLinear(attention.out_proj.weight, attention.out_proj.bias, dtype)

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *,
        need_weights: bool = False, attn_mask: torch.Tensor | None = None, **_options: Any,
    ) -> tuple[torch.Tensor, None]:  # fmt: skip
        """[N, L, D] three times the same -> [N, L, D], and no weights; `attn_mask` is added to the scores, [L, L]."""
        count, length, width = query.shape
        shape = (count, length, 3, self.num_heads, width // self.num_heads)
        parts = self._into.multiply(query).view(shape).permute(2, 0, 3, 1, 4)  # [3, N, heads, L, D / heads]
        mask = None if attn_mask is None else attn_mask.to(parts.dtype)
        if mask is not None and mask.ndim == 3:  # one for each head
            mask = mask.view(count, self.num_heads, length, length)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        return self._out.multiply(mixed.transpose(1, 2).reshape(query.shape)).to(query.dtype), None


class PackedPatches(nn.Module):
    """A convolution whose windows lie side by side, as one product.

    Args:
        layer: kernel as large as its stride, no padding.
        dtype: of the product.
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.kernel_size = layer.kernel_size
        self._linear = PackedLinear(layer.weight.flatten(1), layer.bias, dtype)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> [N, out, H / kernel, W / kernel]."""
        count, channels = pixels.shape[:2]
        high, wide = self.kernel_size
        down, across = pixels.shape[2] // high, pixels.shape[3] // wide
        cut = pixels[:, :, : down * high, : across * wide].reshape(count, channels, down, high, across, wide)
        patches = cut.permute(0, 2, 4, 1, 3, 5).reshape(count, down * across, -1)
        return self._linear(patches).transpose(1, 2).unflatten(2, (down, across))
