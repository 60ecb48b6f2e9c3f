"""Checkpoints that the real flax and orbax wrote, converted: our torch networks answer as the flax ones did.

`flax/` was made by `tests/contract/flax_networks.py meanflow folder` (orbax 0.4.4) and `imf store` (orbax 0.6.4), small
networks with random weights; `tests/contract/test_flax.py` makes them, and other forms, anew.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from relaionet.evaluators.generators.flow_maps import flax_checkpoints
from relaionet.evaluators.generators.flow_maps.checkpoints import CheckpointConfig, load_weights
from relaionet.evaluators.generators.flow_maps.flax_checkpoints import find_checkpoint, read_flax
from relaionet.evaluators.generators.flow_maps.flax_conversion import convert_checkpoint, rename_flax
from relaionet.evaluators.generators.flow_maps.networks import BACKBONES, fill_network
from relaionet.evaluators.generators.protocol import Request, Settings
from relaionet.evaluators.generators.registry import load_generator, read_definition
from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput, Corrupt

FOLDER = Path(__file__).with_name("flax")
SMALL = {"input_size": 8, "patch_size": 2, "hidden_size": 8, "num_heads": 2, "num_classes": 5}
NETWORKS = {
    "meanflow": ("meanflow-b4", {**SMALL, "depth": 2, "second_time": True}),
    "imf": ("imf-xl2", {**SMALL, "depth": 3, "head_depth": 1}),
}


def convert(name: str, source: Path, out: Path):
    entry, network = NETWORKS[name]
    definition = read_definition(entry, {"network": network})
    return definition, convert_checkpoint(definition, source, out)


def difference(name: str, source: Path, out: Path) -> float:
    """Largest difference of what the converted network answers from what flax's did."""
    definition, converted = convert(name, source, out)
    about = {key: tuple(v) if isinstance(v, list) else v for key, v in definition.options.get("checkpoint", {}).items()}
    backbone = definition.options["backbone"]
    network = BACKBONES[backbone][0](fill_network(backbone, definition.options["network"], name)).eval()
    load_weights(network, converted.path, CheckpointConfig(**about), name)
    with np.load(source / "io.npz") as told, torch.inference_mode():
        x, t, h, label, guidance = (
            torch.from_numpy(told[key]) for key in ("x", "t", "h", "label", "guidance")
        )  # fmt: skip
        answer = network(x.permute(0, 3, 1, 2), t, label, h, guidance if name == "imf" else None)
        wanted = torch.from_numpy(told["answer"])
    assert wanted.std() > 0.1
    return float((answer.permute(0, 2, 3, 1) - wanted).abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_converted_weights_answer_as_flax_did(name, tmp_path):
    assert difference(name, FOLDER / name, tmp_path / "weights.safetensors") < 1e-5


@pytest.fixture
def vae(tmp_path: Path) -> str:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=16,
    ).save_pretrained(tmp_path / "vae")  # fmt: skip
    return str(tmp_path / "vae")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_entry_samples_with_what_the_command_wrote(name, tmp_path, vae):
    """The catalogue's own entry, made small: its names, its sampler, its checkpoint table."""
    entry, network = NETWORKS[name]
    small, out = tmp_path / "small.toml", tmp_path / "weights.safetensors"
    text, sizes = (
        read_definition(entry).path.read_text(),
        "".join(f"{k} = {json.dumps(v)}\n" for k, v in network.items()),
    )
    small.write_text(re.sub(r"(?s)(\[network\]\n).*?(?=\n\[)", rf"\1{sizes}", text).replace("vae-ft-mse", "none"))
    done = CliRunner().invoke(main, ["generators", "convert", str(small), str(FOLDER / name), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "checkpoint_7: ema_params, " in done.output
    assert f'options = {{ weights = "{out}" }}' in done.output
    assert out.stat().st_mode & 0o044 == 0o044, "others may read it"
    with safe_open(out, "np") as file:
        assert file.metadata() == {"source": "checkpoint_7", "tree": "ema_params", "converter": "relaionet 1"}
    codec = {"kind": "sd-vae", "model": vae, "image_size_px": 16}
    generator = load_generator(small, weights=str(out), codec=codec, class_indices=[1, 2, 3, 4, 5])
    requests = [
        Request(sample_id=str(i), class_index=i, wnid="", class_name="", prompt="", seed=i) for i in range(1, 6)
    ]
    made = generator.generate(requests, Settings(steps=2, guidance=generator.info.natural_guidance))
    assert list(made.nfe) == [2] * 5
    assert len({image.tobytes() for image in made.images}) == 5
    assert "weights.safetensors sha256:" in generator.info.weights


@pytest.mark.parametrize(
    ("flax", "torch_name", "backbone"),
    [
        ("blocks.layers_11.attn.qkv._flax_linear.kernel", "blocks.11.attn.qkv.weight", "dit"),
        ("h_embedder.mlp.layers_2._flax_linear.bias", "s_embedder.mlp.2.bias", "dit"),
        ("h_embedder.mlp.layers_2._flax_linear.bias", "h_embedder.mlp.2.bias", "imf_dit"),
        ("y_embedder.embedding_table._flax_embedding.embedding", "y_embedder.embedding_table.weight", "dit"),
        ("shared_blocks_39.attn.q_norm.kernel", "shared_blocks.39.attn.q_norm.weight", "imf_dit"),
        ("u_heads_7.mlp_scale", "u_heads.7.mlp_scale", "imf_dit"),
        ("t_min_tokens", "t_min_tokens", "imf_dit"),
    ],
)
def test_names(flax, torch_name, backbone):
    assert rename_flax(flax, backbone) == torch_name


def test_the_average_is_taken_and_nothing_else_in_its_place(tmp_path):
    average = read_flax(find_checkpoint(FOLDER / "meanflow"))
    trained = read_flax(find_checkpoint(FOLDER / "meanflow"), "params")
    assert len(average) == 35
    assert {name: abs(value).max() for name, value in trained.items()} == {
        "net.x_embedder.proj.bias": 0, "net.x_embedder.proj.kernel": 0,
    }  # fmt: skip
    with pytest.raises(BadInput, match=r"has no tree 'ema'; it has ema_params, params, step"):
        read_flax(find_checkpoint(FOLDER / "imf"), "ema")
    with pytest.raises(BadInput, match=r"33 tensors are not those of MeanFlow-B/4.*found none"):
        convert_checkpoint(definition_of("meanflow"), FOLDER / "meanflow", tmp_path / "w.safetensors", "params")
    assert not list(tmp_path.iterdir())


def definition_of(name: str):
    return read_definition(NETWORKS[name][0], {"network": NETWORKS[name][1]})


def test_the_latest_checkpoint_of_a_folder_is_taken(tmp_path):
    for step in (9, 10, 100):
        shutil.copytree(FOLDER / "meanflow" / "checkpoint_7", tmp_path / f"checkpoint_{step}")
    (tmp_path / "checkpoint_200.orbax-checkpoint-tmp-1").mkdir()
    assert find_checkpoint(tmp_path).name == "checkpoint_100"
    with pytest.raises(BadInput, match="Unpack the zip"):
        find_checkpoint(FOLDER)
    with pytest.raises(BadInput, match="does not exist"):
        find_checkpoint(tmp_path / "none")


def test_another_size_or_kind_is_said(tmp_path):
    out = tmp_path / "w.safetensors"
    wide = read_definition("meanflow-b4", {"network": {**NETWORKS["meanflow"][1], "hidden_size": 16}})
    with pytest.raises(BadInput, match=r"34 tensors.*expected \(96,\).*of another size"):
        convert_checkpoint(wide, FOLDER / "meanflow", out)
    with pytest.raises(BadInput, match="published for torch"):
        convert_checkpoint(read_definition("soflow-xl2"), FOLDER / "meanflow", out)
    with pytest.raises(BadInput, match="no backbone that is published for flax; those are dit and imf_dit"):
        convert_checkpoint(read_definition("rae-ditdh-xl"), FOLDER / "meanflow", out)
    with pytest.raises(BadInput, match=r"ends with \.safetensors"):
        convert_checkpoint(definition_of("meanflow"), FOLDER / "meanflow", tmp_path / "w.pt")


def test_what_is_damaged_or_no_checkpoint_is_said(tmp_path):
    whole = (FOLDER / "meanflow" / "checkpoint_7" / "checkpoint").read_bytes()
    for name, data in {"short": whole[:9000], "text": b"hello", "empty": b"", "list": msgpack.packb([1, 2])}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Corrupt, match="no msgpack of flax, or is cut short"):
            read_flax(tmp_path / name)
    broken = shutil.copytree(FOLDER / "imf" / "checkpoint_7", tmp_path / "store")
    (broken / "manifest.ocdbt").write_bytes(b"no manifest")
    with pytest.raises(Corrupt, match=r"store cannot be read: "):
        read_flax(broken)


def packed(shape, kind, data: bytes) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((shape, kind, data), use_bin_type=True))


def test_a_stranger_s_msgpack_makes_arrays_of_numbers_or_an_error(tmp_path):
    path = tmp_path / "state"

    def read(leaf):
        path.write_bytes(msgpack.packb({"ema_params": {"a": leaf}}))
        return read_flax(path)["a"]

    assert read(packed((2, 1), "bfloat16", np.array([0x3F80, 0xC040], "<u2").tobytes())).tolist() == [[1], [-3]]
    assert read(packed((1,), "float64", np.array([0.5]).tobytes())).dtype == np.float32
    pieces = {"0": packed((3,), "float32", np.arange(3, dtype="f").tobytes()), "1": packed((1,), "float32", b"\0" * 4)}
    chunked = {flax_checkpoints.CHUNKED: True, "shape": {"0": 2, "1": 2}, "chunks": pieces}
    assert read(chunked).tolist() == [[0, 1], [2, 0]]
    for leaf in (
        packed((1,), "object", b"\0" * 8),
        "text",
        3,
        msgpack.ExtType(9, b"x"),
        packed((1,), "int32", b"\0" * 4),
    ):
        with pytest.raises(Corrupt, match="'a' of ema_params is no array"):
            read(leaf)
    for leaf in (
        packed((9, 9), "float32", b"\0" * 4),
        packed((-1,), "float32", b"\0" * 3),
        msgpack.ExtType(1, b"junk"),
    ):
        with pytest.raises(Corrupt, match="no msgpack of flax"):
            read(leaf)
    deep: object = 1
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(Corrupt, match="more than 32 levels"):
        read(deep)


def test_numbers_that_are_not_finite_are_refused(tmp_path, monkeypatch):
    arrays = read_flax(find_checkpoint(FOLDER / "meanflow"))
    arrays["net.x_embedder.proj.bias"] = np.full(8, np.nan, np.float32)
    monkeypatch.setattr("relaionet.evaluators.generators.flow_maps.flax_conversion.read_flax", lambda *_: arrays)
    with pytest.raises(Corrupt, match=r"'x_embedder\.proj\.bias' holds numbers that are not finite"):
        convert("meanflow", FOLDER / "meanflow", tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_store_that_says_it_is_huge_is_refused(monkeypatch):
    monkeypatch.setattr(flax_checkpoints, "MAX_VALUES", 1000)
    with pytest.raises(Corrupt, match="more than 1,000 numbers"):
        read_flax(find_checkpoint(FOLDER / "imf"))
