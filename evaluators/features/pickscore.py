"""PickScore's CLIP model as an encoder: cosines of images and texts that follow human preference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relaionet.manifests.containers.checkpoints import check_model_folder
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.escape import message_of
from relaionet.manifests.files import digest_of, file_sha256

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

VERSION = "1"
MODEL = "yuvalkirstain/PickScore_v1"
PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


class PickScoreEncoder:
    """A CLIP model of transformers; fp32, rows do not depend on the batch beyond float rounding.

    Args:
        model: `CLIPModel`.
        processor: its image processor (Pillow's, whose resize is the published one).
        tokenizer: its tokenizer.
        fingerprint: of the weights.
        device: torch device name.
    """

    name = "PickScore_v1"

    def __init__(self, model: Any, processor: Any, tokenizer: Any, fingerprint: str, device: str) -> None:
        self._model, self._processor, self._tokenizer = model.eval().to(device), processor, tokenizer
        self._device = device
        self.fingerprint = fingerprint
        self.dim = int(model.config.projection_dim)
        self.logit_scale = float(model.logit_scale.detach().exp())

    def preprocess(self, image: Image) -> torch.Tensor:
        """RGB picture of any size -> [3, H, W] float32."""
        pixels: torch.Tensor = self._processor(images=image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return pixels

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        """[N, 3, H, W] float32 -> [N, D] float32 unit rows."""
        return self._unit(self._model.visual_projection, self._model.vision_model, pixel_values=batch)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows; long texts are cut."""
        length = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
        return self._unit(
            self._model.text_projection, self._model.text_model, input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
        )  # fmt: skip

    def _unit(self, project: Any, tower: Any, **inputs: torch.Tensor) -> np.ndarray:
        import torch

        # pooled by hand: what get_image_features returns has changed between transformers' versions
        with torch.inference_mode():
            rows = project(tower(**{name: value.to(self._device) for name, value in inputs.items()}).pooler_output)
        return torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()


def load_pickscore(folder: str | None = None, device: str = "cpu") -> PickScoreEncoder:
    """Load PickScore.

    Args:
        folder: local folder with the model (safetensors) and its processor and tokenizer files; None takes the
            published ones from the hub's cache, or fetches them.
        device: torch device name.

    Raises:
        BadInput: the folder lacks a file or holds another model.
        Unavailable: the files must be fetched and cannot be.

    Source: Kirstain et al. 2023, "Pick-a-Pic"; PickScore is logit scale × cosine, the alignment here 100 × cosine.
    """
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    if folder is not None and not Path(folder).expanduser().is_dir():
        raise BadInput(f"PickScore's folder {folder} does not exist.")
    where = str(Path(folder).expanduser()) if folder else MODEL
    beside = where if folder else PROCESSOR
    try:
        if folder:
            check_model_folder(Path(where))
        model = CLIPModel.from_pretrained(where, use_safetensors=True)
        processor = CLIPImageProcessorPil.from_pretrained(beside)
        tokenizer = AutoTokenizer.from_pretrained(beside)
    except (OSError, ValueError, KeyError) as error:
        text = message_of(error)
        if folder:
            raise BadInput(f"{folder} holds no PickScore model with processor and tokenizer: {text}.") from None
        raise Unavailable(
            f"PickScore is not on this machine and could not be fetched: {text}. Put {MODEL} and the processor of "
            f"{PROCESSOR} into one folder and name it in the recipe as the weights of 'pickscore'."
        ) from None
    return PickScoreEncoder(model, processor, tokenizer, _fingerprint(where, model.state_dict()), device)


def _fingerprint(where: str, weights: Mapping[str, torch.Tensor]) -> str:
    """sha256 (hex) of the weight files where they are local, else of the tensors."""
    files = sorted(Path(where).glob("*.safetensors")) if Path(where).is_dir() else []
    if files:
        return digest_of("clip", [file_sha256(path) for path in files])
    sums = [
        [name, float(tensor.double().sum()), float(tensor.double().abs().sum())] for name, tensor in weights.items()
    ]
    return digest_of("clip", where, sums)
