"""The shipped encoder reaches what is written beside it, and its training goes on after an interruption."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from relaionet.pipeline.embeddings.encoders import MINIATURE_WEIGHTS, load_encoder
from relaionet.pipeline.miniature.training import encoder as train_encoder
from relaionet.pipeline.miniature.training.encoder import train
from relaionet.pipeline.miniature.training.encoder_card import check_encoder
from relaionet.pipeline.miniature.training.samples import TrainConfig


def test_it_reaches_what_its_card_says() -> None:
    card = (MINIATURE_WEIGHTS / "README.md").read_text(encoding="utf-8")
    stated = {name: float(value) for name, value in re.findall(r"^\| (\w+) \| ([\d.]+) \|$", card, re.MULTILINE)}
    figures = check_encoder(MINIATURE_WEIGHTS, per_class_count=8)
    assert figures["accuracy_1000"] >= 0.92
    assert figures["accuracy_20"] >= 0.95
    assert figures["accuracy_20"] == pytest.approx(stated["accuracy_20"], abs=0.03)
    assert figures["accuracy_1000"] == pytest.approx(stated["accuracy_1000"], abs=0.03)
    assert figures["over_half_frac_picture"] > 0.9
    assert figures["over_half_frac_clutter"] < 0.1


def test_the_files_are_small_and_hold_no_code() -> None:
    assert {path.name for path in MINIATURE_WEIGHTS.iterdir()} == {
        "README.md",
        "open_clip_config.json",
        "open_clip_model.safetensors",
    }
    assert (MINIATURE_WEIGHTS / "open_clip_model.safetensors").stat().st_size < 9_000_000
    config = json.loads((MINIATURE_WEIGHTS / "open_clip_config.json").read_text(encoding="utf-8"))
    assert config["model_cfg"] == json.loads(json.dumps(train_encoder.MODEL))
    assert load_encoder("miniature", device="cpu").dim == train_encoder.MODEL["embed_dim"]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    config = TrainConfig(pictures_per_class_count=2, steps_count=4, batch_size=8, checkpoint_steps_count=2)
    whole, _ = train(config, tmp_path / "whole")
    step_loss = train_encoder._step_loss

    def stop_at_third(*args: Any) -> torch.Tensor:
        if args[-1] == 3:
            raise KeyboardInterrupt
        return step_loss(*args)

    monkeypatch.setattr(train_encoder, "_step_loss", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves")
    monkeypatch.setattr(train_encoder, "_step_loss", step_loss)
    resumed, _ = train(config, tmp_path / "halves")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)
