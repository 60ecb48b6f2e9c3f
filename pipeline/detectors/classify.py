"""A classifier of pictures that the user brings as an ONNX file: checked, tried aside, then asked."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from functools import cache
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.child_process import read_log, start_child
from relaionet.pipeline.detectors.config import ClassifierConfig
from relaionet.pipeline.detectors.packaged import find_packaged
from relaionet.pipeline.detectors.trial import ask, open_session, read_model

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

TOLERANCE = 1e-3  # what rounding may leave outside 0 to 1


class PictureClassifier:
    """The probability that a picture is unsafe; may be called in several threads.

    Args:
        config: what it is given and what its answers mean.
        session: from `trial.open_session`.
    """

    def __init__(self, config: ClassifierConfig, session: Any) -> None:
        self._config, self._session = config, session

    def score(self, image: Image.Image) -> float:
        """Probability, 0 to 1.

        Args:
            image: RGB, upright, as it is shown.

        Raises:
            BadInput: the model fails, or what it gives is no probability.
        """
        return probability_of(ask(self._session, prepare(image, self._config)), self._config)


def prepare(image: Image.Image, config: ClassifierConfig) -> np.ndarray:
    """A picture as the model wants it.

    Args:
        image: RGB.
        config: how.

    Returns:
        [1, 3, S, S] or [1, S, S, 3] float32.
    """
    import numpy as np
    from PIL import Image

    side, resized = config.input_px, config.resize_px or config.input_px
    width, height = resized, resized
    if config.fit == "shorter":
        factor = resized / min(image.size)
        width, height = (max(resized, round(length * factor)) for length in image.size)
        # a strip of a picture would grow beyond all memory: what is cut away is cut before
        image, width, height = _cut_long(image, width, height, resized)
    small = image.resize((width, height), Image.Resampling[config.resample.upper()])
    left, top = (width - side) // 2, (height - side) // 2
    small = small.crop((left, top, left + side, top + side))
    if config.jpeg_quality:
        data = io.BytesIO()
        small.save(data, "JPEG", quality=config.jpeg_quality)
        small = Image.open(data).convert("RGB")
    pixels = np.asarray(small, dtype=np.float32)  # [S, S, 3] RGB
    if config.channels == "BGR":
        pixels = pixels[:, :, ::-1]
    mean, std = (np.array(values, dtype=np.float32) for values in (config.mean, config.std))
    pixels = (pixels * np.float32(config.scale) - mean) / std
    batch = pixels[None] if config.layout == "NHWC" else pixels.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(batch)


def _cut_long(image: Image.Image, width: int, height: int, side: int) -> tuple[Image.Image, int, int]:
    """The middle of a picture far longer than the square that is cut out of it, and its size once resized."""
    most = 4 * side
    if max(width, height) <= most:
        return image, width, height
    long = 0 if width > height else 1
    kept = max(1, round(image.size[long] * most / max(width, height)))
    start = (image.size[long] - kept) // 2
    box = (start, 0, start + kept, image.height) if long == 0 else (0, start, image.width, start + kept)
    return image.crop(box), min(width, most), min(height, most)


def probability_of(answers: np.ndarray, config: ClassifierConfig) -> float:
    """The summed probability of the answers that mean unsafe.

    Args:
        answers: [K] what the model gave.
        config: what they mean.

    Raises:
        BadInput: there are fewer answers than the recipe names, or they are no probabilities.
    """
    import numpy as np

    if max(config.unsafe) >= len(answers):
        raise BadInput(f"it gives {len(answers)} answers, from 0; the recipe says {list(config.unsafe)} mean unsafe.")
    if config.answers == "logits":
        if len(answers) == 1:
            return float(1 / (1 + np.exp(-answers[0].clip(-60, 60))))
        odds = np.exp(answers - answers.max())
        answers = odds / odds.sum()
    value = float(answers[list(config.unsafe)].sum())
    if not -TOLERANCE <= value <= 1 + TOLERANCE:
        raise BadInput(f'it says {value:.4g}, which is no probability; set answers = "logits" if it gives these.')
    return min(max(value, 0.0), 1.0)


def has_runtime() -> bool:
    """True where onnxruntime is installed."""
    return util.find_spec("onnxruntime") is not None


def settle(config: ClassifierConfig) -> ClassifierConfig:
    """The settings with a package's model named by its file; nothing is fetched."""
    return find_packaged(config) if config.package else config


def check_classifier(config: ClassifierConfig) -> None:
    """Find what is missing or wrong before anything is fetched, without loading the model in this process.

    Raises:
        BadInput: onnxruntime is missing, the file is another one, or the model is none that fits the settings.
    """
    named = settle(config)
    if not has_runtime():
        raise BadInput(
            "screen.unsafe.classifier: onnxruntime is not installed; run pip install 'relaionet[onnx]', or name no "
            "classifier: the run then says that nothing looked at the pictures."
        )
    assert_sound(named)


def assert_sound(config: ClassifierConfig) -> None:
    """Try the model in a process of its own, bounded in memory and time; once for each file and settings.

    Raises:
        BadInput: it is refused there, or does not end well; the message says why.
    """
    path = _file_of(config)
    read_model(path, config.sha256)
    count = _try(config)
    if max(config.unsafe) >= count:
        raise BadInput(
            f"the classifier {path} gives {count} answers, from 0; the recipe says {list(config.unsafe)} mean unsafe."
        )


@cache
def _try(config: ClassifierConfig) -> int:
    """How many answers the model gives."""
    path = _file_of(config)
    command = [
        sys.executable, "-m", "relaionet.pipeline.detectors.trial", str(path), config.sha256, str(config.trial_bytes),
        str(config.input_px), config.layout,
    ]  # fmt: skip
    with tempfile.TemporaryFile() as said:
        child = start_child(command, output=said, errors="dropped")
        code = child.wait(config.trial_s)
        child.stop(ask="never")
        text = read_log(said)
    if code is None:
        raise BadInput(f"the classifier {path} did not look at one picture in {config.trial_s:g} s; it is not loaded.")
    try:
        told = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        told = {"refused": f"trying it ended with status {code}, within {config.trial_bytes:,} bytes of memory"}
    if "refused" in told:
        raise BadInput(f"the classifier {path} is not loaded: {told['refused']}.")
    return int(told["answers"])


def load_classifier(config: ClassifierConfig) -> PictureClassifier:
    """Check the model's sha256, try it aside, then load it.

    Raises:
        BadInput: as for `check_classifier`.
    """
    check_classifier(config)
    named = settle(config)
    return PictureClassifier(
        named, open_session(read_model(_file_of(named), named.sha256), named.input_px, named.layout)
    )


def _file_of(config: ClassifierConfig) -> Path:
    if config.file is None:
        raise BadInput("screen.unsafe.classifier: no file is named.")
    return config.file
