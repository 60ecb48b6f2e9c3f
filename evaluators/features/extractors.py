"""Feature extractors behind one protocol: the miniature's classifier, Inception, any encoder, or an import string."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from relaionet.manifests.containers.checkpoints import check_model_folder
from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable, nearest_name
from relaionet.manifests.escape import message_of
from relaionet.manifests.files import digest_of, file_sha256
from relaionet.pipeline.factories import call_factory, find_factory, is_factory
from relaionet.pipeline.tensors import read_weights

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from relaionet.pipeline.embeddings.encoders import Encoder

VERSION = "1"
GROUP = "relaionet.extractors"
BUILT_IN = ("miniature", "inception", "dinov2")
# found by its import string: the miniature is built on what it stands in for
MINIATURE = "relaionet.evaluators.miniature.classifier:load_miniature"
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_SHA256_START = "6726825d"
DINO_MODEL = "facebook/dinov2-large"


@runtime_checkable
class Extractor(Protocol):
    """Turns images into named arrays with one row per image.

    Attributes:
        name: for reading; goes into receipts.
        dim: length of a row of `features`.
        fingerprint: changes when weights or preprocessing change.
    """

    name: str
    dim: int
    fingerprint: str

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, H, W] RGB -> at least `features` [N, D] float32; classifiers add `logits` [N, C] float32.

        The images are uint8, or float32 from 0 to 255 where the protocol's resize keeps fractions.
        """
        ...


class InceptionExtractor:
    """torch-fidelity's Inception: pooled and spatial features, and 1008 logits without bias, of TensorFlow's FID graph.

    Source: torch-fidelity 0.4.0 `FeatureExtractorInceptionV3` (features equal bit for bit); see `run_inception`.

    Args:
        weights: torch-fidelity's file; None takes it from torch's hub folder, or fetches it there.
        device: torch device name.

    Raises:
        BadInput: the file is not there or is no Inception.
        Unavailable: it must be fetched and cannot be.
        Corrupt: what was fetched has another checksum.
    """

    name = "inception"
    dim = 2048

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        path = _find_inception(weights)
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        _check_tensors_only(path)
        try:
            network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
            )
        except (RuntimeError, KeyError, AttributeError) as error:
            text = message_of(error)
            raise BadInput(f"{path} holds no torch-fidelity Inception: {text}. Use {INCEPTION_FILE}.") from None
        self._network, self._device = network.to(device), device
        self.fingerprint = f"torch-fidelity-0.4:{file_sha256(path)}:spatial"

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, H, W] uint8, or float32 0 to 255 -> features [N, 2048], spatial [N, 2023], logits [N, 1008]."""
        from relaionet.evaluators.features.inception import run_inception

        return run_inception(self._network, images, self._device)


class EncoderExtractor:
    """An image-text encoder as an extractor; its features are unit rows.

    Args:
        encoder: as `relaionet.pipeline.embeddings.encoders.load_encoder` gives it.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.name, self.dim, self.fingerprint = encoder.name, encoder.dim, encoder.fingerprint

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, H, W] uint8, or float32 0 to 255, which is rounded -> features [N, D] float32 unit rows."""
        import torch

        batch = torch.stack([self.encoder.preprocess(picture) for picture in to_pictures(images)])  # [N, 3, h, w]
        return {"features": np.asarray(self.encoder.encode_images(batch), dtype=np.float32)}


class DinoExtractor:
    """DINOv2 of transformers: the class token after the last norm.

    Source: Stein et al. 2023, "Exposing flaws of generative model evaluation metrics" (ViT-L/14, 224 px, Pillow's
        bicubic, ImageNet's mean and deviation).

    Args:
        weights: local folder with `config.json` and safetensors; None takes `facebook/dinov2-large` from the Hub.
        device: torch device name.

    Raises:
        BadInput: the folder holds no DINOv2.
        Unavailable: the weights must be fetched and cannot be.
    """

    name = "dinov2"
    SIDE_PX = 224

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        from transformers import Dinov2Model

        if weights is not None and not (weights / "config.json").is_file():
            raise BadInput(f"DINOv2's folder {weights} holds no config.json; put the model's files there.")
        try:
            if weights is not None:
                check_model_folder(weights)
            model = Dinov2Model.from_pretrained(str(weights or DINO_MODEL), use_safetensors=True)
        except (OSError, ValueError, KeyError) as error:
            text = message_of(error)
            if weights:
                raise BadInput(f"{weights} holds no DINOv2 model: {text}.") from None
            raise Unavailable(
                f"DINOv2 is not on this machine and could not be fetched: {text}. Put the files of {DINO_MODEL} into a "
                "folder and name it in the recipe as the weights of 'dinov2'."
            ) from None
        self._model, self._device = model.eval().to(device), device
        self.dim = int(model.config.hidden_size)
        self.fingerprint = f"dinov2-{self.SIDE_PX}-bicubic:{weights_fingerprint(model.state_dict())}"

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, H, W] uint8, or float32 0 to 255, which is rounded -> features [N, D] float32."""
        import torch
        from PIL import Image

        size = (self.SIDE_PX, self.SIDE_PX)
        pixels = [np.asarray(one.resize(size, Image.Resampling.BICUBIC), np.float32) for one in to_pictures(images)]
        scaled = (np.stack(pixels) / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
        batch = torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2).to(self._device)  # [N, 3, 224, 224]
        with torch.inference_mode():
            rows = self._model(pixel_values=batch).last_hidden_state[:, 0]
        return {"features": rows.float().cpu().numpy()}


def to_pictures(images: np.ndarray) -> list[Image]:
    """[N, 3, H, W] uint8, or float32 0 to 255, which is rounded -> N Pillow pictures."""
    from PIL import Image as Pillow

    if images.dtype != np.uint8:
        images = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    return [Pillow.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images]


def load_extractor(name: str, device: str = "cpu", **options: Any) -> Extractor:
    """Load an extractor.

    Args:
        name: `miniature`; `inception` (option `weights`: torch-fidelity's file); `dinov2` (option `weights`: a folder
            in the layout of the Hub); `encoder:<name>` with any name
            `load_encoder` knows; or `package.module:factory`, `path/to/file.py:factory` or an entry point of the group
            `relaionet.extractors`, called with the options.
        device: torch device name.
        **options: passed on.

    Raises:
        BadInput: name, file or option is wrong.
        Unavailable: weights must be fetched and cannot be.
    """
    if name == "miniature":
        return call_factory(name, find_factory(MINIATURE, GROUP), options, {})
    if name == "inception":
        weights = options.get("weights")
        return InceptionExtractor(Path(weights).expanduser() if weights else None, device)
    if name == "dinov2":
        weights = options.get("weights")
        return DinoExtractor(Path(weights).expanduser() if weights else None, device)
    if name.startswith("encoder:"):
        from relaionet.pipeline.embeddings.encoders import load_encoder

        return EncoderExtractor(load_encoder(name.removeprefix("encoder:"), device, **options))
    check_extractor_name(name)
    return _call_own(name, device, options)


def check_extractor_name(name: str) -> None:
    """Refuse a name that no extractor can have.

    Args:
        name: as for `load_extractor`.

    Raises:
        BadInput: it is none; the message names the nearest.
    """
    if name not in BUILT_IN and not name.startswith("encoder:") and not is_factory(name, GROUP):
        forms = "'encoder:<name>' and 'package.module:factory' work too."
        raise BadInput(f"there is no extractor '{name}'.{nearest_name(name, BUILT_IN)} Besides, {forms}")


def _call_own(name: str, device: str, options: Mapping[str, Any]) -> Extractor:
    """An extractor of a package, or of the user's own."""
    made = call_factory(name, find_factory(name, GROUP), options, {"device": device})
    missing = [part for part in ("name", "dim", "fingerprint", "extract") if not hasattr(made, part)]
    if missing:
        raise BadInput(f"extractor '{name}' has no {', '.join(missing)}; see relaionet.evaluators.features.extractors.")
    return made


def weights_fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """sha256 (hex) over every tensor's name, shape and bytes."""
    parts = []
    for name, tensor in sorted(weights.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        parts.append([name, str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()])
    return digest_of("weights", parts)


def _find_inception(weights: Path | None) -> Path:
    """The file asked for, or torch-fidelity's own with its checksum, fetched where it is missing."""
    if weights is not None:
        if not weights.is_file():
            raise BadInput(f"Inception weights {weights} do not exist.")
        return weights
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE
    if not path.is_file():
        _fetch(torch.hub.download_url_to_file, path)
    if not file_sha256(path).startswith(INCEPTION_SHA256_START):
        raise Corrupt(f"{path} has another checksum than its name says; delete it and run again.")
    return path


def _fetch(download: Callable[..., Any], path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download(URL_INCEPTION_V3, str(path), hash_prefix=INCEPTION_SHA256_START, progress=False)
    except OSError as error:
        raise Unavailable(
            f"Inception's weights are not on this machine and could not be fetched from {URL_INCEPTION_V3}: {error}. "
            f"Put that file at {path}, or name it in the recipe as the weights of 'inception'."
        ) from None
    except RuntimeError as error:
        raise Corrupt(f"Inception's weights from {URL_INCEPTION_V3} have another checksum: {error}.") from None


def _check_tensors_only(path: Path) -> None:
    """torch-fidelity unpickles the file without a guard, so it must hold nothing but tensors."""
    try:
        read_weights(path)
    except Refused as error:
        raise BadInput(f"{path} is no file of tensors: {error}. Use {INCEPTION_FILE}.") from None
