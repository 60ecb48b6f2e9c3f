"""Encoders by name: what is loaded, what a fingerprint covers, and what every wrong name says."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.embeddings.encoders import DEFAULT_LOGIT_SCALE, Encoder, load_encoder, logit_scale_of

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
}
FACTORY = """
import numpy as np, torch
class Grey:
    name, dim, fingerprint = "grey", 2, "g1"
    def __init__(self, class_names, angle=0.0, device="?"):
        self.class_names, self.angle, self.device = class_names, angle, device
    def preprocess(self, image): return torch.zeros(3, 2, 2)
    def encode_images(self, batch): return np.tile([1.0, 0.0], (len(batch), 1)).astype(np.float32)
    def encode_texts(self, texts): return np.tile([1.0, 0.0], (len(texts), 1)).astype(np.float32)
def nothing(): return object()
def needs(weights): return object()
"""


def write_model(folder: Path, config: dict = CONFIG) -> Path:
    import open_clip

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    model = open_clip.CLIP(**config["model_cfg"])
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(f"local-dir:{folder}", device="cpu")


@pytest.fixture
def factory_file(tmp_path: Path) -> Path:
    path = tmp_path / "grey.py"
    path.write_text(FACTORY)
    return path


def pictures(count: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    shapes = rng.integers(20, 90, (count, 2))
    arrays = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in shapes]
    return torch.stack([load_encoder_preprocess(Image.fromarray(array)) for array in arrays])


def load_encoder_preprocess(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image.resize((32, 32)), dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)


def test_open_clip_folder_gives_unit_rows(encoder: Encoder) -> None:
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.dim) == ("local-dir:tiny", 16)
    assert encoder.preprocess(Image.new("RGB", (90, 40))).shape == (3, 32, 32)
    for rows in (encoder.encode_images(pictures(5)), encoder.encode_texts(["a crane", "a photo of a crane " * 20])):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert encoder.encode_texts([]).shape == (0, 16)
    assert logit_scale_of(encoder) == pytest.approx(1 / 0.07, rel=1e-3)


def test_rows_do_not_depend_on_the_batch(encoder: Encoder, folder: Path) -> None:
    batch = pictures(7)
    alone = np.concatenate([encoder.encode_images(batch[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(encoder.encode_images(batch), alone, atol=1e-5)
    texts = [f"number {i}" for i in range(5)]
    small = load_encoder(f"local-dir:{folder}", device="cpu", batch_size=2)
    np.testing.assert_allclose(small.encode_texts(texts), encoder.encode_texts(texts), atol=1e-5)


def test_fingerprint_covers_weights_and_preprocessing(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    assert load_encoder(f"local-dir:{folder}").fingerprint == encoder.fingerprint
    other_mean = {**CONFIG, "preprocess_cfg": {**CONFIG["preprocess_cfg"], "mean": [0.4, 0.5, 0.5]}}
    changed = load_encoder(f"local-dir:{write_model(tmp_path / 'mean', other_mean)}")
    assert changed.fingerprint != encoder.fingerprint
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["visual.proj"][0, 0] += 1e-3
    copy = write_model(tmp_path / "weights")
    save_file(weights, copy / "open_clip_model.safetensors")
    assert load_encoder(f"local-dir:{copy}").fingerprint != encoder.fingerprint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ViT-B-33/openai", "Did you mean 'ViT-B-32'"),
        ("minature", "Did you mean 'miniature'"),
        ("ViT-B-32/laion2b_s34b_b79", "Did you mean 'laion2b_s34b_b79k'"),
        ("ViT-B-32", "needs weights"),
        ("local-dir:/nowhere/at/all", "open_clip_config.json"),
        ("/nowhere/encoder.py:Factory", "does not exist"),
        ("no_such_package_here:Factory", "could not be imported"),
        ("relaionet.pipeline.embeddings.encoders:load_encodr", "Did you mean 'load_encoder'"),
    ],
)
def test_a_wrong_name_says_what_would_be_right(name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        load_encoder(name)


def test_a_wrong_device_or_option_is_named(folder: Path) -> None:
    with pytest.raises(BadInput, match="Did you mean 'cuda'"):
        load_encoder(f"local-dir:{folder}", device="cudo")
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="this machine has none"):
            load_encoder(f"local-dir:{folder}", device="cuda")
    with pytest.raises(BadInput, match="takes no option batchsize"):
        load_encoder(f"local-dir:{folder}", batchsize=3)


def test_a_broken_folder_is_bad_input(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "broken")
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadInput, match="could not be loaded"):
        load_encoder(f"local-dir:{folder}")
    weights.unlink()
    with pytest.raises(BadInput, match="could not be loaded"):
        load_encoder(f"local-dir:{folder}")
    (folder / "open_clip_config.json").write_text("{")
    with pytest.raises(BadInput, match="could not be loaded"):
        load_encoder(f"local-dir:{folder}")


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_a_pickled_checkpoint_runs_nothing(tmp_path: Path) -> None:
    folder, mark = write_model(tmp_path / "attack"), tmp_path / "was-run"
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(Attack(mark), protocol=2))
    with pytest.raises(BadInput, match="could not be loaded"):
        load_encoder(f"local-dir:{folder}")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["ViT-B-32/laion2b_s34b_b79k", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"])
def test_weights_out_of_reach_are_unavailable(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match="could not be fetched"):
        load_encoder(name)


def test_import_string_gets_options_names_and_device(factory_file: Path) -> None:
    encoder = load_encoder(f"{factory_file}:Grey", device="cpu", angle=3.0)
    assert (encoder.angle, encoder.device, len(set(encoder.class_names))) == (3.0, "cpu", 1000)
    assert logit_scale_of(encoder) == DEFAULT_LOGIT_SCALE


def test_import_string_errors_are_readable(factory_file: Path) -> None:
    with pytest.raises(BadInput, match="Did you mean 'angle'"):
        load_encoder(f"{factory_file}:Grey", angel=3.0)
    with pytest.raises(BadInput, match="Did you mean 'Grey'"):
        load_encoder(f"{factory_file}:Gray")
    with pytest.raises(BadInput, match="has no name, dim, fingerprint"):
        load_encoder(f"{factory_file}:nothing")
    with pytest.raises(BadInput, match="missing a required argument: 'weights'"):
        load_encoder(f"{factory_file}:needs")
    factory_file.write_text("def (")
    with pytest.raises(BadInput, match="could not be imported"):
        load_encoder(f"{factory_file}:Grey")


def test_the_miniature_is_built_in() -> None:
    encoder = load_encoder("miniature", device="cpu")
    assert encoder.name == "miniature"
    texts = encoder.encode_texts(["a photo of an orange", "a photo of an orange", "a photo of a volcano"])
    assert texts[0] @ texts[1] == pytest.approx(1, abs=1e-5)
    assert texts[0] @ texts[2] < 0.9
