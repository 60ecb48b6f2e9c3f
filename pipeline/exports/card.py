"""What an exported split says about itself: the card `datasets` and the Hub read, and Croissant metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.card import size_category, warning_lines
from relaionet.manifests.release.croissant import CROISSANT_CONTEXT, croissant_head
from relaionet.pipeline.exports.features import MEANINGS, TEXTS, class_names
from relaionet.pipeline.exports.imagefolder import METADATA

LICENCE_NOTE = (
    "Each image stays under the terms of its owner; whoever copies or shares it is bound by them. The labels are the "
    "release's."
)
IMAGE_ENCODINGS = ["image/jpeg", "image/png", "image/webp"]
# what `load_dataset` is told to read, by form
DATA_FILES = {
    "imagefolder": [METADATA, "images/*/*"],
    "webdataset": "data/*.tar",
    "parquet": "data/*.parquet",
}
HASHES = {
    "imagefolder": f"Each image's sha256 is in `{METADATA}`.",
    "webdataset": "Each image's sha256 is in its `json`, each shard's in `export.json`.",
    "parquet": "Each image's sha256 stands beside it, each shard's in `export.json`.",
}
HOW = {
    "imagefolder": """    datasets.load_dataset("<this folder>", split="test")
    torchvision.datasets.ImageFolder("<this folder>/images")

torchvision's own ids are places among the folders that are there; its `classes` are the wnids.""",
    "webdataset": """    shards = sorted(glob.glob("<this folder>/data/*.tar"))
    webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls")
    datasets.load_dataset("<this folder>", split="test")     # columns jpg, cls, json

Every image is a `jpg` member whatever its format is (`json` says it): decoders look at the bytes.""",
    "parquet": """    datasets.load_dataset("<this folder>", split="test")
    polars.scan_parquet("<this folder>/data/*.parquet")      # image: struct of bytes and path""",
}


def _class_label(name: str, indent: str) -> list[str]:
    lines = [f"- name: {name}", "  dtype:", "    class_label:", "      names:"]
    lines += [f"        '{index}': {wnid}" for index, wnid in enumerate(class_names())]
    return [indent + line for line in lines]


def _features(form: str) -> list[str]:
    if form == "webdataset":
        told = ["candidate_id", "wnid", "class_name", "format", "image_sha256", "stored_sha256"]
        lines = ["  - name: jpg", "    dtype: image", *_class_label("cls", "  "), "  - name: json", "    struct:"]
        lines += [f"    - name: {name}\n      dtype: string" for name in told[:2]]
        lines += ["    - name: class_index\n      dtype: int64"]
        lines += [f"    - name: {name}\n      dtype: string" for name in told[2:]]
        return [*lines, "  - name: __key__\n    dtype: string", "  - name: __url__\n    dtype: string"]
    lines = ["  - name: image", "    dtype: image", *_class_label("label", "  ")]
    return lines + [f"  - name: {name}\n    dtype: string" for name in TEXTS]


def _data_files(form: str) -> list[str]:
    files = DATA_FILES[form]
    paths = [files] if isinstance(files, str) else files
    return ["    path:", *(f'    - "{path}"' for path in paths)]


def _front_matter(info: Mapping[str, Any]) -> str:
    notes, split = info["split"].get("notes", {}), info["split"]
    download = sum(shard["bytes_count"] for shard in info["shards"])
    lines = [
        "---", f"pretty_name: {json.dumps(_title(info))}", "license: other",
        "license_name: terms-of-each-image-s-owner",
        "language:", "- en", "task_categories:", "- image-classification", "size_categories:",
        f"- {size_category(info['rows_count'])}", "tags:", "- imagenet", "- out-of-distribution",
        *(["- miniature"] if notes.get("miniature") else []),
        *(["- webdataset"] if info["form"] == "webdataset" else []),
        "configs:", "- config_name: default", "  data_files:", "  - split: test", *_data_files(info["form"]),
        "dataset_info:", "  config_name: default", "  features:", *_features(info["form"]), "  splits:",
        "  - name: test", f"    num_bytes: {info['bytes_count']}", f"    num_examples: {info['rows_count']}",
        f"  download_size: {max(download, info['bytes_count'])}", f"  dataset_size: {info['bytes_count']}",
        f"source_release: {json.dumps(split['release'])}", "---", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _title(info: Mapping[str, Any]) -> str:
    made = " (miniature)" if info["split"].get("notes", {}).get("miniature") else ""
    return f"{info['split']['name']}{made}"


def _left_out(info: Mapping[str, Any]) -> str:
    count = len(info.get("left_out", ()))
    return (
        f"{count} images are left out, as nobody can promise it for them (`export.json` names them). " if count else ""
    )


def write_form_card(path: Path, info: Mapping[str, Any]) -> None:
    """Write the dataset card (README.md) of an export; its front matter makes `load_dataset(folder)` right.

    Args:
        path: file to write.
        info: what `export.json` says.
    """
    split, labels = info["split"], labels_by_wnid()
    positions = {
        "kept": "The bytes are those the servers sent, with whatever they carry, position data too.",
        "stripped": "Position data was taken out of the bytes; where it was, `stored_sha256` differs from "
        "`image_sha256`.",
    }[info["positions"]]
    classes = "\n".join(
        f"| {wnid} | {labels[wnid].class_index} | {labels[wnid].name} | {count} |"
        for wnid, count in info["class_counts"].items()
    )
    columns = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in MEANINGS.items())
    text = f"""{_front_matter(info)}
# {_title(info)}

{warning_lines(split.get("notes", {}))}{info["rows_count"]} images of {info["classes_count"]} ImageNet classes, rebuilt
from the release `{split["release"]}` (digest `{split["release_digest"]}`): {split["coverage_frac"]:.1%} of its rows
came back under the policy *{split["policy"]}*. Digest of the split: `{split["digest"]}`.

## How to read it

{HOW[info["form"]]}

Label ids are class_index 0 to 999 in ImageNet's order, whichever classes are here; their names are the wnids.

## Bytes

{positions} {_left_out(info)}{HASHES[info["form"]]}

## Licence

{LICENCE_NOTE}

## Columns

| column | meaning |
|---|---|
{columns}

## Images per class

| wnid | class_index | name | images |
|---|---|---|---|
{classes}
"""
    write_atomic(path, text.encode())


def write_form_croissant(path: Path, info: Mapping[str, Any]) -> None:
    """Write Croissant 1.0 metadata of an export.

    Args:
        path: file to write.
        info: what `export.json` says.

    Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, checked with mlcroissant.
    """
    files, record_sets = {"imagefolder": _folder, "webdataset": _tars, "parquet": _parquet}[info["form"]](info)
    split = info["split"]
    document = {
        "@context": CROISSANT_CONTEXT,
        **croissant_head(
            name=split["name"], version="1.0.0", licence=LICENCE_NOTE, url=str(split.get("notes", {}).get("url", ".")),
            description=f"{_title(info)}: {info['rows_count']} images with ImageNet-1k labels settled by review.",
            cite_as=f"{_title(info)}, split digest {split['digest']}",
            published=_date(split),
        ),
        "distribution": files,
        "recordSet": record_sets,
    }  # fmt: skip
    write_atomic(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _date(split: Mapping[str, Any]) -> str | None:
    last = (split.get("fetched") or [None])[-1]
    return None if last is None else str(last)[:10]


def _file_object(shard: Mapping[str, Any], encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": shard["file"], "name": shard["file"], "contentUrl": shard["file"],
        "encodingFormat": encoding, "sha256": shard["sha256"], "contentSize": f"{shard['bytes_count']} B",
    }  # fmt: skip


def _file_set(
    name: str, includes: str, encoding: str | list[str], contained_in: list[str] | None = None
) -> dict[str, Any]:
    place = {"containedIn": [{"@id": file} for file in contained_in]} if contained_in else {}
    return {
        "@type": "cr:FileSet", "@id": name, "name": name, **place, "encodingFormat": encoding, "includes": includes,
    }  # fmt: skip


def _field(record_set: str, name: str, source: Mapping[str, Any], kind: str = "sc:Text") -> dict[str, Any]:
    return {
        "@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": kind, "source": source,
        **({"description": MEANINGS[name]} if name in MEANINGS else {}),
    }  # fmt: skip


def _record_set(name: str, key: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "key": {"@id": f"{name}/{key}"}, "field": fields}


def _columns(record_set: str, source: Mapping[str, Any], names: tuple[str, ...] = TEXTS) -> list[dict[str, Any]]:
    fields = [_field(record_set, "label", {**source, "extract": {"column": "label"}}, "sc:Integer")]
    return fields + [_field(record_set, name, {**source, "extract": {"column": name}}) for name in names]


Parts = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _folder(info: Mapping[str, Any]) -> Parts:
    metadata = info["shards"][0]
    rows, files = {"fileObject": {"@id": metadata["file"]}}, {"fileSet": {"@id": "image-files"}}
    name = _field("images", "file_name", {**rows, "extract": {"column": "file_name"}})
    path = _field("files", "path", {**files, "extract": {"fileProperty": "fullpath"}})
    objects = [
        _file_object(metadata, "application/x-parquet"),
        _file_set("image-files", "images/n*/*", IMAGE_ENCODINGS),
    ]
    return objects, [
        _record_set("images", "candidate_id", [name, *_columns("images", rows)]),
        _record_set("files", "path", [path, _image("files", "image-files")]),
    ]


def _parquet(info: Mapping[str, Any]) -> Parts:
    objects = [_file_object(shard, "application/x-parquet") for shard in info["shards"]]
    source = {"fileSet": {"@id": "shards"}}
    image = {**source, "extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
    fields = [_field("images", "image", image, "sc:ImageObject"), *_columns("images", source)]
    shards = _file_set("shards", "data/*.parquet", "application/x-parquet")
    return [*objects, shards], [_record_set("images", "candidate_id", fields)]


def _tars(info: Mapping[str, Any]) -> Parts:
    tars = [shard for shard in info["shards"] if shard["file"].endswith(".tar")]
    objects, inside = [_file_object(shard, "application/x-tar") for shard in tars], [shard["file"] for shard in tars]
    sets = [
        _file_set("jpg", "*.jpg", IMAGE_ENCODINGS, inside),
        _file_set("cls", "*.cls", "text/plain", inside),
    ]
    label = _field("labels", "label", {"fileSet": {"@id": "cls"}, "extract": {"fileProperty": "content"}}, "sc:Integer")
    return [*objects, *sets], [
        _record_set("images", "candidate_id", [_member_id("images", "jpg"), _image("images", "jpg")]),
        _record_set("labels", "candidate_id", [_member_id("labels", "cls"), label]),
    ]


def _member_id(record_set: str, extension: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": extension}, "extract": {"fileProperty": "filename"}}
    regex = {"transform": {"regex": rf"^([0-9a-f]{{64}})\.{extension}$"}}
    return _field(record_set, "candidate_id", source | regex)


def _image(record_set: str, file_set: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"}}
    return _field(record_set, "image", source, "sc:ImageObject")


SPLIT_KEYS = ("name", "release", "release_digest", "policy", "coverage_frac", "digest", "fetched", "notes")


def describe_export(
    about: Mapping[str, Any], rows: pl.DataFrame, *, form: str, positions: str, bytes_count: int,
    shards: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """What an export says of itself.

    Args:
        about: what `split.json` says.
        rows: the images, with `wnid`.
        form: as in `FormConfig`.
        positions: as in `FormConfig`.
        bytes_count: of the images, as they were served.
        shards: file, rows_count, bytes_count and sha256 of each file of the form.
    """
    return {
        "form": form,
        "positions": positions,
        "rows_count": rows.height,
        "classes_count": rows["wnid"].n_unique(),
        "bytes_count": bytes_count,
        "split": {key: about[key] for key in SPLIT_KEYS if key in about},
        "class_counts": dict(rows.group_by("wnid").len().sort("wnid").iter_rows()),
        "shards": shards,
    }
