"""The miniature's stand-in for Inception: a small classifier of its 20 classes, whose features distances compare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from relaionet.evaluators.features.extractors import Extractor, weights_fingerprint
from relaionet.manifests.errors import BadInput

FEATURES_COUNT = 64
CLASSES_COUNT = 20
INPUT_PX = 32
WEIGHTS = "weights/classifier.safetensors"


class _Residual(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 1x1 convolution where the size changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.skip = nn.Identity() if stride == 1 else nn.Conv2d(width_in, width, 1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, C, H, W]` to `[N, C', H / stride, W / stride]`."""
        inner = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.skip(x) + self.norm2(self.conv2(inner)))


class Classifier(nn.Module):
    """A small residual network with 64 features and 20 logits, labels in sorted-wnid order."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.body = nn.Sequential(_Residual(32, 48, 2), _Residual(48, 96, 2), _Residual(96, 128, 2))
        self.neck = nn.Linear(128, FEATURES_COUNT)
        self.head = nn.Linear(FEATURES_COUNT, CLASSES_COUNT)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Penultimate features.

        Args:
            images: `[N, 3, 32, 32]` uint8 RGB.

        Returns:
            `[N, 64]` float32.

        Raises:
            BadInput: another shape or type.
        """
        if images.dtype != torch.uint8 or images.shape[1:] != (3, INPUT_PX, INPUT_PX):
            raise BadInput(
                f"the miniature's classifier takes [N, 3, {INPUT_PX}, {INPUT_PX}] uint8; "
                f"found {list(images.shape)} {images.dtype}. Resize the pictures first."
            )
        x = functional.relu(self.stem(images.float() / 127.5 - 1))  # [N, 32, 32, 32]
        return self.neck(self.body(x).mean(dim=(2, 3)))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Logits `[N, 20]` float32 of features `[N, 64]`."""
        return self.head(functional.relu(features))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `[N, 20]` of images `[N, 3, 32, 32]` uint8."""
        return self.logits(self.features(images))


@cache
def load_classifier() -> Classifier:
    """The trained classifier, in evaluation mode, on the CPU.

    Returns:
        The same object at every call; its parameters take no gradients.
    """
    from safetensors.torch import load_file

    model = Classifier()
    with as_file(files("relaionet.evaluators.miniature").joinpath(WEIGHTS)) as path:
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return model.eval().requires_grad_(False)


class MiniatureExtractor:
    """The miniature's classifier: 64 features and 20 logits of 32 × 32 images.

    Args:
        classifier: as `relaionet.evaluators.miniature.classifier.load_classifier` gives it.
        fingerprint: of its weights.
        classes: wnid of each logit.
    """

    name = "miniature"

    def __init__(self, classifier: Classifier, fingerprint: str, classes: tuple[str, ...]) -> None:
        self._classifier = classifier
        self.fingerprint = fingerprint
        self.classes = classes
        self.dim = 64

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """[N, 3, 32, 32] uint8 -> features [N, 64], logits [N, 20], float32."""
        with torch.inference_mode():
            features = self._classifier.features(torch.from_numpy(images))
            logits = self._classifier.logits(features)
        return {"features": features.float().numpy(), "logits": logits.float().numpy()}


def load_miniature() -> Extractor:
    """The miniature's classifier as an extractor."""
    from relaionet.pipeline.miniature.drawings.pictures import CLASSES

    classifier = load_classifier()
    return MiniatureExtractor(classifier, weights_fingerprint(classifier.state_dict()), tuple(CLASSES))
