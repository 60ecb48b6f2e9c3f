"""Files of weights from strangers, read without running anything that is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaionet.manifests.errors import Corrupt


def read_tensors(path: Path, where: str) -> dict[str, Any]:
    """Tensors of a file: safetensors, or a checkpoint of torch read without unpickling anything else.

    Raises:
        Corrupt: it cannot be read so.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise Corrupt(f"{where}: weights {path} cannot be read: {why}.") from None
    return state
