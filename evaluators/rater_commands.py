"""Commands for preference models, spoken to as `relaionet.evaluators.ratings` says.

`python rater_commands.py imagereward` and `… hpsv2` run in an environment that has the package of that name; copy this
file there, it needs nothing of reLAIONet. `python -m relaionet.evaluators.rater_commands aesthetic --weights FILE` runs
in reLAIONet's own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Score = Callable[[str, str], float]
"""(path of a picture, text) -> score."""
TALK = sys.stdout
"""Where answers go; packages that print are sent to standard error."""


def load_imagereward(device: str) -> tuple[str, Score]:
    """ImageReward 1.0 (package image-reward): reward, about -2 to 2.

    Source: Xu et al. 2023, "ImageReward: learning and evaluating human preferences for text-to-image generation".
    """
    import ImageReward

    model = ImageReward.load("ImageReward-v1.0", device=device)
    return "1.0", lambda image, text: float(model.score(text, image))


def load_hpsv2(device: str) -> tuple[str, Score]:
    """HPS v2.1 (package hpsv2): cosine, about 0.2 to 0.33; only scores of the same prompts can be compared.

    Source: Wu et al. 2023, "Human preference score v2".
    """
    import hpsv2

    return "2.1", lambda image, text: float(hpsv2.score(image, text, hps_version="v2.1")[0])


def load_aesthetic(device: str, weights: str, encoder_name: str) -> tuple[str, Score]:
    """LAION's aesthetic predictor v2: a few linear layers on CLIP ViT-L/14's unit row, about 1 to 10.

    Args:
        device: torch device name.
        weights: `sac+logos+ava1-l14-linearMSE.pth`; read as tensors only.
        encoder_name: whose rows the layers take.

    Source: Schuhmann 2022, "improved-aesthetic-predictor".
    """
    import hashlib
    from pathlib import Path

    import numpy as np
    import torch
    from PIL import Image

    from relaionet.pipeline.encoders import load_encoder

    layers = torch.load(weights, weights_only=True, map_location="cpu")
    names = sorted((name for name in layers if name.endswith(".weight")), key=lambda name: int(name.split(".")[1]))
    encoder = load_encoder(encoder_name, device)

    def score(image: str, text: str) -> float:
        with Image.open(image) as picture:
            batch = torch.stack([encoder.preprocess(picture.convert("RGB"))])
        rows = torch.from_numpy(np.asarray(encoder.encode_images(batch), np.float32))
        for name in names:  # the published network has no activations between its layers
            rows = torch.nn.functional.linear(rows, layers[name], layers[name.removesuffix("weight") + "bias"])
        return float(rows[0, 0])

    return f"2 {encoder.fingerprint} {hashlib.sha256(Path(weights).read_bytes()).hexdigest()}", score


def answer(name: str, version: str, score: Score) -> None:
    """Say that the model is ready, then answer a line with a line until there are no more."""
    _say({"name": name, "version": version})
    for line in sys.stdin:
        request = json.loads(line)
        _say({"id": request["id"], "score": score(request["image"], request["text"])})


def _say(value: dict[str, Any]) -> None:
    TALK.write(json.dumps(value) + "\n")
    TALK.flush()


def main() -> None:
    """Load the model that is named and answer."""
    global TALK
    parser = argparse.ArgumentParser(description="Rate pictures: JSON lines in, JSON lines out.")
    parser.add_argument("model", choices=["imagereward", "hpsv2", "aesthetic"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", default="", help="aesthetic: file of the linear layers")
    parser.add_argument("--encoder", default="ViT-L-14/openai", help="aesthetic: whose rows the layers take")
    options = parser.parse_args()
    TALK = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if options.model == "imagereward":
        version, score = load_imagereward(options.device)
    elif options.model == "hpsv2":
        version, score = load_hpsv2(options.device)
    else:
        version, score = load_aesthetic(options.device, options.weights, options.encoder)
    answer(options.model, version, score)


if __name__ == "__main__":
    main()
