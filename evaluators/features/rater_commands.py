"""Commands for preference models, spoken to as `relaionet.evaluators.features.raters` says.

`python rater_commands.py imagereward` and `… hpsv2` run in an environment that has the package of that name; copy this
file there, it needs nothing of reLAIONet. In reLAIONet's own:
`python -m relaionet.evaluators.features.rater_commands aesthetic --weights FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Score = Callable[[str, str], float]
"""(path of a picture, text) -> score."""
FOLDER = Path(__file__).resolve().parent
TALK = sys.stdout
"""Where answers go; packages that print are sent to standard error."""


def load_imagereward(device: str, weights: str = "") -> tuple[str, Score]:
    """ImageReward 1.0 (package image-reward): reward, about -2 to 2.

    Args:
        device: torch device name.
        weights: `ImageReward.pt`; empty fetches it from the Hub (what else the package wants is fetched there anyway).

    Source: Xu et al. 2023, "ImageReward: learning and evaluating human preferences for text-to-image generation".
    """
    import ImageReward

    model = ImageReward.load(weights or "ImageReward-v1.0", device=device)
    return "1.0", lambda image, text: float(model.score(text, image))


def load_hpsv2(device: str, weights: str = "") -> tuple[str, Score]:
    """HPS v2.1 (package hpsv2): cosine, about 0.2 to 0.33; only scores of the same prompts can be compared.

    The package's own `score` reads its checkpoint again for every picture and fetches weights it then writes over; here
    the same network is filled once.

    Args:
        device: torch device name.
        weights: `HPS_v2.1_compressed.pt`; empty fetches it from the Hub.

    Source: Wu et al. 2023, "Human preference score v2"; hpsv2 1.2.0 `img_score.score` (equal to 1e-6 on a CPU).
    """
    lend_vocabulary()
    import torch
    from hpsv2.src.open_clip import create_model_and_transforms, get_tokenizer
    from PIL import Image

    from relaionet.pipeline.tensors import read_weights

    if not weights:
        from hpsv2 import utils

        weights = utils.huggingface_hub.hf_hub_download("xswu/HPSv2", utils.hps_version_map["v2.1"])
    model, _, preprocess = create_model_and_transforms(
        "ViT-H-14", None, precision="amp", device=device, output_dict=True, light_augmentation=True
    )
    model.load_state_dict(read_weights(Path(weights), device)["state_dict"])
    model.eval()
    tokenizer, kind = get_tokenizer("ViT-H-14"), device.partition(":")[0]

    def score(image: str, text: str) -> float:
        with Image.open(image) as picture:
            pixels = preprocess(picture.convert("RGB"))[None].to(device)
        with torch.no_grad(), torch.autocast(kind, enabled=kind == "cuda"):
            found = model(pixels, tokenizer([text]).to(device))
            return float((found["image_features"] @ found["text_features"].T)[0, 0])

    return "2.1", score


def lend_vocabulary() -> None:
    """Put CLIP's vocabulary, which hpsv2 on PyPI lacks, into that package from another one that has it."""
    import importlib.util
    import shutil

    folders = {}
    for name in ("hpsv2", "open_clip", "clip"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            folders[name] = Path(spec.origin).parent
    if "hpsv2" not in folders:
        raise SystemExit("the package hpsv2 is not installed in this environment: pip install hpsv2")
    wanted = folders.pop("hpsv2") / "src" / "open_clip" / "bpe_simple_vocab_16e6.txt.gz"
    if wanted.is_file():
        return
    found = next((path for path in (folder / wanted.name for folder in folders.values()) if path.is_file()), None)
    if found is None:
        raise SystemExit(f"hpsv2 lacks {wanted.name}; pip install open_clip_torch beside it, from which it is taken.")
    shutil.copyfile(found, wanted)


def load_aesthetic(device: str, weights: str, encoder_name: str) -> tuple[str, Score]:
    """LAION's aesthetic predictor v2: a few linear layers on CLIP ViT-L/14's unit row, about 1 to 10.

    Args:
        device: torch device name.
        weights: `sac+logos+ava1-l14-linearMSE.pth`; read as tensors only.
        encoder_name: whose rows the layers take.

    Source: Schuhmann 2022, "improved-aesthetic-predictor".
    """
    import hashlib

    import numpy as np
    import torch

    from relaionet.pipeline.embeddings.encoders import load_encoder
    from relaionet.pipeline.images.picture import read_picture
    from relaionet.pipeline.tensors import read_weights

    layers = read_weights(Path(weights))
    names = sorted((name for name in layers if name.endswith(".weight")), key=lambda name: int(name.split(".")[1]))
    encoder = load_encoder(encoder_name, device)

    def score(image: str, text: str) -> float:
        batch = torch.stack([encoder.preprocess(read_picture(Path(image)))])
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
    if not __package__:  # run as a file: its folder holds modules named like the standard library's
        sys.path[:] = [place for place in sys.path if Path(place).resolve() != FOLDER]
    parser = argparse.ArgumentParser(description="Rate pictures: JSON lines in, JSON lines out.")
    parser.add_argument("model", choices=["imagereward", "hpsv2", "aesthetic"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", default="", help="file of weights in place of a download")
    parser.add_argument("--encoder", default="ViT-L-14/openai", help="aesthetic: whose rows the layers take")
    options = parser.parse_args()
    TALK = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if options.model == "imagereward":
        version, score = load_imagereward(options.device, options.weights)
    elif options.model == "hpsv2":
        version, score = load_hpsv2(options.device, options.weights)
    else:
        version, score = load_aesthetic(options.device, options.weights, options.encoder)
    answer(options.model, version, score)


if __name__ == "__main__":
    main()
