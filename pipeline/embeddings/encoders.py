"""Image-text encoders behind one protocol, named by a built-in name, an open_clip name or an import string."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.embeddings.open_clip import FOLDER, list_open_clip, load_folder, load_open_clip, pick_weights
from relaionet.pipeline.factories import call_factory, find_factory, is_factory
from relaionet.pipeline.hub import HubAddress, check_name, fetch_snapshot

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

VERSION = "1"
DEFAULT_LOGIT_SCALE = 100.0
MINIATURE_WEIGHTS = Path(__file__).parent.parent / "miniature" / "weights" / "encoder"
BUILT_IN = {"miniature": MINIATURE_WEIGHTS}
GROUP = "relaionet.encoders"
HUB = "hf-hub:"
HUB_FILES = ("open_clip_config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


@runtime_checkable
class Encoder(Protocol):
    """Puts pictures and texts into one space of unit rows.

    Attributes:
        name: for reading; goes into receipts.
        dim: length of a row.
        fingerprint: changes when weights, preprocessing or tokenizer change.

    An encoder may also have
        logit_scale: float, the factor that turns cosines into logits; `logit_scale_of` gives 100 where it has none;
        logit_bias: float, of a model trained with a sigmoid per pair;
        device: str, where it computes. With `cpu` it says that several threads may encode at once, a core each; with
            `cuda` its batches are put into pinned memory.
    """

    name: str
    dim: int
    fingerprint: str

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """RGB picture of any size -> [3, H, W] float32, H and W the same for every picture; called from threads."""
        ...

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        """[N, 3, H, W] float32 on the CPU -> [N, D] float32 unit rows."""
        ...

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows."""
        ...


def logit_scale_of(encoder: Encoder) -> float:
    """The encoder's factor from cosines to logits, 100 where it states none."""
    return float(getattr(encoder, "logit_scale", DEFAULT_LOGIT_SCALE))


def logit_bias_of(encoder: Encoder) -> float | None:
    """What a sigmoid model (SigLIP) adds to its logits; None for softmax models.

    With a bias, the probability that picture and text belong together is sigmoid(scale × cosine + bias), each pair by
    itself; without, softmax(scale × cosine) over the texts. The order of the texts is the same.
    """
    bias = getattr(encoder, "logit_bias", None)
    return None if bias is None else float(bias)


def load_encoder(name: str, device: str = "auto", **options: Any) -> Encoder:
    """Load an encoder.

    Args:
        name: one of
            `miniature`, the model this project carries;
            `ViT-B-32/laion2b_s34b_b79k`, an open_clip name and a pretrained tag or a file with weights;
            `hf-hub:organisation/model[@revision]`, checked against the Hub's hashes; `local-dir:folder` in open_clip's
            layout;
            `package.module:factory`, `path/to/file.py:factory` or an entry point of the group `relaionet.encoders`,
            called with the options. A factory that has a parameter `device`, or `class_names` (ImageNet's 1000
            names in class order), is given it.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        **options: passed to a factory; other encoders take `batch_size` (texts per forward pass) and
            `precision` (`auto`, `fp32`, `bf16`, `fp16`).

    Raises:
        BadInput: the name, device, file or an option is wrong.
        Unavailable: weights must be fetched and cannot be.
    """
    spec = name.strip()
    device = pick_device(device)
    if spec in BUILT_IN:
        return load_folder(BUILT_IN[spec], spec, device, options)
    if spec.startswith(FOLDER):
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        return load_folder(folder, f"{FOLDER}{folder.name}", device, options)
    if spec.startswith(HUB):
        return _load_hub(spec, device, options)
    if is_factory(spec, GROUP):
        return _load_factory(spec, device, options)
    model, _, weights = spec.partition("/")
    return load_open_clip(model, pick_weights(model, weights, BUILT_IN), _shown_name(model, weights), device, options)


def pick_device(device: str) -> str:
    """The torch device a name stands for; `auto` is a GPU where there is one.

    Raises:
        BadInput: there is no such device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise BadInput(f"device '{device}' is not known.{nearest_name(device, ['auto', 'cpu', 'cuda', 'mps'])}")
    is_there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]
    if not is_there:
        raise BadInput(f"device '{device}' is asked for and this machine has none; use 'auto' or 'cpu'.")
    return device


def _shown_name(model: str, weights: str) -> str:
    return f"{model}/{Path(weights).name}"


def _load_hub(spec: str, device: str, options: Mapping[str, Any]) -> Encoder:
    """Fetch a repository's files at one commit, checked, then load them from their folder."""
    repo_id, _, revision = spec.removeprefix(HUB).partition("@")
    check_name(repo_id, revision or None)
    address = HubAddress(kind="model", repo_id=repo_id, revision=revision or None)
    folder = fetch_snapshot(address, names=HUB_FILES)
    pinned = HubAddress(kind="model", repo_id=repo_id, revision=folder.name)
    for name in HUB_WEIGHTS:
        fetch_snapshot(pinned, names=(name,))
        if (folder / name).is_file():
            break
    return load_folder(folder, spec, device, options)


def encoder_names() -> list[str]:
    """Names of the built-in encoders and of open_clip's models."""
    return [*BUILT_IN, *(name for name, _ in list_open_clip())]


def _load_factory(spec: str, device: str, options: Mapping[str, Any]) -> Encoder:
    """Import a factory, call it, and check that what it made is an encoder."""
    offered = {"device": device, "class_names": [label.name for label in read_labels()]}
    encoder = call_factory(spec, find_factory(spec, GROUP), options, offered)
    parts = (*Encoder.__annotations__, "preprocess", "encode_images", "encode_texts")
    missing = [part for part in parts if not hasattr(encoder, part)]
    if missing:
        raise BadInput(
            f"encoder '{spec}': what it makes has no {', '.join(missing)}; see relaionet.pipeline.embeddings.encoders."
        )
    return encoder
