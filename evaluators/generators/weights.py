"""Files of weights from strangers, read without running anything that is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.errors import Corrupt
from relaionet.pipeline.tensors import read_weights


def read_tensors(path: Path, where: str) -> dict[str, Any]:
    """Tensors of a file: safetensors, or a checkpoint of torch read without unpickling anything else.

    Raises:
        Corrupt: it cannot be read so.
    """
    try:
        return read_weights(path)
    except Refused as error:
        raise Corrupt(f"{where}: weights {path} cannot be read: {error}.") from None
