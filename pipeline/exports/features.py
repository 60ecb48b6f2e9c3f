"""Columns of an export: how `datasets` is told that label ids are class_index, whichever classes are there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from relaionet.manifests.labels import read_labels

if TYPE_CHECKING:
    import pyarrow as pa

MEANINGS = {
    "image": "the image's bytes",
    "label": "class_index, 0 to 999: ImageNet's order; its names are the wnids",
    "wnid": "label",
    "class_name": "label, for reading",
    "candidate_id": "the row in the release and in every table",
    "image_sha256": "of the bytes as they were served",
    "stored_sha256": "of the bytes here; differs where position data was taken out",
    "wnids": "every class the picture shows, the label among them",
}
TEXTS = ("wnid", "class_name", "candidate_id", "image_sha256", "stored_sha256")


def class_names() -> list[str]:
    """The 1000 wnids in class_index order: names of the label ids."""
    return [label.wnid for label in sorted(read_labels(), key=lambda label: label.class_index)]


def label_lines(name: str) -> list[str]:
    """Lines of a card's front matter on the label: its ids are class_index, their names the wnids.

    Args:
        name: of the column.
    """
    lines = [f"- name: {name}", "  dtype:", "    class_label:", "      names:"]
    lines += [f"        '{index}': {wnid}" for index, wnid in enumerate(class_names())]
    return [f"  {line}" for line in lines]


def column_lines() -> list[str]:
    """Lines of a card's front matter on image, label and the columns of `TEXTS`."""
    lines = ["  - name: image", "    dtype: image", *label_lines("label")]
    return lines + [f"  - name: {name}\n    dtype: string" for name in TEXTS]


def table_lines() -> list[str]:
    """`column_lines`, and the classes of each picture: the columns of `arrow_schema`."""
    return [*column_lines(), "  - name: wnids\n    sequence: string"]


def hub_metadata(image: str) -> dict[bytes, bytes]:
    """Arrow schema metadata from which `datasets` takes its features.

    Args:
        image: name of the first column: "image" holds bytes, "file_name" a path beside the metadata file.

    Source: `datasets.Features.from_arrow_schema`.
    """
    first: dict[str, Any] = {"_type": "Image"} if image == "image" else {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {image: first, "label": {"names": class_names(), "_type": "ClassLabel"}}
    features |= {name: {"dtype": "string", "_type": "Value"} for name in TEXTS}
    features["wnids"] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def arrow_schema(image: str) -> pa.Schema:
    """Schema of a parquet shard ("image") or of an image folder's metadata ("file_name")."""
    import pyarrow as pa

    stored = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if image == "image" else pa.string()
    fields = [(image, stored), ("label", pa.int64()), *((name, pa.string()) for name in TEXTS)]
    fields.append(("wnids", pa.list_(pa.string())))
    return pa.schema(fields, metadata=hub_metadata(image))
