import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relaionet.evaluators.features.pickscore import load_pickscore
from relaionet.manifests.errors import BadInput, Unavailable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random CLIP in the published layout: model, processor and tokenizer files."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip")
    words = [
        "<|startoftext|>",
        "<|endoftext|>",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={
            **tower,
            "vocab_size": len(words),
            "bos_token_id": 0,
            "eos_token_id": 1,
            "max_position_embeddings": 12,
        },
        vision_config={**tower, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    (path / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    return path


def test_rows_are_unit_and_equal_the_models_own_cosines(folder: Path) -> None:
    from transformers import AutoTokenizer, CLIPModel

    encoder = load_pickscore(str(folder))
    images = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)) for seed in (0, 1)
    ]
    batch = torch.stack([encoder.preprocess(image) for image in images])
    texts = ["a cat", "a very very very long text of dogs"]
    rows, words = encoder.encode_images(batch), encoder.encode_texts(texts)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    tokens = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=12, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = CLIPModel.from_pretrained(folder).eval()(pixel_values=batch, **tokens).logits_per_image
    np.testing.assert_allclose(encoder.logit_scale * rows @ words.T, theirs.numpy(), rtol=1e-4, atol=1e-4)
    assert encoder.dim == 8


def test_fingerprint_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import CLIPModel

    other = tmp_path / "other"
    shutil.copytree(folder, other)
    model = CLIPModel.from_pretrained(other)
    with torch.no_grad():
        model.visual_projection.weight[0, 0] += 1
    model.save_pretrained(other)
    assert load_pickscore(str(other)).fingerprint != load_pickscore(str(folder)).fingerprint


def test_missing_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        load_pickscore(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="holds no PickScore"):
        load_pickscore(str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Unavailable, match="Put yuvalkirstain/PickScore_v1"):
        load_pickscore()
