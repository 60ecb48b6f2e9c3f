"""Parsers of containers are called at the one door; what stands outside reads what this project itself wrote."""

from __future__ import annotations

import re

from tests.unit.test_rooms import FACE, ROOMS, relative, sources

PARSERS = re.compile(
    r"json\.loads?\(|tomllib\.|np\.load\(|tarfile\.open\(|zipfile\.ZipFile\(|torch\.load\(|load_file\(|ParquetFile\("
    r"|pq\.read_|pl\.(read|scan)_(parquet|csv|ipc|ndjson|json)\(|pickle\.loads?\(|\b(gzip|bz2|lzma)\.[a-zA-Z]|msgpack\.Unpack"
    r"|np\.memmap\(|from_pretrained\(|create_model_from_pretrained\("
)
DOOR = ("manifests/containers/", "pipeline/arrays.py", "pipeline/tensors.py")
# what each reads, so that a stranger's file does not get here
OUTSIDE = {
    "manifests/store.py": "tables whose sha256 a receipt says",
    "manifests/release/withdrawals.py": "a CSV of bounded length, every field a text",
    "pipeline/adoption/archives.py": "a packed tar that is counted while it is unpacked",
    "pipeline/adoption/rows/": "what our own processes say to each other, and a table that `datasets` reads",
    "pipeline/detectors/classify.py": "lines of our own process",
    "pipeline/downloads/archive.py": "a list written line by line by ourselves",
    "pipeline/downloads/worker.py": "what our own process handed to its worker",
    "pipeline/downloads/ledger.py": "the list of what was fetched, written line by line by ourselves",
    "pipeline/downloads/decoder.py": "lines of our own process",
    "pipeline/exports/formats/webdataset.py": "a tar that is being written",
    "pipeline/exports/formats/imagefolder.py": "parts of the export that is being written",
    "pipeline/candidates/seen_urls.py": "a file without a name that is being written",
    "pipeline/sources/json_look.py": "lines of bounded length and depth",
    "pipeline/embeddings/open_clip.py": "a folder or file that was looked at",
    "pipeline/miniature/": "its own training",
    "annotations/label_studio/": "a Label Studio that this machine runs, and notes of ours",
    "evaluators/generators/diffusers_loading.py": "a folder that was looked at",
    "evaluators/generators/flow_maps/flax_checkpoints.py": "msgpack within the limits of the door",
    "evaluators/generators/ask.py": "what was just written as JSON, so that plain values remain",
    "evaluators/generators/sample_files.py": "a CSV of bounded length",
    "evaluators/generators/entries/commands/": "other people's environments",
    "evaluators/features/extract.py": "arrays that are being written",
    "evaluators/features/extractors.py": "a folder that was looked at",
    "evaluators/features/pickscore.py": "a folder that was looked at",
    "evaluators/features/rater_commands.py": "lines of our own process",
    "evaluators/miniature/": "weights that are shipped, and its own training",
    "flows/evaluation/sampling.py": "a table whose sha256 is checked before",
    "flows/curation/": "artefacts and tables whose sha256 a receipt says",
    "flows/pages/": "tables of this run",
    "flows/terminal/demo.py": "what the demo has just written",
    "flows/demo.py": "what the demo has just written",
}


def callers() -> list[str]:
    found = (path for path in sources(*ROOMS, FACE) if PARSERS.search(path.read_text(encoding="utf-8")))
    return [relative(path) for path in found if not relative(path).startswith(DOOR)]


def test_parsers_are_called_at_the_door_alone() -> None:
    assert [name for name in callers() if not name.startswith(tuple(OUTSIDE))] == []


def test_what_stands_outside_is_there() -> None:
    assert [place for place in OUTSIDE if not any(name.startswith(place) for name in callers())] == []
