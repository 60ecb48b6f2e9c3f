"""Small classifiers on embeddings, such as LAION's detectors of unsafe pictures: loaded from weights the user names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.manifests.containers.limits import NUMBERS
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.arrays import read_npz
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.tensors import read_tensors

if TYPE_CHECKING:
    import numpy as np

FORMATS = (".safetensors", ".npz")
LEAST_STD = 1e-6


@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer: `values @ weight.T + bias`, then ReLU where it is followed by one.

    Attributes:
        weight: [out, in] float32.
        bias: [out] float32.
        has_relu: a ReLU follows.
    """

    weight: np.ndarray
    bias: np.ndarray
    has_relu: bool


@dataclass(frozen=True, eq=False)
class Head:
    """A multilayer perceptron from embeddings to a probability.

    Attributes:
        name: of the file.
        sha256: of the file, hex.
        layers: in order; the last has one output (sigmoid) or more (softmax, `outputs` of them summed).
        mean: [D] subtracted from the rows first, or None.
        std: [D] the rows are divided by, or None.
        outputs: which outputs of several count; ignored where there is one.
    """

    name: str
    sha256: str
    layers: tuple[Layer, ...]
    mean: np.ndarray | None
    std: np.ndarray | None
    outputs: tuple[int, ...]

    @property
    def dim(self) -> int:
        """Length of the rows it was trained on."""
        return int(self.layers[0].weight.shape[1])

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Probabilities of rows.

        Args:
            vectors: [N, D] unit rows.

        Returns:
            [N] float32, 0 to 1.
        """
        import numpy as np

        values = np.asarray(vectors, dtype=np.float32)
        if self.mean is not None and self.std is not None:
            values = (values - self.mean) / np.maximum(self.std, LEAST_STD)
        for layer in self.layers:
            values = values @ layer.weight.T + layer.bias
            if layer.has_relu:
                values = np.maximum(values, 0)
        values = values.astype(np.float64)
        if values.shape[1] == 1:
            return (1 / (1 + np.exp(-values[:, 0].clip(-60, 60)))).astype(np.float32)
        odds = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray((odds[:, list(self.outputs)].sum(axis=1) / odds.sum(axis=1)).astype(np.float32))


def load_head(path: Path, encoder: Encoder, *, fingerprint: str | None = None, outputs: tuple[int, ...] = ()) -> Head:
    """Load a head and check that it belongs to the encoder.

    The tensors are those of a PyTorch `Sequential` of linear layers: `…N.weight` and `…N.bias`, in order of N; a ReLU
    stands between two whose numbers leave a gap for it (0, 3, 6, … with ReLU and dropout between) or that are named
    otherwise (`linear_1.weight`), none between direct neighbours, as LAION publishes its detector for ViT-H-14
    (https://github.com/LAION-AI/CLIP-based-NSFW-Detector, h14_nsfw_model.py: 1024-1024-2048-1024-256-128-16-1).
    `mean` and `std` (or `variance`, Keras' name) are subtracted and divided by first, as its detectors for ViT-L-14 and
    ViT-B-32 do.

    Args:
        path: .safetensors or .npz.
        encoder: whose rows it reads.
        fingerprint: of the encoder it was trained on; None checks the width of the rows only.
        outputs: which of several outputs are summed, such as 1, 3 and 4 of five; the last where there are none.

    Raises:
        BadInput: no such file, no such layers, or they do not fit each other or the encoder.
    """
    if fingerprint is not None and fingerprint != encoder.fingerprint:
        raise BadInput(
            f"{path} reads rows of an encoder {fingerprint[:12]}…; this run's, '{encoder.name}', is "
            f"{encoder.fingerprint[:12]}…. Name the head of this encoder, or leave the fingerprint out to check the "
            "width alone."
        )
    tensors = _read_tensors(path)
    head = Head(
        name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        layers=_chain(tensors, path),
        mean=_find(tensors, "mean"),
        std=_find_std(tensors),
        outputs=outputs,
    )
    return _check_head(head, encoder, path)


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    import numpy as np

    if path.suffix not in FORMATS:
        raise BadInput(f"{path} is no {' or '.join(FORMATS)}; pickled weights are not read, convert them first.")
    if not path.is_file():
        raise BadInput(f"the head {path} is no file.")
    try:
        found = read_npz(path) if path.suffix == ".npz" else read_tensors(path, NUMBERS)
        return {name: np.asarray(values, dtype=np.float32) for name, values in found.items()}
    except (ValueError, OSError, TypeError) as error:
        raise BadInput(f"the head {path} cannot be read: {error}.") from error


def _find(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    found = [values for key, values in tensors.items() if re.split(r"[./]", key)[-1] == name]
    return found[0].reshape(-1) if found else None


def _find_std(tensors: Mapping[str, np.ndarray]) -> np.ndarray | None:
    import numpy as np

    std, variance = _find(tensors, "std"), _find(tensors, "variance")
    return std if std is not None or variance is None else np.sqrt(variance)


def _chain(tensors: Mapping[str, np.ndarray], path: Path) -> tuple[Layer, ...]:
    """The linear layers in order, with a ReLU between where the names leave room for one."""
    import numpy as np

    names = [key.removesuffix(".weight") for key, values in tensors.items() if _is_weight(key, values)]
    names.sort(key=_number_of)
    if not names:
        raise BadInput(f"the head {path} holds no linear layer; found {', '.join(sorted(tensors)) or 'nothing'}.")
    layers = []
    for name, following in zip(names, [*names[1:], None], strict=True):
        weight = tensors[f"{name}.weight"]
        bias = tensors.get(f"{name}.bias", np.zeros(len(weight), dtype=np.float32))
        layers.append(Layer(weight, bias, has_relu=following is not None and _leaves_room(name, following)))
    return tuple(layers)


def _is_weight(key: str, values: np.ndarray) -> bool:
    return key.endswith(".weight") and values.ndim == 2


def _number_of(name: str) -> int:
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else 0


def _leaves_room(name: str, following: str) -> bool:
    in_sequence = name.rpartition(".")[2].isdigit()
    return not in_sequence or _number_of(following) > _number_of(name) + 1


def _check_head(head: Head, encoder: Encoder, path: Path) -> Head:
    from dataclasses import replace

    if head.dim != encoder.dim:
        raise BadInput(
            f"the head {path} reads rows of {head.dim} numbers; encoder '{encoder.name}' gives {encoder.dim}. "
            "Name the head that was trained on this encoder."
        )
    widths = [(layer.weight.shape[1], layer.weight.shape[0], layer.bias.shape) for layer in head.layers]
    for (_, out, bias), (inner, _, _) in zip(widths, [*widths[1:], (widths[-1][1], 0, ())], strict=True):
        if out != inner or bias != (out,):
            raise BadInput(f"the head {path}: its layers do not fit each other: {[(a, b) for a, b, _ in widths]}.")
    for part in (head.mean, head.std):
        if part is not None and part.shape != (head.dim,):
            raise BadInput(f"the head {path}: mean and std must hold {head.dim} numbers.")
    count = widths[-1][1]
    outputs = head.outputs or (count - 1,)
    if any(not 0 <= place < count for place in outputs):
        raise BadInput(f"the head {path} has {count} outputs; {list(outputs)} names others.")
    return replace(head, outputs=outputs)
