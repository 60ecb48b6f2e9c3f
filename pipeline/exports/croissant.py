"""Pieces of Croissant metadata that export formats are described with.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, version 1.0, checked with mlcroissant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relaionet.pipeline.exports.features import MEANINGS, TEXTS

IMAGE_ENCODINGS = ["image/jpeg", "image/png", "image/webp"]


def file_object(shard: Mapping[str, Any], encoding: str) -> dict[str, Any]:
    """One file of an export.

    Args:
        shard: file, bytes_count and sha256, as `export.json` tells them.
        encoding: its media type.
    """
    return {
        "@type": "cr:FileObject", "@id": shard["file"], "name": shard["file"], "contentUrl": shard["file"],
        "encodingFormat": encoding, "sha256": shard["sha256"], "contentSize": f"{shard['bytes_count']} B",
    }  # fmt: skip


def file_set(
    name: str, includes: str, encoding: str | list[str], contained_in: Sequence[str] | None = None
) -> dict[str, Any]:
    """Files of one kind.

    Args:
        name: of the set.
        includes: glob of the files.
        encoding: their media type, or types.
        contained_in: archives the files are in; None for files of their own.
    """
    place = {"containedIn": [{"@id": file} for file in contained_in]} if contained_in else {}
    return {
        "@type": "cr:FileSet", "@id": name, "name": name, **place, "encodingFormat": encoding, "includes": includes,
    }  # fmt: skip


def field(record_set: str, name: str, source: Mapping[str, Any], kind: str = "sc:Text") -> dict[str, Any]:
    """One field of a record set.

    Args:
        record_set: its name.
        name: of the field; a column of `features.MEANINGS` is described.
        source: where its values are.
        kind: type of its values.
    """
    return {
        "@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": kind, "source": source,
        **({"description": MEANINGS[name]} if name in MEANINGS else {}),
    }  # fmt: skip


def record_set(name: str, key: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """A record set.

    Args:
        name: of it.
        key: the field that tells its records apart.
        fields: made by `field`.
    """
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "key": {"@id": f"{name}/{key}"}, "field": fields}


def column_fields(record_set: str, source: Mapping[str, Any], *, classes: bool = False) -> list[dict[str, Any]]:
    """The label and the columns of `features.TEXTS`, where they are columns of a table.

    Args:
        record_set: its name.
        source: the table.
        classes: it has the column `wnids`, every class of a picture.
    """
    fields = [field(record_set, "label", {**source, "extract": {"column": "label"}}, "sc:Integer")]
    fields += [field(record_set, name, {**source, "extract": {"column": name}}) for name in TEXTS]
    if classes:
        fields.append(field(record_set, "wnids", {**source, "extract": {"column": "wnids"}}) | {"repeated": True})
    return fields


def image_field(record_set: str, file_set: str) -> dict[str, Any]:
    """The image, where it is the content of a file.

    Args:
        record_set: its name.
        file_set: the set of files.
    """
    source = {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"}}
    return field(record_set, "image", source, "sc:ImageObject")
