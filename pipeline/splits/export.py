"""A finished split in the formats other programs read, each with card and metadata.

<out>/images/… or data/…                   as the format lays them out (`pipeline/exports/formats/`)
<out>/README.md, croissant.json            what people and machines read about it
<out>/export.json                          written last: an export with it is whole
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, file_sha256, read_json, write_json
from relaionet.manifests.places import local_path
from relaionet.manifests.replacing import drop_parts
from relaionet.manifests.store import Receipt, Store
from relaionet.pipeline.exports.card import describe_export, write_export_card, write_export_croissant
from relaionet.pipeline.exports.pictures import ExportedPicture, Positions, read_pictures
from relaionet.pipeline.exports.registry import get_format
from relaionet.pipeline.splits.build import read_split

VERSION = "2"
WITHOUT_CLASSES = "1"
"""Version before there were `wnids`; what it finished is whole, as no split had any."""
INFO_FILE, RECEIPTS = "export.json", ".receipts"
SHARD_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """How a split is written.

    Attributes:
        format: name or alias of an export format: "imagefolder", "webdataset", "parquet" ("hf", what `datasets` and
            the Hub like best, is "parquet"), or one of another package.
        shard_bytes: bytes of images per tar or parquet file, about; one image more may be in it. None is the format's
            own number.
        positions: "kept" writes the bytes as they were served; "stripped" leaves out where a photo was taken, which
            is what may leave this machine.
    """

    format: str = "imagefolder"
    shard_bytes: int | None = None
    positions: Positions = "kept"

    def __post_init__(self) -> None:
        found = get_format(self.format)
        object.__setattr__(self, "format", found.name)
        if self.shard_bytes is None:
            object.__setattr__(self, "shard_bytes", found.shard_bytes)
        if self.shard_bytes is not None and self.shard_bytes <= 0:
            raise BadInput(f"shard_bytes = {self.shard_bytes}: expected more than 0.")
        if self.positions not in ("kept", "stripped"):
            raise BadInput(f"positions = '{self.positions}': expected 'kept' or 'stripped'.")

    @property
    def bytes_per_shard(self) -> int:
        """Bytes of images per file, about."""
        return self.shard_bytes or get_format(self.format).shard_bytes

    def spelled(self) -> dict[str, Any]:
        """The settings as digests take them in; "form" is how exports made so far spell it."""
        return {"form": self.format, "shard_bytes": self.shard_bytes, "positions": self.positions}


def export_split(
    split: Path, config: ExportConfig, out: Path, progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Write a finished split in another format.

    Every image is read once and checked against the split's sha256 on the way; memory does not grow with the split.

    Args:
        split: folder of a finished split.
        config: the format.
        out: folder to write to. A run that was cut short continues there; a finished one is left as it is.
        progress: called with the number of rows done since the last call.

    Returns:
        What `export.json` says: form (the format), positions, rows_count, bytes_count, shards (file, rows_count,
        bytes_count, sha256), the split's name, digest, release, policy and coverage, notes, and left_out (candidate_id,
        reason): images from which position data cannot be taken out for certain, where that is asked.

    Raises:
        BadInput: no finished split, or `out` holds another export or something else.
        Corrupt: an image is not what the split says; a file of a finished export is missing.
    """
    rows, about = read_split(Path(split))
    out = local_path(out, "out")
    digest, before = (
        digest_of(version, config.spelled(), about["digest"], about["release"], rows["candidate_id"].to_list())
        for version in (VERSION, WITHOUT_CLASSES)
    )
    if (out / INFO_FILE).exists():
        info = _check_same(out, digest, before)
        _check_whole(out, info)
        if progress is not None:
            progress(rows.height)
        return info
    _check_own(out, Path(split), digest)
    drop_parts(out)
    (out / RECEIPTS).mkdir(parents=True, exist_ok=True)  # from now on the folder is known as an export's
    shards, left_out = _write_shards(rows, config, out, digest, progress)
    rows = rows.filter(~pl.col("candidate_id").is_in([row["candidate_id"] for row in left_out]))
    files = get_format(config.format).writer(digest).finish(out, shards)
    info = describe_export(
        about, rows, format=config.format, positions=config.positions, shards=files,
        bytes_count=sum(Path(path).stat().st_size for path in rows["path"]),
    ) | {"left_out": left_out, "build_digest": digest}  # fmt: skip
    write_export_card(out / "README.md", info)
    write_export_croissant(out / "croissant.json", info)
    write_json(out / INFO_FILE, info)
    shutil.rmtree(out / RECEIPTS, ignore_errors=True)
    return info


def plan_shards(sizes: list[int], shard_bytes: int, most_rows: int = SHARD_ROWS) -> list[tuple[int, int]]:
    """Cut rows into runs of about `shard_bytes` each.

    Args:
        sizes: bytes per row.
        shard_bytes: a shard is closed when it holds this much.
        most_rows: a shard is closed when it holds this many.

    Returns:
        (first, one past the last) per shard, in order, covering every row once.
    """
    shards, start, held = [], 0, 0
    for place, size in enumerate(sizes):
        held += size
        if held >= shard_bytes or place + 1 - start >= most_rows:
            shards.append((start, place + 1))
            start, held = place + 1, 0
    return shards + ([(start, len(sizes))] if start < len(sizes) else [])


def _write_shards(
    rows: pl.DataFrame, config: ExportConfig, out: Path, digest: str, progress: Callable[[int], None] | None
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    store, writer = Store(out), get_format(config.format).writer(digest)
    plan = plan_shards([Path(path).stat().st_size for path in rows["path"]], config.bytes_per_shard)
    shards: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    for number, (start, end) in enumerate(plan):
        part, name = rows.slice(start, end - start), f"{number:05d}"
        file, left_file = out / writer.file_name(number, len(plan)), out / RECEIPTS / f"{name}.left.json"
        receipt = store.receipt(RECEIPTS, name)
        if receipt is None or receipt.digest != digest or not file.is_file():
            receipt = _write_shard(part, config, store, file, left_file, digest, progress)
        elif progress is not None:
            progress(part.height)
        left_out += read_json(left_file)
        told = {"file": file.relative_to(out).as_posix(), "rows_count": receipt.rows_count}
        shards.append(told | {"bytes_count": file.stat().st_size, "sha256": receipt.sha256})
    return shards, left_out


def _write_shard(
    part: pl.DataFrame, config: ExportConfig, store: Store, file: Path, left_file: Path, digest: str,
    progress: Callable[[int], None] | None,
) -> Receipt:  # fmt: skip
    name = left_file.name.partition(".")[0]
    store.forget(RECEIPTS, name)
    started, left = time.perf_counter(), list[dict[str, str]]()
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = read_pictures(part, config.positions, left)
    get_format(config.format).writer(digest).write_shard(store.root, file, _counted(pictures, progress))
    write_json(left_file, left)
    if left and progress is not None:
        progress(len(left))
    receipt = Receipt(
        table=RECEIPTS, shard=name, rows_count=part.height - len(left), sha256=file_sha256(file), digest=digest,
        seconds=round(time.perf_counter() - started, 3),
    )  # fmt: skip
    store.write_receipt(receipt)
    return receipt


def _counted(pictures: Iterator[ExportedPicture], progress: Callable[[int], None] | None) -> Iterator[ExportedPicture]:
    for picture in pictures:
        yield picture
        if progress is not None:
            progress(1)


def _check_own(out: Path, split: Path, digest: str) -> None:
    """Refuse a folder that holds something else, above all the split itself."""
    if out.resolve() == split.resolve() or split.resolve() in out.resolve().parents:
        raise BadInput(f"{out} is the split or inside it; choose another folder.")
    if (out / RECEIPTS).is_dir():
        names = (file.name.partition(".")[0] for file in (out / RECEIPTS).glob("*.receipt.json"))
        receipts = [Store(out).receipt(RECEIPTS, name) for name in names]
        if any(receipt is not None and receipt.digest != digest for receipt in receipts):
            raise BadInput(f"{out} holds the beginning of another export; choose another folder or delete it.")
        return
    if not out.exists():
        return
    if not out.is_dir() or any(not path.name.startswith(".") for path in out.iterdir()):
        raise BadInput(f"{out} holds something that is no export; choose another folder.")


def _check_same(out: Path, *digests: str) -> dict[str, Any]:
    info = read_json(out / INFO_FILE)
    if not isinstance(info, dict) or info.get("build_digest") not in digests:
        format, positions = (info.get(key, "?") for key in ("form", "positions")) if isinstance(info, dict) else "??"
        raise BadInput(
            f"{out} holds another export ({format}, positions {positions}) or one of another split; choose another "
            "folder or delete it."
        )
    return info


def _check_whole(out: Path, info: dict[str, Any]) -> None:
    """Look whether every file of a finished export is there and as long as it was."""
    wrong = [
        shard["file"] for shard in info["shards"]
        if not (out / shard["file"]).is_file() or (out / shard["file"]).stat().st_size != shard["bytes_count"]
    ]  # fmt: skip
    find_missing = get_format(info["form"]).find_missing
    if find_missing is not None and not wrong:
        wrong = find_missing(out)
    if wrong:
        raise Corrupt(
            f"{out}: {len(wrong)} files are missing or cut, first {wrong[0]}; delete the folder and export again."
        )
