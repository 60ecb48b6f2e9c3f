"""The process that opens a dataset with `datasets`: it runs no code of the set, and its memory is bounded.

    python -m relaionet.pipeline.adoption.rows.reader

It reads requests, each a line of JSON, from its standard input, and answers in frames: four bytes of length, a header
of JSON, and as many bytes of a picture as the header says.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relaionet.manifests.containers.limits import PICTURES
from relaionet.manifests.containers.parquet import GuardedParquet
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.escape import message_of
from relaionet.pipeline.adoption.rows.columns import Columns, pick_columns
from relaionet.pipeline.sources.servers import file_system

LENGTH = struct.Struct(">I")
BATCH_ROWS = 32
MAX_LABELS, MAX_LABEL_CHARS, MAX_NAME_CHARS = 1_000, 2_000, 900
# formats whose files are the pictures themselves: one unit, however many files
FOLDERS = ("imagefolder",)
HUB = "hf://"
PROTOCOLS = {"file", "local", "hf", "zip", "tar", "gzip", "bz2", "xz", "zstd", "lz4"}


def describe(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a split of a dataset is: its format, its files, its columns."""
    builder, split = _open(request)
    features = builder.as_streaming_dataset(split=split)._resolve_features().features
    kind = type(builder).__module__.rpartition(".")[2]
    files = [str(file) for file in builder.config.data_files[split]]
    columns = pick_columns(features, request["label"])
    return {
        "kind": "about", "format": kind, "split": str(split), "columns": asdict(columns),
        "files": [] if kind in FOLDERS else files,
    }  # fmt: skip


def _open(request: Mapping[str, Any]) -> tuple[Any, Any]:
    import datasets

    _refuse_servers()
    builder = datasets.load_dataset_builder(request["place"], request["config"], revision=request["revision"])
    splits = dict(builder.config.data_files or {})
    beyond = [str(file) for files in splits.values() for file in files if not _is_inside(str(file), request["base"])]
    if beyond:
        raise BadInput(f"it names files outside itself, first {beyond[0][:200]}; nothing of them was read.")
    wanted = request["split"]
    chosen = [name for name in splits if str(name) == wanted] if wanted is not None else list(splits)
    if len(chosen) != 1:
        told = ", ".join(map(str, splits)) or "none"
        why = f"it has no split '{wanted}'" if wanted is not None else "it has several splits"
        raise BadInput(f"{why}; name one of them with --split: {told}.")
    return builder, chosen[0]


def _refuse_servers() -> None:
    """Leave only this disk, the Hub and packed files: a set's own settings may name any address."""
    import fsspec

    class Refusing(fsspec.AbstractFileSystem):  # type: ignore[misc]
        cachable = False

        def __init__(self, *_: object, **__: object) -> None:
            raise BadInput("it names files on another server; a set must hold its own files.")

    for name in set(fsspec.available_protocols()) - PROTOCOLS:
        fsspec.register_implementation(name, Refusing, clobber=True)


def read_units(request: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The rows of every unit that is asked for, each from the row it is asked for on."""
    columns = Columns(**{**request["columns"], "names": None})
    for unit, file, first in request["units"]:
        if file is None:
            builder, split = _open(request)
            rows = _stream(builder.as_streaming_dataset(split=split), columns, first)
        elif request["format"] == "parquet":
            rows = _read_parquet(file, columns, first)
        else:
            rows = _stream(_load_file(request["format"], file), columns, first)
        count = first
        for image, labels, words in rows:
            name, data, why = _take(image, columns, request)
            told = {"kind": "row", "unit": unit, "row": count, "name": name[-MAX_NAME_CHARS:], "why": why}
            told |= {"labels": _texts(labels), "words": _texts(words), "bytes": None if data is None else len(data)}
            yield told, data or b""
            count += 1
        yield {"kind": "end", "unit": unit, "rows": count}, b""


def _load_file(format: str, file: str) -> Any:
    import datasets

    return datasets.load_dataset(format, data_files={"part": [file]}, split="part", streaming=True)


def _stream(dataset: Any, columns: Columns, first: int) -> Iterator[tuple[Any, Any, Any]]:
    if dataset.features is None:
        dataset = dataset._resolve_features()
    for row in dataset.decode(False).skip(first):  # pictures are decoded by nobody here
        yield row.get(columns.image), row.get(columns.label or ""), row.get(columns.words or "")


def _read_parquet(file: str, columns: Columns, first: int) -> Iterator[tuple[Any, Any, Any]]:
    """Rows of a parquet file from one on; row groups before it are not fetched."""
    source: Any = file_system("hf").open(file.removeprefix(HUB), "rb") if file.startswith(HUB) else Path(file)
    with GuardedParquet(source, PICTURES, dictionaries=True) as parquet:
        labels = [name for name in (columns.label, columns.words) if name is not None]
        start = 0
        for group in range(parquet.metadata.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            if start + count > first:
                place = start
                for batch in parquet.batches(BATCH_ROWS, [columns.image, *labels], [group]):
                    for row in range(max(0, first - place), batch.num_rows):
                        values = {name: batch.column(name)[row].as_py() for name in (columns.image, *labels)}
                        yield values[columns.image], values.get(columns.label or ""), values.get(columns.words or "")
                    place += batch.num_rows
            start += count


def _take(image: Any, columns: Columns, request: Mapping[str, Any]) -> tuple[str, bytes | None, str | None]:
    """Name, bytes, and why there are none."""
    most = int(request["max_bytes"])
    if isinstance(image, Mapping):
        name, data = str(image.get("path") or ""), image.get("bytes")
    elif isinstance(image, bytes):
        name, data = "", image
    else:
        name, data = image if isinstance(image, str) else "", None
    if isinstance(data, bytes):
        return name, *((data, None) if len(data) <= most else (None, f"longer than {most:,} bytes"))
    if not name:
        return name, None, "no bytes in its row"
    place = name if "://" in name or Path(name).is_absolute() else f"{request['base']}/{name}"
    if not _is_inside(place, str(request["base"])):
        return name, None, "its row names a file outside the set"
    try:
        with _open_place(place) as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError, KeyError) as error:
        if "hf://" in place and not isinstance(error, FileNotFoundError):
            raise
        return name, None, f"its row names a file that cannot be read: {type(error).__name__}"
    return name, *((data, None) if len(data) <= most else (None, f"longer than {most:,} bytes"))


def _open_place(place: str) -> Any:
    if "::" not in place:
        return (
            file_system("hf").open(place.removeprefix(HUB), "rb") if place.startswith(HUB) else Path(place).open("rb")
        )
    from datasets.utils.file_utils import xopen

    return xopen(place, "rb")


def _is_inside(place: str, base: str) -> bool:
    """True for a file of the set, or one packed in a zip of the set."""
    *packed, outer = place.split("::")
    if any(not part.startswith("zip://") for part in packed) or ".." in outer.split("/"):
        return False
    if base.startswith(HUB):
        return outer.startswith(f"{base}/")
    return "://" not in outer and Path(outer).resolve().is_relative_to(Path(base).resolve())


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) > MAX_LABELS:
        raise BadInput(f"a row has {len(values):,} labels; expected at most {MAX_LABELS:,}.")
    return [str(one)[:MAX_LABEL_CHARS] for one in values if one is not None and not isinstance(one, list | dict)]


def _limit_memory(most: int) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    except (ValueError, OSError):  # a system without such limits
        return


def _explain(error: Exception) -> dict[str, Any]:
    """A failure as a frame: whether trying again may help, and why in one line."""
    import datasets
    import fsspec

    text = message_of(error, 600)
    cause, passing = error, isinstance(error, Unavailable | TimeoutError | ConnectionError)
    while cause is not None:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        passing |= status is not None and (status >= 500 or status in (408, 429))
        passing |= type(cause).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp")
        passing |= isinstance(cause, fsspec.exceptions.FSTimeoutError | ConnectionError)
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if isinstance(error, datasets.exceptions.DatasetNotFoundError):
        passing = False
    return {"kind": "fail", "is_passing": passing, "why": text}


def serve(request: Mapping[str, Any], send: Any) -> None:
    """Answer one request; `send` takes a header and bytes."""
    try:
        if request["do"] == "describe":
            send(describe(request), b"")
        else:
            for header, data in read_units(request):
                send(header, data)
        send({"kind": "done"}, b"")
    except BrokenPipeError:
        raise
    except MemoryError:
        send({"kind": "fail", "is_passing": False, "why": "reading it takes too much memory."}, b"")
    except Exception as error:  # noqa: BLE001  a stranger's set may break a reader in any way; it ends here, said
        send(_explain(error), b"")


def main() -> None:
    """Read requests and answer them, until there are no more; nothing else is written to standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(header: Mapping[str, Any], data: bytes) -> None:
        text = json.dumps(header).encode()
        out.write(LENGTH.pack(len(text)) + text + data)
        out.flush()

    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_memory(int(request["memory_bytes"]))
        serve(request, send)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        main()
