"""Published sizes, shapes and layouts; rotations and heads against independent arithmetic."""

from __future__ import annotations

import math

import pytest
import torch

from relaionet.evaluators.generators.flow_maps.backbones import dit_dh, imf_dit
from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.generators.flow_maps.backbones.dit_dh import DiTDH, DiTDHConfig
from relaionet.evaluators.generators.flow_maps.backbones.imf_dit import ImfDiT, ImfDiTConfig
from relaionet.evaluators.generators.flow_maps.backbones.rotary import grid_angles, line_angles, rotate

IMF = {"hidden_size": 64, "depth": 5, "head_depth": 2, "num_heads": 4, "num_classes": 10, "input_size": 8}
DH = {"input_size": 4, "in_channels": 12, "hidden_size": (32, 64), "depth": (3, 2), "num_heads": (2, 4),
      "num_classes": 10}  # fmt: skip


def count(kind, config) -> float:
    with torch.device("meta"):
        network = kind(config)
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize(
    ("kind", "config", "millions"),
    [
        # measured on the authors' modules
        (DiT, DiTConfig(hidden_size=1152, depth=28, num_heads=16, out_channels=8), 675.1),
        (DiT, DiTConfig(hidden_size=1152, depth=28, num_heads=16, second_time=True), 676.7),
        (DiT, DiTConfig(hidden_size=768, depth=12, num_heads=12, patch_size=4, second_time=True), 131.2),
        (ImfDiT, ImfDiTConfig(hidden_size=768, depth=12, num_heads=12), 88.9),
        (ImfDiT, ImfDiTConfig(hidden_size=768, depth=24, num_heads=12), 173.9),
        (ImfDiT, ImfDiTConfig(hidden_size=1024, depth=32, num_heads=16), 409.1),
        (ImfDiT, ImfDiTConfig(), 610.4),
        (DiTDH, DiTDHConfig(), 838.7),
        (DiTDH, DiTDHConfig(hidden_size=(384, 2048), depth=(12, 2), num_heads=(6, 16)), 196.5),
    ],
)
def test_sizes_are_the_published_ones(kind, config, millions):
    assert count(kind, config) == pytest.approx(millions, rel=0.004)


def test_turning_pairs_is_multiplying_complex_numbers():
    x = torch.randn(2, 3, 7, 8, generator=torch.Generator().manual_seed(0))
    angles = line_angles(7, 8)
    turned = torch.view_as_complex(x.reshape(2, 3, 7, 4, 2)) * torch.polar(torch.ones_like(angles), angles)
    assert torch.allclose(rotate(x, angles), torch.view_as_real(turned).flatten(-2), atol=1e-6)
    assert angles[3, 1] == pytest.approx(3 / 10000 ** (2 / 8))
    grid = grid_angles(3, 8)
    assert torch.equal(grid[5], torch.cat([line_angles(3, 4)[1], line_angles(3, 4)[2]]))


def test_products_of_turned_tokens_depend_on_their_distance_alone():
    q, k = torch.randn(1, 8, generator=torch.Generator().manual_seed(1)).expand(2, 9, 8)
    turned_q, turned_k = rotate(q, line_angles(9, 8)), rotate(k, line_angles(9, 8))
    products = turned_q @ turned_k.T
    for shift in range(-3, 4):
        diagonal = torch.diagonal(products, shift)
        assert torch.allclose(diagonal, diagonal[0].expand_as(diagonal), atol=1e-5)


@pytest.mark.parametrize(("kind", "config"), [(ImfDiT, ImfDiTConfig(**IMF)), (DiTDH, DiTDHConfig(**DH))])
def test_a_sample_does_not_see_the_others_and_the_forward_pass_repeats(kind, config):
    torch.manual_seed(0)
    network = kind(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.randn(3, config.in_channels, config.input_size, config.input_size)
    t, label = torch.tensor([1.0, 0.7, 0.2]), torch.tensor([1, 5, 10])
    guidance = torch.tensor([[7.0, 0.4, 0.65], [1.0, 0.0, 1.0], [3.0, 0.1, 0.9]])
    with torch.inference_mode():
        whole = network(x, t, label, t / 2, guidance)
        assert whole.shape == x.shape
        assert torch.equal(whole, network(x, t, label, t / 2, guidance))
        for place in range(3):
            one = slice(place, place + 1)
            alone = network(x[one], t[one], label[one], t[one] / 2, guidance[one])
            assert torch.allclose(alone[0], whole[place], atol=1e-5)
        other = network(x, t, torch.tensor([2, 5, 10]), t / 2, guidance)
    assert not torch.allclose(other[0], whole[0])
    assert torch.allclose(other[1:], whole[1:], atol=1e-5)


def test_imf_is_told_class_scale_interval_and_step():
    torch.manual_seed(0)
    network = ImfDiT(ImfDiTConfig(**IMF)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, label, h = torch.randn(1, 4, 8, 8), torch.tensor([3]), torch.tensor([0.5])
    with torch.inference_mode():
        plain = network(x, h, label, h)
        assert torch.equal(plain, network(x, torch.tensor([0.9]), label, h)), "it is not told the time itself"
        assert torch.equal(plain, network(x, h, label, h, torch.tensor([[1.0, 0.0, 1.0]])))
        for told in ([7.0, 0.0, 1.0], [1.0, 0.2, 1.0], [1.0, 0.0, 0.7]):
            assert not torch.allclose(plain, network(x, h, label, h, torch.tensor([told])), atol=1e-6)
        assert not torch.allclose(plain, network(x, h, label, torch.tensor([0.1])), atol=1e-6)
    with pytest.raises(ValueError, match="second_time = 'h'"):
        network(x, h, label)


def test_imf_with_closed_gates_is_its_last_layer_of_the_patches():
    torch.manual_seed(0)
    network = ImfDiT(ImfDiTConfig(**IMF)).eval()  # gates start at zero
    x = torch.randn(2, 4, 8, 8)
    tokens = network.x_embedder(x)
    normed = tokens * torch.rsqrt(tokens.square().mean(-1, keepdim=True) + 1e-6)
    linear = network.u_final_layer.linear
    patches = (normed @ linear.weight.T + linear.bias).reshape(2, 4, 4, 2, 2, 4)  # rows, columns, p, q, channel
    wanted = torch.empty(2, 4, 8, 8)
    for row in range(4):
        for column in range(4):
            wanted[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = patches[:, row, column].permute(
                0, 3, 1, 2
            )
    with torch.inference_mode():
        assert torch.allclose(network(x, torch.ones(2), torch.tensor([1, 2]), torch.ones(2)), wanted, atol=1e-5)


def test_published_layouts_are_what_the_networks_have():
    imf = set(ImfDiT(ImfDiTConfig(**IMF)).state_dict())
    published = {
        "shared_blocks.2.attn.q_proj._flax_linear.weight", "shared_blocks.0.mlp.w3._flax_linear.weight",
        "u_heads.1.attn.k_norm.weight", "u_heads.0.attn_scale", "y_embedder.embedding_table._flax_embedding.weight",
        "omega_embedder.mlp.0._flax_linear.bias", "cfg_t_start_embedder.mlp.2._flax_linear.weight", "t_max_tokens",
        "u_final_layer.linear._flax_linear.bias", "x_embedder.proj.weight", "time_tokens",
    }  # fmt: skip
    for name in published:
        for old, new in imf_dit.RENAME.items():
            name = name.replace(old, new)
        assert name in imf
    dh = set(DiTDH(DiTDHConfig(**DH)).state_dict())
    published = {
        "blocks.4.adaLN_modulation.1.weight", "blocks.0.mlp.w12.bias", "final_layer.norm_final.weight", "t_embedder.W",
        "s_projector.weight", "s_embedder.proj.weight", "blocks.3.norm1.weight",
    }  # fmt: skip
    assert published <= dh
    assert not any(name.startswith(dit_dh.DROP) for name in dh)


def test_fourier_times_are_sines_of_the_frequencies():
    torch.manual_seed(0)
    embedder = DiTDH(DiTDHConfig(**DH)).t_embedder
    seen = []
    embedder.mlp[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    embedder(torch.tensor([0.25]))
    frequency = float(embedder.W[3])
    assert seen[0].shape == (1, 512)
    assert float(seen[0][0, 3].detach()) == pytest.approx(math.sin(2 * math.pi * 0.25 * frequency), abs=1e-5)
    assert float(seen[0][0, 256 + 3].detach()) == pytest.approx(math.cos(2 * math.pi * 0.25 * frequency), abs=1e-5)
