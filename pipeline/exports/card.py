"""What an exported split says about itself: the card `datasets` and the Hub read, and Croissant metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.escape import escape_markdown, escape_yaml, markdown_code, safe_link, script_json
from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.card import size_category, warning_lines
from relaionet.manifests.release.croissant import CROISSANT_CONTEXT, croissant_head
from relaionet.manifests.words import format_count, say_count
from relaionet.pipeline.exports.features import MEANINGS
from relaionet.pipeline.exports.registry import get_format

LICENCE_NOTE = (
    "Each image stays under the terms of its owner; whoever copies or shares it is bound by them. The labels are the "
    "release's."
)


def _front_matter(info: Mapping[str, Any]) -> str:
    notes, split, format = info["split"].get("notes", {}), info["split"], get_format(info["form"])
    download = sum(shard["bytes_count"] for shard in info["shards"])
    lines = [
        "---", f"pretty_name: {escape_yaml(_title(info))}", "license: other",
        "license_name: terms-of-each-image-s-owner",
        "language:", "- en", "task_categories:", "- image-classification", "size_categories:",
        f"- {size_category(info['rows_count'])}", "tags:", "- imagenet", "- out-of-distribution",
        *(["- miniature"] if notes.get("miniature") else []),
        *(f"- {tag}" for tag in format.tags),
        "configs:", "- config_name: default", "  data_files:", "  - split: test", "    path:",
        *(f'    - "{path}"' for path in format.data_files),
        "dataset_info:", "  config_name: default", "  features:", *format.features(), "  splits:",
        "  - name: test", f"    num_bytes: {info['bytes_count']}", f"    num_examples: {info['rows_count']}",
        f"  download_size: {max(download, info['bytes_count'])}", f"  dataset_size: {info['bytes_count']}",
        f"source_release: {escape_yaml(split['release'])}", "---", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _title(info: Mapping[str, Any]) -> str:
    made = " (miniature)" if info["split"].get("notes", {}).get("miniature") else ""
    return f"{info['split']['name']}{made}"


def _left_out(info: Mapping[str, Any]) -> str:
    count = len(info.get("left_out", ()))
    if not count:
        return ""
    left = say_count(count, "image is", "images are")
    return f"{left} left out, as nobody can promise it there (`export.json` says which). "


def _class_rows(counts: Mapping[str, int]) -> str:
    labels = labels_by_wnid()
    return "\n".join(
        f"| {wnid} | {labels[wnid].class_index} | {labels[wnid].name} | {format_count(count)} |"
        for wnid, count in counts.items()
    )


def write_export_card(path: Path, info: Mapping[str, Any]) -> None:
    """Write the dataset card (README.md) of an export; its front matter makes `load_dataset(folder)` right.

    Args:
        path: file to write.
        info: what `export.json` says.
    """
    split, format = info["split"], get_format(info["form"])
    positions = {
        "kept": "The bytes are those the servers sent, with whatever they carry, position data too.",
        "stripped": "Position data was taken out of the bytes; where it was, `stored_sha256` differs from "
        "`image_sha256`.",
    }[info["positions"]]
    columns = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in MEANINGS.items())
    images = say_count(info["rows_count"], "image")
    text = f"""{_front_matter(info)}
# {escape_markdown(_title(info))}

{warning_lines(split.get("notes", {}))}{images} of {say_count(info["classes_count"], "ImageNet class")}, rebuilt from
the release {markdown_code(split["release"])} (digest {markdown_code(split["release_digest"])}):
{split["coverage_frac"]:.1%} of its rows came back under the policy *{escape_markdown(split["policy"])}*. Digest of the
split: {markdown_code(split["digest"])}.

## How to read it

{format.how_to_read}

Label ids are class_index 0 to 999 in ImageNet's order, whichever classes are here; their names are the wnids.

## Bytes

{positions} {_left_out(info)}{format.hashes}

## Licence

{LICENCE_NOTE}

## Columns

| column | meaning |
|---|---|
{columns}

## Images per class

| wnid | class_index | name | images |
|---|---|---|---|
{_class_rows(info["class_counts"])}
"""
    write_atomic(path, text.encode())


def write_export_croissant(path: Path, info: Mapping[str, Any]) -> None:
    """Write Croissant 1.0 metadata of an export.

    Args:
        path: file to write.
        info: what `export.json` says.

    Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, checked with mlcroissant.
    """
    parts = get_format(info["form"]).croissant(info)
    split = info["split"]
    document = {
        "@context": CROISSANT_CONTEXT,
        **croissant_head(
            name=split["name"], version="1.0.0", licence=LICENCE_NOTE,
            url=safe_link(str(split.get("notes", {}).get("url", ""))) or ".",
            description=f"{_title(info)}: {info['rows_count']} images with ImageNet-1k labels settled by review.",
            cite_as=f"{_title(info)}, split digest {split['digest']}",
            published=_date(split),
        ),
        "distribution": parts.distribution,
        "recordSet": parts.record_sets,
    }  # fmt: skip
    write_atomic(path, (script_json(document) + "\n").encode())


def _date(split: Mapping[str, Any]) -> str | None:
    last = (split.get("fetched") or [None])[-1]
    return None if last is None else str(last)[:10]


SPLIT_KEYS = ("name", "release", "release_digest", "policy", "coverage_frac", "digest", "fetched", "notes")


def describe_export(
    about: Mapping[str, Any], rows: pl.DataFrame, *, format: str, positions: str, bytes_count: int,
    shards: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """What an export says of itself.

    Args:
        about: what `split.json` says.
        rows: the images, with `wnid`.
        format: name of the export format.
        positions: `kept` or `stripped`: whether the bytes still say where a photo was taken.
        bytes_count: of the images, as they were served.
        shards: file, rows_count, bytes_count and sha256 of each file of the export.
    """
    return {
        "form": format,
        "positions": positions,
        "rows_count": rows.height,
        "classes_count": rows["wnid"].n_unique(),
        "bytes_count": bytes_count,
        "split": {key: about[key] for key in SPLIT_KEYS if key in about},
        "class_counts": dict(rows.group_by("wnid").len().sort("wnid").iter_rows()),
        "shards": shards,
    }
