"""A stranger's ONNX model, tried in a process of its own with bounded memory before it is loaded in ours.

    python -m relaionet.pipeline.detectors.trial FILE SHA256 BYTES SIDE LAYOUT

A model can hold what grows without end as soon as it is loaded (constants are worked out then) or run. It prints one
line of JSON: `answers` (how many numbers it gives for a picture), or `refused` (why it is not taken, in words).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

MAX_FILE_BYTES = 2 << 30  # what a single protobuf message may be
MAX_ANSWERS = 100_000
CHANNELS = 3


def read_model(path: Path, sha256: str) -> bytes:
    """The bytes of a model that is the one that was meant; what is loaded is what was checked.

    Raises:
        BadInput: no such file, one too large, or another one.
    """
    if not path.is_file():
        raise BadInput(f"the classifier {path} is no file.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BadInput(f"the classifier {path} has {path.stat().st_size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BadInput(f"the classifier {path} has the sha256 {found}; the recipe names {sha256}. It is not loaded.")
    return data


def open_session(data: bytes, side_px: int, layout: str) -> Any:
    """An onnxruntime session of one thread that takes one picture and gives one tensor of numbers.

    Args:
        data: of the model. Weights in other files are not looked for.
        side_px: of the pictures it is given.
        layout: NCHW or NHWC.

    Raises:
        BadInput: it is no such model; the message says what was expected and what it is.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each way a model can be wrong
        raise BadInput(f"onnxruntime cannot load it: {_first_line(error)}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise BadInput(f"it has {len(inputs)} inputs and {len(outputs)} outputs; expected one input, the picture.")
    shape, wanted = list(inputs[0].shape), picture_shape(side_px, layout)
    fits = len(shape) == len(wanted) and all(
        not isinstance(size, int) or size == side for size, side in zip(shape, wanted, strict=True)
    )
    if inputs[0].type != "tensor(float)" or not fits:
        raise BadInput(
            f"its input is {inputs[0].type} of shape {shape}; the recipe's layout {layout} and input_px {side_px} give "
            f"tensor(float) of shape {list(wanted)}."
        )
    return session


def picture_shape(side_px: int, layout: str) -> tuple[int, int, int, int]:
    """Shape of a batch of one square picture."""
    return (1, CHANNELS, side_px, side_px) if layout == "NCHW" else (1, side_px, side_px, CHANNELS)


def ask(session: Any, picture: np.ndarray) -> np.ndarray:
    """What a model says of one picture.

    Args:
        session: from `open_session`.
        picture: float32, as `picture_shape` says.

    Returns:
        [K] float64, its first output.

    Raises:
        BadInput: it fails, or gives something else than some finite numbers.
    """
    import numpy as np

    first = session.get_outputs()[0].name
    try:
        answer = np.asarray(session.run([first], {session.get_inputs()[0].name: picture})[0])
    except Exception as error:  # onnxruntime raises a class of its own for each way a model can fail
        raise BadInput(f"it fails: {_first_line(error)}") from error
    if answer.dtype.kind != "f" or not 0 < answer.size <= MAX_ANSWERS or answer.size != max(answer.shape, default=1):
        raise BadInput(f"it gives {answer.dtype} of shape {list(answer.shape)}; expected one list of numbers.")
    if not np.isfinite(answer).all():
        raise BadInput("it gives what is no finite number.")
    return answer.reshape(-1).astype(np.float64)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def limit_memory(limit_bytes: int) -> None:
    """Bound what this process may take from now on; nothing happens where the system has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def main(file: str, sha256: str, limit_bytes: str, side_px: str, layout: str) -> dict[str, Any]:
    """Try a model on a grey picture."""
    import numpy as np

    limit_memory(int(limit_bytes))
    try:
        session = open_session(read_model(Path(file), sha256), int(side_px), layout)
        grey = np.full(picture_shape(int(side_px), layout), 0.5, dtype=np.float32)
        return {"answers": len(ask(session, grey))}
    except BadInput as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": f"it takes more than {int(limit_bytes):,} bytes"}


if __name__ == "__main__":
    sys.stdout.buffer.write(json.dumps(main(*sys.argv[1:])).encode())
