"""The transformer: published key layout, closed forms at initialisation, and its inputs."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT, DiTConfig, sincos_positions
from relaionet.evaluators.generators.flow_maps.backbones.unet import UNet, UNetConfig

SMALL = DiTConfig(
    input_size=8, patch_size=2, in_channels=4, out_channels=4, hidden_size=24, depth=2, num_heads=2, num_classes=5
)


def random_dit(**changes) -> DiT:
    torch.manual_seed(0)
    network = DiT(DiTConfig(**{**SMALL.__dict__, **changes}))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def inputs(n: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    return torch.randn(n, 4, 8, 8, generator=source), torch.rand(n, generator=source), torch.arange(n)


def test_published_keys_and_shapes_of_sit_xl_2():
    network = DiT(DiTConfig(hidden_size=1152, depth=2, num_heads=16, out_channels=8))
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    expected = {
        "x_embedder.proj.weight": (1152, 4, 2, 2), "x_embedder.proj.bias": (1152,),
        "t_embedder.mlp.0.weight": (1152, 256), "t_embedder.mlp.2.weight": (1152, 1152),
        "y_embedder.embedding_table.weight": (1001, 1152),
        "blocks.1.attn.qkv.weight": (3456, 1152), "blocks.1.attn.proj.weight": (1152, 1152),
        "blocks.1.mlp.fc1.weight": (4608, 1152), "blocks.1.mlp.fc2.weight": (1152, 4608),
        "blocks.1.adaLN_modulation.1.weight": (6912, 1152),
        "final_layer.linear.weight": (32, 1152), "final_layer.adaLN_modulation.1.weight": (2304, 1152),
    }  # fmt: skip
    assert expected.items() <= shapes.items()
    assert len(shapes) == 2 + 4 + 1 + 2 * 10 + 4
    # 675.1 M is the count reported for SiT-XL/2, which counts the 256 x 1152 fixed positions too
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    block = sum(size for name, size in sizes.items() if name.startswith("blocks.1."))
    assert sum(sizes.values()) + 26 * block + 256 * 1152 == pytest.approx(675.1e6, abs=0.1e6)


def test_two_time_layout_has_soflow_s_embedder():
    keys = set(random_dit(second_time=True).state_dict())
    assert keys - set(random_dit().state_dict()) == {
        f"s_embedder.mlp.{i}.{part}" for i in (0, 2) for part in ("weight", "bias")
    }


def test_fresh_network_gives_zero():
    assert not DiT(SMALL)(*inputs()).any()


def test_patch_embedding_is_the_strided_convolution():
    network = random_dit()
    x = inputs()[0]
    expected = network.x_embedder.proj(x).flatten(2).transpose(1, 2)
    torch.testing.assert_close(network.x_embedder(x), expected, atol=1e-5, rtol=1e-5)


def test_unpatchify_puts_patches_back():
    network = random_dit()
    x = inputs()[0]  # patches in the order of the published layout: row, column, then pixel row, pixel column, channel
    patches = x.reshape(3, 4, 4, 2, 4, 2).permute(0, 2, 4, 3, 5, 1).reshape(3, 16, 16)
    assert torch.equal(network._unpatchify(patches), x)


def test_one_block_written_out_with_einsum():
    network = random_dit(depth=1)
    block = network.blocks[0]
    tokens, condition = torch.randn(2, 16, 24), torch.randn(2, 24)
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = block.adaLN_modulation(condition).view(2, 6, 1, 24).unbind(1)

    def normed(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()

    q, k, v = (block.attn.qkv(normed(tokens) * (1 + scale_a) + shift_a)).view(2, 16, 3, 2, 12).unbind(2)
    weights = (torch.einsum("nthc,nshc->nhts", q, k) / math.sqrt(12)).softmax(dim=-1)
    mixed = torch.einsum("nhts,nshc->nthc", weights, v).reshape(2, 16, 24)
    middle = tokens + gate_a * block.attn.proj(mixed)
    inner = functional.gelu(block.mlp.fc1(normed(middle) * (1 + scale_m) + shift_m), approximate="tanh")
    torch.testing.assert_close(block(tokens, condition), middle + gate_m * block.mlp.fc2(inner), atol=1e-4, rtol=1e-4)


def test_positions_are_distinct_and_bounded():
    positions = sincos_positions(4, 24)
    assert positions.shape == (16, 24)
    assert positions.abs().max() <= 1
    assert torch.cdist(positions, positions).fill_diagonal_(1).min() > 0.1
    # the first half says the column, the second the row
    assert torch.equal(positions[1, 12:], positions[0, 12:])
    assert torch.equal(positions[4, :12], positions[0, :12])


@pytest.mark.parametrize("which", ["time", "label", "second", "guidance"])
def test_every_input_reaches_the_output(which):
    network = random_dit(second_time=True, guidance_input=True)
    x, t, label = inputs()
    second, guidance = torch.full((3,), 0.3), torch.full((3,), 2.0)
    before = network(x, t, label, second, guidance)
    changed = {
        "time": (x, t + 0.1, label, second, guidance),
        "label": (x, t, label + 1, second, guidance),
        "second": (x, t, label, second + 0.1, guidance),
        "guidance": (x, t, label, second, guidance + 1),
    }[which]
    assert not torch.allclose(before, network(*changed), atol=1e-4)


def test_derivative_along_the_flow_agrees_with_differences():
    network = random_dit(second_time=True)
    x, t, label = inputs()
    tangent = torch.randn_like(x)

    def forward(state: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return network(state, at, label, at / 2)

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernel has no forward derivative
        slope = torch.func.jvp(forward, (x, t), (tangent, torch.ones_like(t)))[1]
    eps = 1e-2
    numeric = (forward(x + eps * tangent, t + eps) - forward(x - eps * tangent, t - eps)) / (2 * eps)
    torch.testing.assert_close(slope, numeric, atol=0.02 * float(slope.detach().abs().max()), rtol=0)


def random_unet(**changes) -> UNet:
    torch.manual_seed(0)
    network = UNet(UNetConfig(input_size=16, widths=(8, 16), num_heads=2, condition_size=12, num_classes=5, **changes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def small_pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.rand(3), torch.arange(3)


def test_fresh_unet_gives_zero_and_keeps_the_shape():
    x, t, label = small_pictures()
    out = UNet(UNetConfig(input_size=16, widths=(8, 16), num_heads=2, num_classes=5))(x, t, label)
    assert out.shape == x.shape
    assert not out.any()


def test_every_input_reaches_the_unet_s_output():
    network = random_unet(second_time=True, guidance_input=True)
    x, t, label = small_pictures()
    second, guidance = torch.full((3,), 0.3), torch.full((3,), 2.0)
    before = network(x, t, label, second, guidance)
    for changed in (
        (x, t + 0.3, label, second, guidance),
        (x, t, label + 1, second, guidance),
        (x, t, label, second + 0.3, guidance),
        (x, t, label, second, guidance + 3),
    ):
        assert not torch.allclose(before, network(*changed), atol=1e-5)
