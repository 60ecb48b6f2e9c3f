"""Rows of a dataset, as a process of their own reads them: checked here, frame by frame, before they are believed."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.escape import show_text
from relaionet.pipeline.adoption.rows.columns import Columns
from relaionet.pipeline.child_process import ChildProcess, environment_with, start_child
from relaionet.pipeline.images.decode import MAX_BYTES

VERSION = "1"
READER = "relaionet.pipeline.adoption.rows.reader"
MAX_HEADER_BYTES = 64 << 20
MEMORY_BYTES = 12 << 30
STOP_S = 10.0
# libraries `datasets` would load, and rows of pictures need not
WITHOUT = {"USE_TORCH": "0", "USE_TF": "0", "USE_JAX": "0", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}


@dataclass(frozen=True, kw_only=True)
class RowsSource:
    """A split of a dataset, on the Hub or on this disk.

    Attributes:
        place: `owner/name` of the Hub, or a folder.
        revision: commit on the Hub; None for a folder.
        config: name of the configuration; None where there is one alone.
        split: its name; None where there is one alone.
        label: column of the label; None looks for it.
        max_bytes: longest picture that is read.
        memory_bytes: address space of the process that reads.
    """

    place: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None
    label: str | None = None
    max_bytes: int = MAX_BYTES
    memory_bytes: int = MEMORY_BYTES

    @property
    def base(self) -> str:
        """What all its files lie in."""
        return (
            str(Path(self.place).absolute()) if self.revision is None else f"hf://datasets/{self.place}@{self.revision}"
        )

    @property
    def shown(self) -> str:
        """Its place in words."""
        return self.place if self.revision is None else f"hf://datasets/{self.place}@{self.revision[:12]}"


@dataclass(frozen=True, kw_only=True)
class RowsAbout:
    """What a split is made of.

    Attributes:
        format: parquet, arrow, webdataset, imagefolder, …: what `datasets` reads it as.
        split: its name.
        columns: those that are read.
        files: its files in order, each read by itself; none where it is one unit.
    """

    format: str
    split: str
    columns: Columns
    files: tuple[str, ...]


class Row(NamedTuple):
    """One row.

    Attributes:
        unit: number of its file.
        row: number in the file, from 0.
        name: of the picture itself, as the set gives it; empty where it has none.
        labels: of the label column, numbers as text.
        words: of the column of texts beside it.
        data: bytes of the picture; None where there are none.
        why: why not.
    """

    unit: int
    row: int
    name: str
    labels: tuple[str, ...]
    words: tuple[str, ...]
    data: bytes | None
    why: str | None


class UnitEnd(NamedTuple):
    """A file was read to its end.

    Attributes:
        unit: its number.
        rows_count: rows it has.
    """

    unit: int
    rows_count: int


class RowsReader:
    """A process that reads one split; it is started with the first question and ends with the block.

    Args:
        source: which split.
    """

    def __init__(self, source: RowsSource) -> None:
        self.source = source
        self._child: ChildProcess | None = None

    def __enter__(self) -> RowsReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.stop(ask="close", wait_s=STOP_S)

    def describe(self) -> RowsAbout:
        """Say what the split is made of; no row is read but the first.

        Raises:
            BadInput: there is no such set, configuration, split or column, or `datasets` cannot read it.
            Unavailable: the Hub does not answer.
        """
        told = [header for header, _ in self._ask({"do": "describe"})]
        columns = dict(told[0]["columns"])
        columns["names"] = None if columns["names"] is None else tuple(columns["names"])
        return RowsAbout(
            format=str(told[0]["format"]), split=str(told[0]["split"]), columns=Columns(**columns),
            files=tuple(map(str, told[0]["files"])),
        )  # fmt: skip

    def stream(self, about: RowsAbout, units: Sequence[tuple[int, int]]) -> Iterator[Row | UnitEnd]:
        """The rows of some files, in order.

        Args:
            about: from `describe`.
            units: number of a file, and the row to begin with.

        Raises:
            BadInput: a file is not what it should be, or too much for the memory there is.
            Unavailable: the Hub does not answer any more; rows that were given are not lost.
        """
        files = about.files or (None,)
        asked = {
            "do": "read", "format": about.format, "columns": asdict(about.columns), "split": about.split,
            "units": [[unit, files[unit], first] for unit, first in units],
        }  # fmt: skip
        for header, data in self._ask(asked):
            if header["kind"] == "end":
                yield UnitEnd(int(header["unit"]), int(header["rows"]))
            else:
                yield Row(
                    int(header["unit"]), int(header["row"]), str(header["name"]), tuple(map(str, header["labels"])),
                    tuple(map(str, header["words"])), data, header["why"],
                )  # fmt: skip

    def _ask(self, asked: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bytes | None]]:
        request = asdict(self.source) | {"base": self.source.base} | dict(asked)
        if self._child is None:
            command = [sys.executable, "-P", "-m", READER]
            self._child = start_child(command, output="read", errors="dropped", environment=environment_with(WITHOUT))
        writer, reader = self._child.writer, self._child.reader
        if writer is None or reader is None:
            raise RuntimeError("the reading process has no pipes.")
        with contextlib.suppress(BrokenPipeError):  # it says why below
            writer.write(json.dumps(request).encode() + b"\n")
            writer.flush()
        while (header := _read_header(reader)) is not None:
            if header["kind"] == "done":
                return
            if header["kind"] == "fail":
                raise _as_error(self.source, header)
            size = header.get("bytes")
            if size is not None and not 0 <= size <= self.source.max_bytes:
                raise BadInput(f"{self.source.shown}: a picture of {size:,} bytes.")
            data = None if size is None else reader.read(size)
            if size is not None and data is not None and len(data) < size:
                break
            yield header, data
        raise self._explain_end()

    def _explain_end(self) -> BadInput:
        code = self._child.wait(STOP_S) if self._child is not None else None
        why = "it takes too much memory" if code in (-signal.SIGKILL, -signal.SIGABRT) else f"its reader ended ({code})"
        return BadInput(f"{self.source.shown} cannot be read: {why}.")


def _read_header(reader: IO[bytes]) -> dict[str, Any] | None:
    length = reader.read(4)
    if len(length) < 4:
        return None
    size = int.from_bytes(length, "big")
    if size > MAX_HEADER_BYTES:
        raise BadInput(f"a row describes itself in {size:,} bytes.")
    text = reader.read(size)
    return dict(json.loads(text)) if len(text) == size else None


def _as_error(source: RowsSource, header: Mapping[str, Any]) -> BadInput | Unavailable:
    why = show_text(str(header["why"])).rstrip(".")
    if header["is_passing"]:
        return Unavailable(f"{source.shown}: {why}. What was read is kept; the same command continues.")
    return BadInput(f"{source.shown}: {why}.")
