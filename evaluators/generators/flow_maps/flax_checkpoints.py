"""Checkpoints of flax, read without JAX: msgpack files, and orbax's folders of them, of zarr arrays or of OCDBT.

What `flax.training.checkpoints` leaves depends on the versions that ran: one msgpack file; with orbax 0.4 a folder with
a msgpack file `checkpoint`; later an OCDBT store, which tensorstore reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.containers.limits import MSGPACK, ZIP
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.escape import message_of

Arrays = dict[str, NDArray[np.float32]]

NDARRAY, SCALAR = 1, 3  # flax's numbers for what msgpack has no type for
TYPES = ("float16", "float32", "float64")
WIDE = "bfloat16"
CHUNKED = "__msgpack_chunked_array__"
ELSEWHERE = "PLACEHOLDER://"
MANIFEST = "manifest.ocdbt"
ARRAY_FILES = {".zarray": "zarr", "zarr.json": "zarr3"}
MAX_VALUES = 1 << 33  # of one tree, 32 GiB as float32
MAX_TEXT_BYTES, MAX_DIMENSIONS = 1 << 20, 32
STORED = ZIP  # numbers that were learnt hardly shrink
NUMBERED = re.compile(r"(?:checkpoint_)?(\d+)")


def find_checkpoint(path: Path) -> Path:
    """The file or folder of one checkpoint: `path` itself, or the latest of those in it.

    Raises:
        BadInput: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise BadInput(f"checkpoint {path} does not exist.")
    if (path / "checkpoint").is_file() or (path / MANIFEST).is_file() or _zarr_folders(path):
        return path
    if (path / "default").is_dir():  # of orbax's CheckpointManager
        return find_checkpoint(path / "default")
    numbered = [(int(found[1]), one) for one in path.iterdir() if (found := NUMBERED.fullmatch(one.name))]
    if not numbered:
        raise BadInput(
            f"{path} holds no checkpoint of flax or orbax: no {MANIFEST}, no file 'checkpoint', no 'checkpoint_<step>'."
            " Unpack the zip it came in."
        )
    return find_checkpoint(max(numbered)[1])


def read_flax(path: Path, tree: str = "ema_params") -> Arrays:
    """One tree of arrays of a checkpoint, such as the averaged weights of a training state.

    Args:
        path: of `find_checkpoint`.
        tree: key of the state that holds it; the others are not read into memory.

    Returns:
        Names with dots between the levels -> arrays, float32, in flax's own layout.

    Raises:
        BadInput: it has no such tree, or tensorstore is needed and not installed.
        Corrupt: it cannot be read.
    """
    values: dict[str, Any] = {}
    inside = path / "checkpoint" if path.is_dir() else path
    trees: set[str] = set()
    if inside.is_file():
        values, trees = _read_msgpack(inside, tree)
    if path.is_dir() and (not values or any(_is_elsewhere(value) for value in values.values())):
        arrays, more = _read_stores(path, tree)
        values, trees = {**values, **arrays}, trees | more
    if not values:
        raise BadInput(f"{path} has no tree '{tree}'; it has {', '.join(sorted(trees)) or 'none'}: choose with --tree.")
    lost = [name for name, value in values.items() if not isinstance(value, np.ndarray)]
    if lost:
        raise Corrupt(f"{path}: '{lost[0]}' of {tree} is no array.")
    return {name: value.astype(np.float32, copy=False) for name, value in values.items()}


def _is_elsewhere(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(ELSEWHERE)


def _read_msgpack(path: Path, tree: str) -> tuple[dict[str, Any], set[str]]:
    """Flat leaves of one tree, and the names of all; the other trees are passed over."""
    try:
        import msgpack
    except ModuleNotFoundError:
        raise BadInput(f"{path} is read with msgpack: pip install 'relaionet[flax]'.") from None
    found: dict[str, Any] = {}
    trees: set[str] = set()
    try:
        with path.open("rb") as file:
            unpacker = msgpack.Unpacker(
                file,
                raw=False,
                strict_map_key=False,
                ext_hook=_unpack,
                max_buffer_size=2**32 - 1,
                max_array_len=MSGPACK.max_members,
                max_map_len=MSGPACK.max_members,
                max_str_len=MAX_TEXT_BYTES,
            )
            for _ in range(unpacker.read_map_header()):
                name = str(unpacker.unpack())
                trees.add(name)
                if name == tree:
                    found = dict(_flatten(unpacker.unpack()))
                else:
                    unpacker.skip()
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError, msgpack.UnpackException) as error:
        why = message_of(error)
        raise Corrupt(f"checkpoint {path} is no msgpack of flax, or is cut short: {why}.") from None
    return found, trees


def _unpack(code: int, data: bytes) -> Any:
    """An array as flax packs it: its shape, the name of its type, its bytes in C order."""
    import msgpack

    if code not in (NDARRAY, SCALAR):
        return msgpack.ExtType(code, data)
    shape, kind, values = msgpack.unpackb(data, raw=False, max_array_len=MAX_DIMENSIONS, max_map_len=0)
    if kind == WIDE:  # the upper half of a float32
        return (np.frombuffer(values, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    if kind not in TYPES:
        return str(kind)
    return np.frombuffer(values, np.dtype(kind).newbyteorder("<")).reshape(shape)


def _flatten(node: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        yield name, node
    elif CHUNKED in node:  # arrays above 1 GiB come in pieces
        shape = [node["shape"][str(place)] for place in range(len(node["shape"]))]
        yield name, np.concatenate([node["chunks"][str(place)] for place in range(len(node["chunks"]))]).reshape(shape)
    elif depth >= MSGPACK.max_depth:
        raise ValueError(f"more than {MSGPACK.max_depth} levels")
    else:
        for key, value in node.items():
            yield from _flatten(value, f"{name}.{key}" if name else str(key), depth + 1)


def _zarr_folders(path: Path) -> list[Path]:
    return [one for one in path.iterdir() if one.is_dir() and any((one / name).is_file() for name in ARRAY_FILES)]


def _read_stores(path: Path, tree: str) -> tuple[dict[str, Any], set[str]]:
    """Arrays of one tree of an OCDBT store or of folders of zarr, and the names of all trees."""
    try:
        import tensorstore
    except ModuleNotFoundError:
        raise BadInput(
            f"{path} is an orbax checkpoint, read with tensorstore: pip install 'relaionet[flax]'."
        ) from None
    is_one_store = (path / MANIFEST).is_file()
    driver = {"driver": "ocdbt", "base": path.resolve().as_uri()} if is_one_store else {"driver": "file"}
    inside = "" if is_one_store else f"{path.resolve()}/"
    try:
        if is_one_store:
            keys = [key.decode() for key in tensorstore.KvStore.open(driver).result().list().result()]
        else:
            keys = [
                f"{one.name}/{file}" for one in _zarr_folders(path) for file in ARRAY_FILES if (one / file).is_file()
            ]
        kinds = {
            name: ARRAY_FILES[file] for name, _, file in (key.rpartition("/") for key in keys) if file in ARRAY_FILES
        }
        arrays = _read_arrays(
            path,
            {
                name.removeprefix(f"{tree}."): tensorstore.open(
                    {"driver": kind, "kvstore": {**driver, "path": f"{inside}{name}/"}}, read=True
                )
                for name, kind in kinds.items()
                if name.startswith(f"{tree}.")
            },
        )
    except (ValueError, UnicodeDecodeError) as error:  # tensorstore's own errors are of this kind
        why = message_of(error)
        raise Corrupt(f"checkpoint {path} cannot be read: {why}.") from None
    return arrays, {name.partition(".")[0] for name in kinds}


def _read_arrays(path: Path, opening: Mapping[str, Any]) -> dict[str, Any]:
    """All are open before one is read: what a stranger's file claims to hold is bounded first."""
    opened = {name: future.result() for name, future in opening.items()}
    on_disk = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    most = min(MAX_VALUES, STORED.most(on_disk))
    # a part of an array is unpacked whole, and may be larger than the array
    parts = [math.prod(array.chunk_layout.read_chunk.shape or ()) for array in opened.values()]
    if max(sum(int(array.size) for array in opened.values()), *parts, 0) > most:
        raise Corrupt(f"checkpoint {path} says that it holds more than {most:,} numbers.")
    return {name: np.asarray(array.read().result()) for name, array in opened.items()}
