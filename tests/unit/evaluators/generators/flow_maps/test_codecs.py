"""Latents to pixels with diffusers' real autoencoders, and checkpoints in the forms they are published in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.generators.flow_maps.backbones.dit_dh import DiTDH, DiTDHConfig
from relaionet.evaluators.generators.flow_maps.backbones.imf_dit import DROP, RENAME, ImfDiT, ImfDiTConfig
from relaionet.evaluators.generators.flow_maps.codecs import CodecConfig, load_codec
from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.manifests.errors import BadInput, Corrupt
from tests.fakes.hub.server import serve_hub
from tests.unit.evaluators.sampling.test_sample import split_of

MAKE = "relaionet.evaluators.generators.adapters.flow_map:make_flow_map"
DIT = {"input_size": 8, "hidden_size": 32, "depth": 2, "num_heads": 2, "num_classes": 1000}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SD-VAE and an RAE of the real classes, tiny and random."""
    from diffusers import AutoencoderKL, AutoencoderRAE

    root = tmp_path_factory.mktemp("autoencoders")
    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=16,
    ).save_pretrained(root / "vae")  # fmt: skip
    AutoencoderRAE(
        encoder_hidden_size=64, encoder_patch_size=14, encoder_num_hidden_layers=1, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=16, patch_size=4,
        encoder_input_size=56, latents_mean=torch.randn(64, 1, 1).tolist(), latents_std=torch.rand(64, 1, 1).tolist(),
    ).save_pretrained(root / "rae")  # fmt: skip
    return root


def randomise(network: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def requests_of(count: int):
    return make_requests(split_of(count), base_seed=1, split_name="s")


def test_vae_latents_are_scaled_and_shifted_as_each_system_does(models):
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(models / "vae")
    state = torch.randn(2, 4, 8, 8)
    mean, std = (0.86, -0.28, 0.22, 0.37), (4.9, 5.3, 3.9, 4.0)
    by_scale = load_codec(CodecConfig(kind="sd-vae", model="vae", scale=0.18215), 4, "cpu", models, "x")
    by_moments = load_codec(CodecConfig(kind="sd-vae", model="vae", mean=mean, std=std), 4, "cpu", models, "x")
    with torch.inference_mode():
        assert torch.allclose(by_scale.decode(state), vae.decode(state / 0.18215).sample, atol=1e-5)
        raw = state * torch.tensor(std)[None, :, None, None] + torch.tensor(mean)[None, :, None, None]
        assert torch.allclose(by_moments.decode(state), vae.decode(raw).sample, atol=1e-6)
    assert by_scale.source.startswith("AutoencoderKL folder vae sha256:")


def test_rae_pixels_are_put_from_0_to_1_into_minus_1_to_1(models):
    from diffusers import AutoencoderRAE

    rae = AutoencoderRAE.from_pretrained(models / "rae")
    state = torch.randn(2, 64, 4, 4)
    codec = load_codec(CodecConfig(kind="rae", model="rae", image_size_px=16), 64, "cpu", models, "x")
    with torch.inference_mode():
        assert torch.allclose(codec.decode(state), 2 * rae.decode(state).sample - 1)
        assert codec.decode(state).shape == (2, 3, 16, 16)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"kind": "vae"}, "kind is 'vae'"),
        ({"kind": "sd-vae"}, "needs a model"),
        ({"kind": "sd-vae", "model": "gone"}, "neither a folder nor owner/name"),
        ({"kind": "rae", "model": "vae"}, "holds an AutoencoderKL, expected AutoencoderRAE"),
        ({"kind": "sd-vae", "model": "vae", "mean": (1.0,), "std": (1.0,)}, "1 numbers for 4 channels"),
        ({}, "needs a [codec]"),
    ],
)
def test_a_wrong_codec_says_what_to_do(models, about, message):
    with pytest.raises(BadInput) as caught:
        load_codec(CodecConfig(**about), 4, "cpu", models, "generator 'x'")
    assert message in str(caught.value)


@pytest.fixture
def sit(tmp_path: Path, models: Path) -> dict[str, object]:
    """SiT's layout: `.pt`, weights under `ema`, a learned variance after the velocity, the fixed positions stored."""
    network = randomise(DiT(DiTConfig(**DIT, out_channels=8)))
    state = {**network.state_dict(), "pos_embed": network.pos_embed}
    torch.save({"ema": state, "model": {}, "args": {"lr": 1e-4}}, tmp_path / "sit.pt")
    return {
        "name": "sit", "weights": "sit.pt", "network": {**DIT, "out_channels": 8}, "checkpoint": {"key": "ema"},
        "codec": {"kind": "sd-vae", "model": str(models / "vae"), "scale": 0.18215, "image_size_px": 16},
        "sampler": {"noise_at": 0, "guidance": "two_pass", "guided_channels": 3}, "base": tmp_path, "chunk_size": 4,
    }  # fmt: skip


def test_sit_from_latents_to_bytes_whatever_the_batch(sit):
    generator = load_generator(MAKE, **sit)
    assert generator.info.native_size_px == 16
    assert generator.info.class_indices is None
    requests, settings = requests_of(9), Settings(steps=2, guidance=4.0)
    whole = generator.generate(requests, settings)
    assert whole.images.shape == (9, 16, 16, 3)
    assert list(whole.nfe) == [4] * 9
    for size in (1, 3, 16):
        parts = [generator.generate(requests[i : i + size], settings).images for i in range(0, 9, size)]
        assert np.array_equal(np.concatenate(parts), whole.images)
    said = generator.describe(settings)
    assert said["codec"]["scale"] == 0.18215
    assert "AutoencoderKL" in generator.info.weights


def test_sit_with_the_adaptive_solver_counts_what_each_image_took(sit):
    sit["sampler"] = {"noise_at": 0, "step_rule": "dopri5"}
    generator = load_generator(MAKE, **sit)
    requests = requests_of(5)
    whole = generator.generate(requests, Settings(steps=1))
    assert min(whole.nfe) > 7
    alone = generator.generate(requests[3:4], Settings(steps=1))
    assert np.array_equal(alone.images[0], whole.images[3])
    assert alone.nfe[0] == whole.nfe[3]


def test_imf_as_it_is_published_in_torch(tmp_path, models):
    size = {"hidden_size": 32, "depth": 4, "head_depth": 2, "num_heads": 2, "input_size": 8}
    network = randomise(ImfDiT(ImfDiTConfig(**size)))
    published = {}
    for name, value in network.state_dict().items():
        is_linear = name.endswith(("proj.weight", "w1.weight", "w2.weight", "w3.weight")) and "x_embedder" not in name
        is_linear |= ".mlp.0." in name or ".mlp.2." in name or "final_layer.linear" in name
        stem, _, last = name.rpartition(".")
        wrapper = "_flax_embedding." if "embedding_table" in name else "_flax_linear." if is_linear else ""
        published[f"net.{stem}.{wrapper}{last}" if stem else f"net.{last}"] = value
    published["net.v_heads.0.norm1.weight"] = torch.ones(32)
    published["net.v_final_layer.norm.weight"] = torch.ones(32)
    torch.save(published, tmp_path / "imf.pth")
    generator = load_generator(
        MAKE, name="imf", backbone="imf_dit", weights="imf.pth", network=size, base=tmp_path, chunk_size=2,
        checkpoint={"prefix": "net.", "drop": list(DROP), "rename": RENAME}, guidance_range=[1.0, 8.0],
        natural_guidance=8.0, codec={"kind": "sd-vae", "model": str(models / "vae"), "image_size_px": 16},
        sampler={"second_time": "h", "step_rule": "jump", "guidance": "conditioning", "interval_input": True,
                 "guidance_low": 0.42, "guidance_high": 0.62},
    )  # fmt: skip
    for name, value in network.state_dict().items():
        assert torch.equal(generator.network.state_dict()[name], value)
    low = generator.generate(requests_of(3), Settings(steps=1, guidance=1.0))
    high = generator.generate(requests_of(3), Settings(steps=1, guidance=8.0))
    assert list(high.nfe) == [1] * 3
    assert not np.array_equal(low.images, high.images)
    with pytest.raises(BadInput, match="takes 1 to 8"):
        generator.generate(requests_of(1), Settings(steps=1, guidance=9.0))


def test_rae_with_autoguidance_from_the_hub(tmp_path, models, monkeypatch):
    size = {"input_size": 4, "in_channels": 64, "hidden_size": [32, 64], "depth": [2, 1], "num_heads": [2, 4]}
    small = {**size, "hidden_size": [16, 64], "depth": [1, 1]}
    for name, about in (("strong", size), ("weak", small)):
        config = DiTDHConfig(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in about.items()}
        )
        network = randomise(DiTDH(config))
        (tmp_path / "repo" / name).mkdir(parents=True)
        torch.save(
            {**network.state_dict(), "pos_embed": network.pos_embed}, tmp_path / "repo" / name / "stage2_model.pt"
        )
    with serve_hub() as hub:
        hub.use_here(monkeypatch, tmp_path / "home")
        commit = hub.add("models", "tiny/rae", tmp_path / "repo").sha
        generator = load_generator(
            MAKE, name="rae", backbone="dit_dh", weights="hf://tiny/rae/strong/stage2_model.pt", network=size,
            guide={"weights": "hf://tiny/rae/weak/stage2_model.pt", "network": small}, chunk_size=2,
            codec={"kind": "rae", "model": str(models / "rae"), "image_size_px": 16},
            sampler={"guidance": "autoguidance", "grid": "shifted", "shift": 2.0, "grid_end": 0.001,
                     "quantise": "truncate"},
        )  # fmt: skip
    assert f"tiny/rae@{commit}/strong/stage2_model.pt" in generator.info.weights
    assert f"guide tiny/rae@{commit}/weak/stage2_model.pt" in generator.info.weights
    made = generator.generate(requests_of(3), Settings(steps=3, guidance=1.42))
    assert list(made.nfe) == [6] * 3
    assert made.images.shape == (3, 16, 16, 3)


@pytest.mark.parametrize(
    ("about", "kind", "message"),
    [
        ({"checkpoint": {"key": "ema_model"}}, BadInput, "has no 'ema_model'; it has ema, model, args"),
        ({"checkpoint": {"kye": "ema"}}, BadInput, "unknown key 'kye'. Did you mean 'key'"),
        ({"checkpoint": {"key": "ema", "sha256": "0" * 64}}, Corrupt, "expected 000000000000"),
        ({"network": {**DIT, "depth": 3, "out_channels": 8}}, BadInput, "do not fit the backbone"),
        ({"weights": "gone.pt"}, BadInput, "do not exist"),
        ({"guide": {"weights": "sit.pt", "network": DIT}}, BadInput, "belong together"),
        ({"sampler": {"guidance": "autoguidance"}}, BadInput, "belong together"),
        ({"class_indices": [1, 2]}, BadInput, "2 class_indices for 1000"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_said(sit, about, kind, message):
    with pytest.raises(kind) as caught:
        load_generator(MAKE, **{**sit, **about})
    assert message in str(caught.value)


def test_a_pickle_that_runs_code_is_not_read(sit, tmp_path):
    (tmp_path / "sit.pt").write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with pytest.raises(Corrupt, match="cannot be read"):
        load_generator(MAKE, **sit)
    save_file({"x": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="do not fit"):
        load_generator(MAKE, **{**sit, "weights": "a.safetensors", "checkpoint": {}})
