"""Croissant: a release described for search engines and loaders (MLCommons Croissant 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.escape import safe_link, script_json
from relaionet.manifests.files import write_atomic
from relaionet.manifests.release.card import LICENCE_NOTE, title_of
from relaionet.manifests.release.sentences import cite_release
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.words import say_count

CROISSANT_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases", "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "rai": "http://mlcommons.org/croissant/RAI/",
    "samplingRate": "cr:samplingRate",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip


def _croissant_type(dtype: pl.DataType) -> str:
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if inner in (pl.Int32, pl.Int64):
        return "sc:Integer"
    if inner in (pl.Float32, pl.Float64):
        return "sc:Float"
    return "sc:DateTime" if inner == pl.Datetime else "sc:Text"


def _croissant_field(name: str) -> dict[str, Any]:
    column = MANIFEST.columns[name]
    field = {
        "@type": "cr:Field",
        "@id": f"images/{name}",
        "name": name,
        "description": column.meaning,
        "dataType": _croissant_type(column.dtype),
        "source": {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": name}},
    }
    return field | ({"repeated": True} if isinstance(column.dtype, pl.List) else {})


def croissant_head(
    *, name: str, description: str, version: str, licence: str, url: str, cite_as: str, published: str | None = None
) -> dict[str, Any]:
    """The fields every Croissant document of ours begins with, after its context."""
    return {
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "version": version,
        **({} if published is None else {"datePublished": published}),
        "license": licence,
        "creator": {"@type": "sc:Organization", "name": "reLAIONet"},
        "url": url,
        "citeAs": cite_as,
    }


def write_croissant(path: Path, about: Mapping[str, Any], manifest_sha256: str) -> None:
    """Write Croissant 1.0 metadata (JSON-LD).

    Args:
        path: file to write.
        about: fields of `ReleaseInfo` but `files`.
        manifest_sha256: of manifest.parquet's bytes, hex.

    Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, checked with mlcroissant.
    """
    document = {
        "@context": CROISSANT_CONTEXT,
        **croissant_head(
            name=about["name"],
            description=f"{title_of(about)}: "
            f"{say_count(about['rows_count'], 'image')} with ImageNet-1k labels, by URL or by hash.",
            version=f"{about['version']}.0.0",
            published=about["created"],
            licence=LICENCE_NOTE,
            url=safe_link(str(about["notes"].get("url", ""))) or "manifest.parquet",
            cite_as=cite_release(about),
        ),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest.parquet",
                "name": "manifest.parquet",
                "contentUrl": "manifest.parquet",
                "encodingFormat": "application/x-parquet",
                "sha256": manifest_sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "key": {"@id": "images/candidate_id"},
                "field": [_croissant_field(name) for name in MANIFEST.columns],
            }
        ],
    }
    write_atomic(path, (script_json(document) + "\n").encode())
