"""Packed products give what torch's own layers give, whatever the model does around them."""

from __future__ import annotations

import copy
import platform
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from relaionet.pipeline.embeddings.packed_layers import (
    PackedAttention,
    PackedLinear,
    PackedPatches,
    can_pack,
    pack_layers,
)

pytestmark = pytest.mark.skipif(not can_pack(torch.float32), reason="torch has no oneDNN for this processor")
bf16 = pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this processor has no products in bfloat16")
CLOSE = {"atol": 2e-6, "rtol": 1e-5}


def attention(width: int = 48, heads: int = 4) -> nn.MultiheadAttention:
    torch.manual_seed(1)
    made = nn.MultiheadAttention(width, heads, batch_first=True).eval()
    nn.init.normal_(made.in_proj_bias)
    nn.init.normal_(made.out_proj.bias)
    return made


@torch.inference_mode()
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_linear_layer(has_bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(72, 40, bias=has_bias)
    packed = PackedLinear(layer.weight, layer.bias, torch.float32)
    across = torch.randn(7, 72, 5).transpose(1, 2)  # no row of it lies in one piece
    for rows in (torch.randn(72), torch.randn(1, 72), torch.randn(5, 72), torch.randn(2, 3, 5, 72), across):
        torch.testing.assert_close(packed(rows), layer(rows), **CLOSE)
    assert torch.equal(packed.weight, layer.weight)
    assert (packed.bias is None) == (not has_bias)
    assert (packed.in_features, packed.out_features) == (72, 40)


@torch.inference_mode()
@pytest.mark.parametrize("mask", ["none", "causal", "per head"])
def test_attention(mask: str) -> None:
    plain = attention()
    packed = PackedAttention(plain, torch.float32)
    rows = torch.randn(3, 9, 48)
    causal = torch.full((9, 9), -torch.inf).triu(1)
    given = {"none": None, "causal": causal, "per head": causal + torch.randn(12, 9, 9)}[mask]
    ours, weights = packed(rows, rows, rows, need_weights=False, attn_mask=given)
    torch.testing.assert_close(ours, plain(rows, rows, rows, need_weights=False, attn_mask=given)[0], **CLOSE)
    assert weights is None
    if mask == "causal":
        changed = rows.clone()
        changed[:, -1] += 1
        torch.testing.assert_close(packed(changed, changed, changed, attn_mask=given)[0][:, :-1], ours[:, :-1])


@torch.inference_mode()
@pytest.mark.parametrize("size", [(32, 48), (37, 50)])
def test_patches_and_what_is_left_over_at_the_rim(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 20, kernel_size=(8, 16), stride=(8, 16))
    pixels = torch.randn(2, 3, *size)
    torch.testing.assert_close(PackedPatches(layer, torch.float32)(pixels), layer(pixels), **CLOSE)


class Block(nn.Module):
    """What a model may hold, some of which must stay as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.attn, self.other = attention(), nn.ModuleDict({"pool": attention()})
        self.patches, self.small = nn.Conv2d(3, 8, 16, 16), nn.Conv2d(3, 8, 1)
        self.padded, self.grouped = nn.Conv2d(4, 8, 8, 8, padding=1), nn.Conv2d(4, 8, 8, 8, groups=2)
        self.mlp = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))


def test_only_what_is_known_is_replaced() -> None:
    block = Block()
    pack_layers(block, torch.float32, (Block,))
    kinds = {name: type(module) for name, module in block.named_modules()}
    assert kinds["attn"] is PackedAttention
    assert kinds["other.pool"] is nn.MultiheadAttention  # may be asked for another sequence's keys
    assert type(block.other["pool"].out_proj) is not PackedLinear  # its weight is used, not its forward
    assert (kinds["mlp.0"], kinds["mlp.2"], kinds["patches"]) == (PackedLinear, PackedLinear, PackedPatches)
    assert {kinds[name] for name in ("small", "padded", "grouped")} == {nn.Conv2d}


@torch.inference_mode()
def test_many_threads_at_once_and_a_copy_of_the_model() -> None:
    model = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 64))
    rows = torch.randn(50, 256)
    expected = model(rows)
    pack_layers(copy.deepcopy(model), torch.float32)
    pack_layers(model, torch.float32)

    def work(_number: int) -> torch.Tensor:
        with torch.inference_mode():
            return model(rows)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(40)))
    torch.testing.assert_close(found[0], expected, **CLOSE)
    assert all(torch.equal(found[0], other) for other in found)


@bf16
@torch.inference_mode()
def test_bfloat16_rounds_both_sides_and_nothing_else() -> None:
    torch.manual_seed(0)
    layer, rows = nn.Linear(512, 64), torch.randn(30, 512)
    packed = PackedLinear(layer.weight, layer.bias, torch.bfloat16)
    exact = (
        rows.bfloat16().double() @ layer.weight.bfloat16().double().T + layer.bias.bfloat16().double()
    )  # sums of 512 rounded products, not rounded themselves
    ours = packed(rows)
    assert ours.dtype is torch.float32
    # the sum is rounded once, to 8 bits; sums in bfloat16 would be off by more than ten times that
    assert ((ours - exact).abs() <= exact.abs() * 2**-8 + 1e-4).all()
    assert (ours - layer(rows)).abs().max() > 1e-4


def test_not_on_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert not can_pack(torch.float32)
