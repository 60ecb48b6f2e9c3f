"""SigLIP, SigLIP 2 and MobileCLIP as open_clip builds them, small and with random weights: what tells them apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder, logit_bias_of, logit_scale_of
from relaionet.pipeline.embeddings.open_clip import list_open_clip, pick_precision

WORDS = ["[UNK]", "</s>", "a", "photo", "of", "crane", "lemon", "the", "large", "bird"]
SMALL_TEXT = {"width": 16, "heads": 2, "layers": 1}


def small_siglip(original: str) -> dict:
    """The published config with a small tower each and a small vocabulary; all else as it is."""
    import open_clip

    config = open_clip.get_model_config(original)
    vision = {**config["vision_cfg"], "image_size": 224, "timm_model_name": "vit_tiny_patch16_224"}
    text = {**config["text_cfg"], **SMALL_TEXT, "vocab_size": len(WORDS), "hf_tokenizer_name": "tokenizer"}
    mean = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    return {
        "model_cfg": {**config, "embed_dim": 192, "vision_cfg": vision, "text_cfg": {**text, "width": 192, "heads": 3}},
        "preprocess_cfg": mean,
    }


def small_mobileclip(original: str) -> dict:
    import open_clip

    config = open_clip.get_model_config(original)
    vision = {**config["vision_cfg"], "image_size": 64, "timm_model_name": "fastvit_t8"}
    text = {**config["text_cfg"], **SMALL_TEXT}
    plain = {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "shortest"}
    return {
        "model_cfg": {**config, "embed_dim": 16, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": plain,
    }  # fmt: skip


def write_tokenizer(folder: Path) -> None:
    """A word tokenizer in transformers' files."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="[UNK]")
    fast.save_pretrained(folder)


def write_small(folder: Path, config: dict) -> str:
    import open_clip

    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if "hf_tokenizer_name" in config["model_cfg"]["text_cfg"]:
        write_tokenizer(folder)
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("families")
    made = {name: write_small(root / name, small_siglip(name)) for name in ("ViT-B-16-SigLIP", "ViT-B-16-SigLIP2")}
    return made | {"MobileCLIP-S1": write_small(root / "MobileCLIP-S1", small_mobileclip("MobileCLIP-S1"))}


@pytest.fixture(scope="module")
def encoders(names: dict[str, str]) -> dict[str, Encoder]:
    return {family: load_encoder(name, "cpu") for family, name in names.items()}


def noise(count: int, size: tuple[int, int] = (80, 50)) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        for _ in range(count)
    ]


@pytest.mark.parametrize("family", ["ViT-B-16-SigLIP", "ViT-B-16-SigLIP2", "MobileCLIP-S1"])
def test_every_family_gives_unit_rows_that_no_batch_changes(encoders: dict[str, Encoder], family: str) -> None:
    encoder = encoders[family]
    batch = torch.stack([encoder.preprocess(picture) for picture in noise(5)])
    rows = encoder.encode_images(batch)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode_images(batch[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(rows, alone, atol=1e-5)
    texts = encoder.encode_texts(["a photo of a crane", "a lemon", "a photo of a crane"])
    np.testing.assert_allclose(texts[0], texts[2], atol=1e-6)
    assert texts.shape == (3, encoder.dim)
    assert texts[0] @ texts[1] < 0.9999


def test_sigmoid_models_have_a_bias_and_softmax_models_none(encoders: dict[str, Encoder]) -> None:
    assert logit_bias_of(encoders["ViT-B-16-SigLIP"]) == pytest.approx(-10)
    assert logit_bias_of(encoders["MobileCLIP-S1"]) is None
    assert logit_bias_of(load_encoder("miniature", "cpu")) is None
    assert logit_scale_of(encoders["ViT-B-16-SigLIP"]) == pytest.approx(1 / 0.07, rel=1e-3)


def test_siglip_squashes_the_picture_and_mobileclip_cuts_its_middle_out(encoders: dict[str, Encoder]) -> None:
    """Left third red, the rest black: a cut of the middle never sees the red of a wide picture."""
    picture = Image.new("RGB", (300, 100))
    picture.paste((255, 0, 0), (0, 0, 90, 100))
    squashed = encoders["ViT-B-16-SigLIP"].preprocess(picture)
    cut = encoders["MobileCLIP-S1"].preprocess(picture)
    assert (squashed.shape, cut.shape) == ((3, 224, 224), (3, 64, 64))
    assert squashed[0, :, :60].min() > 0.9
    assert (squashed[1].max(), cut.max()) == (-1, 0)


def test_texts_are_cleaned_and_cut_as_each_family_does(encoders: dict[str, Encoder]) -> None:
    siglip, mobile = encoders["ViT-B-16-SigLIP"], encoders["MobileCLIP-S1"]
    same = siglip.encode_texts(["A photo, of a CRANE!", "a photo of a crane"])
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    for encoder, context in ((siglip, 64), (mobile, 77)):
        long = encoder.encode_texts(["crane " * context, "crane " * (context + 50), "crane " * (context - 30)])
        np.testing.assert_allclose(long[0], long[1], atol=1e-6)
        assert long[0] @ long[2] < 1 - 1e-7


def test_the_fingerprint_covers_the_tokenizer_and_the_context(names: dict[str, str], tmp_path: Path) -> None:
    import shutil

    folder = Path(names["ViT-B-16-SigLIP"].removeprefix("local-dir:"))
    before = load_encoder(f"local-dir:{folder}", "cpu").fingerprint
    copy = tmp_path / "words"
    shutil.copytree(folder, copy)
    text = (copy / "tokenizer.json").read_text()
    (copy / "tokenizer.json").write_text(text.replace('"crane": 5', '"crane": 6').replace('"lemon": 6', '"lemon": 5'))
    assert load_encoder(f"local-dir:{copy}", "cpu").fingerprint != before
    copy = tmp_path / "cleaning"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["clean"] = "whitespace"
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    assert load_encoder(f"local-dir:{copy}", "cpu").fingerprint != before
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert load_encoder(f"local-dir:{moved}", "cpu").fingerprint == before


def test_bf16_on_a_cpu_only_where_asked(names: dict[str, str], encoders: dict[str, Encoder]) -> None:
    for family in ("ViT-B-16-SigLIP", "MobileCLIP-S1"):
        full, half = encoders[family], load_encoder(names[family], "cpu", precision="bf16")
        batch = torch.stack([full.preprocess(picture) for picture in noise(8)])
        rows, rough = full.encode_images(batch), half.encode_images(batch)
        assert (full.precision, half.precision) == ("fp32", "bf16")
        assert half.fingerprint != full.fingerprint  # no store mixes the two
        assert half.fingerprint == load_encoder(names[family], "cpu", precision="bf16").fingerprint
        assert full.fingerprint == load_encoder(names[family], "cpu", precision="fp32").fingerprint
        assert (rows * rough).sum(axis=1).min() > 0.999
        assert not np.array_equal(rows, rough)
    with pytest.raises(BadInput, match="Did you mean 'bf16'"):
        load_encoder(names["MobileCLIP-S1"], "cpu", precision="bf")
    with pytest.raises(BadInput, match="on a CPU use 'fp32'"):
        load_encoder("miniature", "cpu", precision="fp16")


def small_vit(**vision: object) -> dict:
    """OpenAI's ViT in small, as open_clip builds it; three heads in eight layers."""
    tower = {"layers": 8, "width": 96, "head_width": 32, "patch_size": 16, "image_size": 96, **vision}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 3}
    plain = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    return {
        "model_cfg": {"embed_dim": 48, "vision_cfg": tower, "text_cfg": text, "quick_gelu": True},
        "preprocess_cfg": plain,
    }


@pytest.mark.parametrize(
    "family", ["plain", "pooled by attention", "EVA", "ViT-B-16-SigLIP", "ViT-B-16-SigLIP2", "MobileCLIP-S1"]
)
def test_packed_products_change_no_row_by_more_than_a_unit_of_float16(
    names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    made = {
        "plain": small_vit(),
        "pooled by attention": small_vit(attentional_pool=True, attn_pooler_queries=4, attn_pooler_heads=3),
        # EVA's attention multiplies by the weight of a linear layer itself
        "EVA": small_vit(
            timm_model_name="eva02_tiny_patch14_224", image_size=224, timm_pool="token", timm_proj="linear"
        ),
    }
    name = names[family] if family in names else write_small(tmp_path / "model", made[family])
    packed = load_encoder(name, "cpu")
    monkeypatch.setattr("relaionet.pipeline.embeddings.packed_layers.can_pack", lambda _dtype: False)
    plain = load_encoder(name, "cpu")
    assert any("Packed" in type(module).__name__ for module in packed._model.modules())
    assert not any("Packed" in type(module).__name__ for module in plain._model.modules())
    assert packed.fingerprint == plain.fingerprint
    batch = torch.stack([plain.preprocess(picture) for picture in noise(8)])
    texts = ["a photo of a crane", "a lemon, the large bird", ""]
    for ours, theirs in (
        (packed.encode_images(batch), plain.encode_images(batch)),
        (packed.encode_texts(texts), plain.encode_texts(texts)),
    ):
        assert np.abs(ours - theirs).max() < 2e-6
        steps = np.abs(ours.astype(np.float16).view(np.int16).astype(int) - theirs.astype(np.float16).view(np.int16))
        assert (steps[np.abs(theirs) > 1e-2] <= 1).all()


@pytest.mark.parametrize(("has_bf16", "picked"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_takes_bf16_where_it_has_it(monkeypatch: pytest.MonkeyPatch, has_bf16: bool, picked: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has_bf16)
    assert pick_precision("cuda:1") == picked
    assert pick_precision("cuda", "fp32") == "fp32"


def test_the_families_are_there_by_name() -> None:
    tags = dict(list_open_clip())
    assert "webli" in tags["ViT-B-16-SigLIP2"]
    assert "datacompdr" in tags["MobileCLIP-S1"]
    assert "laion2b_s34b_b79k" in tags["ViT-B-32"]
