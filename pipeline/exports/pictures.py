"""A split's images, read and checked a few ahead of whoever writes them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import labels_by_wnid
from relaionet.pipeline.images.location import strip_position

Positions = Literal["kept", "stripped"]
READ_THREADS, READ_AHEAD = 4, 16


@dataclass(frozen=True, kw_only=True)
class ExportedPicture:
    """One image on its way into an export.

    Attributes:
        candidate_id: 64 hex digits.
        wnid: label.
        class_index: label, 0 to 999.
        class_name: for reading.
        path: the split's file.
        format: jpeg, png, …; also the split's file extension.
        image_sha256: of the bytes as served.
        stored_sha256: of `data`; another one only where positions were stripped.
        data: the bytes to write.
        wnids: every class the picture shows, the label among them; empty where it is the label alone.
    """

    candidate_id: str
    wnid: str
    class_index: int
    class_name: str
    path: Path
    format: str
    image_sha256: str
    stored_sha256: str
    data: bytes
    wnids: tuple[str, ...] = ()

    @property
    def classes(self) -> list[str]:
        """Every class the picture shows, in class order."""
        return sorted(self.wnids) or [self.wnid]


def read_pictures(
    rows: pl.DataFrame, positions: Positions, left_out: list[dict[str, str]]
) -> Iterator[ExportedPicture]:
    """Read a split's images one by one.

    Args:
        rows: of `read_split`.
        positions: `kept`, or `stripped` of where the photo was taken.
        left_out: gets candidate_id and reason of each image that positions cannot be taken out of.

    Raises:
        Corrupt: bytes are not those of image_sha256.
    """
    columns = rows.select("candidate_id", "wnid", "class_index", "image_sha256", "path", "wnids").iter_rows()
    with ThreadPoolExecutor(READ_THREADS) as pool:
        # a few images ahead of the writer: reading and hashing take longer than writing
        ahead = deque(pool.submit(_load_picture, row, positions) for row in islice(columns, READ_AHEAD))
        while ahead:
            loaded = ahead.popleft().result()
            ahead.extend(pool.submit(_load_picture, row, positions) for row in islice(columns, 1))
            if isinstance(loaded, ExportedPicture):
                yield loaded
            else:
                left_out.append(loaded)


def _load_picture(row: tuple[Any, ...], positions: Positions) -> ExportedPicture | dict[str, str]:
    candidate_id, wnid, class_index, sha256, path, wnids = row
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"{path} is not the image the split says it is: run `relaionet rebuild --verify` on it.")
    try:
        stored = data if positions == "kept" else strip_position(data)
    except BadInput as error:
        return {"candidate_id": candidate_id, "reason": f"positions cannot be taken out: {error}"}
    return ExportedPicture(
        candidate_id=candidate_id, wnid=wnid, class_index=class_index, class_name=labels_by_wnid()[wnid].name,
        path=Path(path), format=Path(path).suffix[1:], image_sha256=sha256, data=stored,
        stored_sha256=sha256 if stored is data else hashlib.sha256(stored).hexdigest(), wnids=tuple(wnids or ()),
    )  # fmt: skip
