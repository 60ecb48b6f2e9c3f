"""Small ONNX models, written field by field: a picture's mean colour goes through a matrix, or worse.

Source: onnx.proto of ONNX 1.16 (ModelProto, GraphProto, NodeProto, TensorProto), the protobuf wire format.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

FLOAT, INT64 = 1, 7
EXTERNAL = 1


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def chunk(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, dims: Sequence[int], values: Sequence[float], kind: int = FLOAT, external: str = "") -> bytes:
    raw = struct.pack(f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *values)
    out = b"".join(number(1, dim) for dim in dims) + number(2, kind) + chunk(8, name)
    if external:
        return out + chunk(13, chunk(1, "location") + chunk(2, external)) + number(14, EXTERNAL)
    return out + chunk(9, raw)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", attributes: bytes = b"") -> bytes:
    out = b"".join(chunk(1, one) for one in inputs) + b"".join(chunk(2, one) for one in outputs) + chunk(4, kind)
    return out + attributes + (chunk(7, domain) if domain else b"")


def value_info(name: str, dims: Sequence[int | str], kind: int = FLOAT) -> bytes:
    shape = b"".join(chunk(1, chunk(2, dim) if isinstance(dim, str) else number(1, dim)) for dim in dims)
    return chunk(1, name) + chunk(2, chunk(1, number(1, kind) + chunk(2, shape)))


def model(nodes: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes], tensors: Sequence[bytes]) -> bytes:
    graph = b"".join(chunk(1, one) for one in nodes) + chunk(2, "g")
    graph += b"".join(chunk(5, one) for one in tensors)
    graph += b"".join(chunk(11, one) for one in inputs) + b"".join(chunk(12, one) for one in outputs)
    return number(1, 8) + chunk(7, graph) + chunk(8, chunk(1, "") + number(2, 13))


def mean_colour(
    weights: Sequence[Sequence[float]], *, side: int | str = 4, layout: str = "NCHW", softmax: bool = False,
    external: str = "",
) -> bytes:  # fmt: skip
    """Picture -> mean of each channel [1, 3] -> times `weights` [3, K], through a softmax where asked."""
    count = len(weights[0])
    shape = [1, 3, side, side] if layout == "NCHW" else [1, side, side, 3]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    # ReduceMean of opset 13 takes its axes as an attribute (ints, 7) and drops them (keepdims, 0)
    given = chunk(1, "axes") + b"".join(number(8, axis) for axis in axes) + number(20, INT64)
    kept = chunk(1, "keepdims") + number(3, 0) + number(20, 2)
    nodes = [
        node("ReduceMean", ["picture"], ["mean"], attributes=chunk(5, given) + chunk(5, kept)),
        node("MatMul", ["mean", "weights"], ["told" if not softmax else "logits"]),
    ]
    if softmax:
        nodes.append(node("Softmax", ["logits"], ["told"]))
    flat = [value for row in weights for value in row]
    return model(
        nodes, [value_info("picture", shape)], [value_info("told", [1, count])],
        [tensor("weights", [3, count], flat, external=external)],
    )  # fmt: skip


def growing(side: int = 4, values_count: int = 1 << 40) -> bytes:
    """Gives a sum over a constant that takes so many numbers as soon as it is worked out."""
    scalar = chunk(5, chunk(1, "keepdims") + number(3, 0) + number(20, 2))
    nodes = [
        node("ConstantOfShape", ["size"], ["huge"]),
        node("ReduceSum", ["huge"], ["zero"], attributes=scalar),
        node("ReduceMean", ["picture"], ["mean"], attributes=scalar),
        node("Add", ["mean", "zero"], ["told"]),
    ]
    return model(
        nodes, [value_info("picture", [1, 3, side, side])], [value_info("told", [])],
        [tensor("size", [1], [values_count], kind=INT64)],
    )  # fmt: skip


def write(path: Path, data: bytes) -> tuple[Path, str]:
    """The file and its sha256."""
    from hashlib import sha256

    path.write_bytes(data)
    return path, sha256(data).hexdigest()
