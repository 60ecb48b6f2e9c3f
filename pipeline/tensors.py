"""Files of weights from strangers, looked at whole and read without running anything that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.containers.checkpoints import SAFETENSORS_SUFFIX, check_weights
from relaionet.manifests.containers.limits import Limits, Refused
from relaionet.manifests.containers.safetensors import check_safetensors
from relaionet.manifests.escape import message_of

if TYPE_CHECKING:
    import numpy as np


def read_weights(path: Path, device: str = "cpu") -> dict[str, Any]:
    """What a file of weights holds: tensors by name, or the state that a checkpoint of torch is.

    Args:
        path: safetensors by its name, else a checkpoint of torch.
        device: torch device name.

    Raises:
        Refused: it is damaged, or would become more than it is; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    from argparse import Namespace
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_weights(path)
    try:
        if path.suffix == SAFETENSORS_SUFFIX:
            return dict(load_file(path, device=device))
        # beside what torch knows, the settings that training scripts store with their weights
        with torch.serialization.safe_globals([Namespace]):
            state: Any = torch.load(path, map_location=device, weights_only=True)
    except (
        SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
        AssertionError,
    ) as error:  # fmt: skip
        raise Refused(message_of(error)) from None
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise Refused(f"{type(state).__name__} where tensors by name are expected")
    return dict(state)


def read_tensors(path: Path, limits: Limits) -> dict[str, np.ndarray]:
    """Tensors of a safetensors file as arrays, without torch.

    Args:
        path: of the file.
        limits: how much it may hold.

    Raises:
        Refused: it is none, is damaged, or holds more; the message has no file's name and no full stop.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_safetensors(path, limits)
    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refused(message_of(error)) from None
