"""Image sets in the layouts their real repositories on the Hub have, of a few drawn pictures; no picture is theirs."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from relaionet.manifests.labels import read_labels
from tests.fakes.published import draw, encode

# `datasets` wants every name once
NAMES = [", ".join(label.lemmas) + "2" * (label.class_index == 517) for label in read_labels()]
WNIDS = [label.wnid for label in read_labels()]
IMAGE = {"_type": "Image"}


def picture(seed: str) -> bytes:
    """A JPEG of its own."""
    return encode(draw(seed), ".jpg")


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]], features: Mapping[str, Any], *, group: int = 3) -> Path:
    """A parquet file as `datasets` writes it: structs of bytes and path, features in its metadata."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    about = {"huggingface": json.dumps({"info": {"features": dict(features)}})}
    pq.write_table(table.replace_schema_metadata(about), file, row_group_size=group)
    return file


def class_label(names: Sequence[str]) -> dict[str, Any]:
    """A feature of numbers with names."""
    return {"names": list(names), "_type": "ClassLabel"}


def image_row(seed: str, name: str | None = None, **values: Any) -> dict[str, Any]:
    """A row with a picture drawn from `seed`."""
    return {"image": {"bytes": picture(seed), "path": name}} | values


def make_imagenet(folder: Path, indices: Sequence[int] = (134, 517, 3, 999, 0, 7, 8)) -> Path:
    """ILSVRC/imagenet-1k: several splits and files, 1,000 names in order, no label in `test`."""
    features = {"image": IMAGE, "label": class_label(NAMES)}
    rows = [
        image_row(f"val{place}", f"ILSVRC2012_val_{place + 1:08d}_{WNIDS[index]}.JPEG", label=index)
        for place, index in enumerate(indices)
    ]
    for number, some in enumerate((rows[:4], rows[4:])):
        write_rows(folder / "data" / f"validation-{number:05d}-of-00002.parquet", some, features)
    write_rows(folder / "data" / "test-00000-of-00001.parquet", [image_row("test", "t.JPEG", label=-1)], features)
    return folder


def make_imagenet_r(folder: Path) -> Path:
    """Renditions: wnids as text and names beside them."""
    rows = [image_row(f"r{i}", f"art_{i}.jpg", wnid=WNIDS[i], class_name=NAMES[i].split(",")[0]) for i in (1, 2, 134)]
    text = {"dtype": "string", "_type": "Value"}
    write_rows(
        folder / "data" / "test-00000-of-00001.parquet", rows, {"image": IMAGE, "wnid": text, "class_name": text}
    )
    return folder


def make_imagenet_a(folder: Path) -> Path:
    """Natural adversarial examples: 200 classes, numbers of wnids in an order of their own."""
    names = WNIDS[::5]
    rows = [image_row(f"a{place}", label=place) for place in (0, 7, 199)]
    write_rows(folder / "data" / "train-00000-of-00001.parquet", rows, {"image": IMAGE, "label": class_label(names)})
    return folder


def make_objectnet(folder: Path) -> Path:
    """Objects of which some are classes of ImageNet and some are not."""
    names = ["Air freshener", "Banana", "Cardigan", "Umbrella"]
    rows = [image_row(f"o{place}", label=place) for place in range(4)]
    write_rows(folder / "data" / "test-00000-of-00001.parquet", rows, {"image": IMAGE, "label": class_label(names)})
    return folder


def make_imagenet_hard(folder: Path) -> Path:
    """Lists of numbers nobody named, and lists of names beside them."""
    number, text = {"dtype": "int64", "_type": "Value"}, {"dtype": "string", "_type": "Value"}
    features = {
        "image": IMAGE, "label": {"feature": number, "_type": "List"}, "origin": text,
        "english_label": {"feature": text, "_type": "List"},
    }  # fmt: skip
    rows = [
        image_row(f"h{place}", label=some, origin="imagenet", english_label=[read_labels()[one].name for one in some])
        for place, some in enumerate(([134], [517, 3], [999, 0, 7]))
    ]
    write_rows(folder / "data" / "validation-00000-of-00001.parquet", rows, features)
    return folder


def make_imagenet_v2(folder: Path, classes: int = 1000) -> Path:
    """Archives of folders 0 … 999, one per version of the set."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("imagenetv2-matched-frequency", "imagenetv2-top-images"):
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz", compresslevel=1) as archive:
            for index in range(classes):
                add_member(archive, f"{name}-format-val/{index}/{index}.jpeg", picture(f"{name}{index}"))
    return folder


def make_webdataset(folder: Path) -> Path:
    """A shard of pictures with texts beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "train-00000.tar", "w") as archive:
        for place, index in enumerate((5, 6)):
            add_member(archive, f"{place:05d}.jpg", picture(f"w{index}"))
            add_member(archive, f"{place:05d}.cls", str(index).encode())
    return folder


def make_image_folder(folder: Path) -> Path:
    """Pictures in a folder and a table that says what they are."""
    (folder / "pictures").mkdir(parents=True)
    lines = ["file_name,wnid"]
    for index in (11, 12):
        (folder / "pictures" / f"{index}.jpg").write_bytes(picture(f"f{index}"))
        lines.append(f"pictures/{index}.jpg,{WNIDS[index]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def make_path_lines(folder: Path, paths: Sequence[str] = ("pictures/21.jpg",)) -> Path:
    """Lines of JSON that name files; the one of the set is there."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "21.jpg").write_bytes(picture("p21"))
    lines = [json.dumps({"file_name": path, "class_name": NAMES[21]}) for path in paths]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar."""
    about = tarfile.TarInfo(name)
    about.size = len(data)
    archive.addfile(about, io.BytesIO(data))
