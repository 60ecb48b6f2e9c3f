"""What a rebuilt split says to other programs: it is an image folder, so it gets that format's metadata and card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.files import file_sha256
from relaionet.manifests.labels import labels_by_wnid
from relaionet.pipeline.exports.card import describe_export, write_export_card, write_export_croissant
from relaionet.pipeline.exports.formats.imagefolder import IMAGES_FOLDER, METADATA, write_metadata


def write_split_card(split: Path, kept: pl.DataFrame, about: Mapping[str, Any]) -> None:
    """Put `images/metadata.parquet`, `README.md` and `croissant.json` into a split.

    With them `datasets.load_dataset(split)` and `load_dataset("imagefolder", data_dir=split/images)` give class_index
    as label ids, whichever classes came back.

    Args:
        split: its folder.
        kept: SPLIT rows that are kept, `path` relative to the split.
        about: what `split.json` is to say.
    """
    labels = labels_by_wnid()
    columns = ("candidate_id", "wnid", "class_index", "image_sha256", "path", "wnids")
    rows = [
        {
            "file_name": path.removeprefix(f"{IMAGES_FOLDER}/"), "label": class_index, "wnid": wnid,
            "class_name": labels[wnid].name, "candidate_id": candidate_id, "image_sha256": sha256,
            "stored_sha256": sha256, "wnids": sorted(wnids or [wnid]),
        }
        for candidate_id, wnid, class_index, sha256, path, wnids in kept.select(columns).iter_rows()
    ]  # fmt: skip
    file = split / METADATA
    write_metadata(file, rows)
    listed = {"file": METADATA, "rows_count": len(rows), "bytes_count": file.stat().st_size}
    info = describe_export(
        about, kept, format="imagefolder", positions="kept",
        bytes_count=sum((split / path).stat().st_size for path in kept["path"]),
        shards=[listed | {"sha256": file_sha256(file)}],
    )  # fmt: skip
    write_export_card(split / "README.md", info)
    write_export_croissant(split / "croissant.json", info)
