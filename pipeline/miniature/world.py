"""The miniature's world: what can be drawn, and a world of LAION-like rows with the truth about each."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.replacing import drop_parts, replacing
from relaionet.pipeline.miniature.captions import write_caption
from relaionet.pipeline.miniature.drawings.pictures import (
    CLASSES,
    WORLD_SEEDS,
    draw_array,
    draw_clutter,
    draw_pair,
    draw_picture,
    draw_word,
    rng_of,
)
from relaionet.pipeline.miniature.photos import encode_picture, leaked_reference, make_bytes, make_later_bytes
from relaionet.pipeline.miniature.rows import NO_BYTES, Row, plan_rows

__all__ = [
    "CLASSES", "World", "WorldConfig", "draw_array", "draw_clutter", "draw_pair", "draw_picture", "draw_word",
    "make_world", "open_world",
]  # fmt: skip
VERSION = "2"
# LAION-2B's columns
ROWS = {
    "URL": pl.String, "TEXT": pl.String, "WIDTH": pl.Int64, "HEIGHT": pl.Int64, "similarity": pl.Float64,
    "hash": pl.Int64, "punsafe": pl.Float32, "pwatermark": pl.Float32,
}  # fmt: skip
# One row per distinct URL; only scoring may read it.
TRUTH = {
    "candidate_id": pl.String,  # sha256 of the URL; null where there is none
    "url": pl.String,
    "source_row": pl.Int64,  # first row of the URL in rows.parquet, from 0
    "rows_count": pl.Int32,  # rows with this URL
    "wnid": pl.String,  # class shown; null where none or two are
    "kind": pl.String,  # picture, word, clutter, pair or placeholder
    "caption_kind": pl.String,  # right, wrong, none or ambiguous, measured against the class drawn or written
    "fault": pl.String,  # a key of rows.FAULT_COUNTS; null where nothing is wrong
    "group": pl.Int64,  # equal for rows that show the same picture; below 0 for leaks
    "is_leak": pl.Boolean,  # shows a picture of `reference/`
    "releasable": pl.Boolean,  # should be in a perfect release
    "later": pl.String,  # served in the second epoch: exact, same_picture, changed or gone
}


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """What steers a synthetic world.

    Attributes:
        seed: another seed is another world.
        per_class_count: rows of each of the 20 classes that can be released.
        faults_scale: factor on the number of rows with something wrong (`rows.FAULT_COUNTS`), 0 to 4.
        reference_per_class_count: pictures per class that must not be in the set, and that leaks are copies of.
        controls_per_class_count: pictures per class with a known label, for the review.
    """

    seed: int = 0
    per_class_count: int = 26
    faults_scale: float = 1.0
    reference_per_class_count: int = 10
    controls_per_class_count: int = 3


@dataclass(frozen=True, kw_only=True)
class World:
    """A synthetic world on disk.

    Attributes:
        folder: holds everything below.
        rows: LAION-like metadata, the source of the job.
        truth: what is true of every row; only scoring may read it.
        reference: pictures that must not be in the set, in folders by wnid.
        controls: table of path (relative to `folder`) and wnid: pictures with known labels.
        photos_count: files the server has in the first epoch.
    """

    folder: Path
    rows: Path
    truth: Path
    reference: Path
    controls: Path
    photos_count: int


def _world(folder: Path, photos_count: int) -> World:
    return World(
        folder=folder, rows=folder / "rows.parquet", truth=folder / "truth.parquet", reference=folder / "reference",
        controls=folder / "controls.parquet", photos_count=photos_count,
    )  # fmt: skip


def open_world(folder: Path) -> World:
    """A world made earlier.

    Raises:
        BadInput: the folder holds none.
    """
    return _world(folder, int(read_json(folder / "world.json")["photos_count"]))


def make_world(out: Path, config: WorldConfig | None = None, progress: Callable[[int], None] | None = None) -> World:
    """Make a world, or find it where it was made before.

    The bytes are decided by the config (and the versions of Pillow and polars). Nothing is half-made: the folder
    appears when all is in it.

    Args:
        out: folder of the world; one made with another config is replaced.
        config: what steers it.
        progress: called with the number of rows done since the last call.

    Raises:
        BadInput: `out` holds something that is no synthetic world, or the config makes no sense.
    """
    config = config or WorldConfig()
    if config.per_class_count < 1 or config.reference_per_class_count < 1 or not 0 <= config.faults_scale <= 4:
        raise BadInput(f"a world needs at least 1 row and 1 reference per class and faults_scale 0 to 4; got {config}.")
    digest = digest_of("world", VERSION, config)
    if (out / "world.json").exists():
        if read_json(out / "world.json").get("digest") == digest:
            return open_world(out)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists and holds no synthetic world; choose another folder.")
    drop_parts(out.parent, below=False)
    with replacing(out) as part:
        part.mkdir()
        photos_count = _fill(part, config, progress or (lambda _: None))
        write_json(part / "world.json", {"digest": digest, "photos_count": photos_count, "seed": config.seed})
        if out.exists():
            shutil.rmtree(out)
    return open_world(out)


def _fill(folder: Path, config: WorldConfig, progress: Callable[[int], None]) -> int:
    for name in ("photos", "later"):
        (folder / name).mkdir()
    references = _save_known(folder, "reference", config.seed, config.reference_per_class_count)
    controls = _save_known(folder, "controls", config.seed, config.controls_per_class_count)
    pl.DataFrame(
        {
            "path": [path.relative_to(folder).as_posix() for path in controls],
            "wnid": [CLASSES[index % len(CLASSES)] for index in range(len(controls))],
        },
        schema={"path": pl.String, "wnid": pl.String},
    ).write_parquet(folder / "controls.parquet")
    rows = plan_rows(config.seed, config.per_class_count, config.faults_scale)
    data: dict[str, bytes] = {}
    # originals before their copies, whatever the order of the rows
    for row in sorted(rows, key=lambda row: row.copy_of is not None):
        if row.fault not in NO_BYTES:
            data[row.name] = make_bytes(row, data, references)
            (folder / "photos" / row.name).write_bytes(data[row.name])
            later = make_later_bytes(row, data[row.name])
            if later is not None:
                (folder / "later" / row.name).write_bytes(later)
        progress(row.rows_count)
    _write_tables(folder, config, rows)
    answers = {row.name: row.fault for row in rows if row.fault in ("404", "410", "403", "500", "slow", "cut")}
    gone = [row.name for row in rows if row.later == "gone"]
    (folder / "answers.json").write_text(json.dumps({"answers": answers, "gone_later": gone}), encoding="utf-8")
    return len(data)


def _save_known(folder: Path, name: str, seed: int, per_class_count: int) -> list[Path]:
    """Pictures with known labels: `reference/<wnid>/…` in folders, `controls/…` under opaque names."""
    paths = []
    for index in range(per_class_count):
        for wnid in CLASSES:
            rng = rng_of(name, seed, wnid, index)
            stem = f"{wnid}/{index:03}" if name == "reference" else f"{rng.getrandbits(80):020x}"
            path = folder / name / f"{stem}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = draw_picture(wnid, rng.randrange(WORLD_SEEDS.start, WORLD_SEEDS.stop), 160)
            if name == "reference":
                picture.save(path, format="JPEG", quality=92)
            else:
                path.write_bytes(encode_picture(picture, rng))
            paths.append(path)
    return paths


def _id_of(url: str | None) -> str | None:
    return None if url is None else hashlib.sha256(url.encode()).hexdigest()


def _laion_row(row: Row, number: int) -> tuple[object, ...]:
    rng = rng_of("laion", row.name, number)
    caption = row.caption if number == 0 else write_caption(row.caption_kind, str(row.wnid), rng)
    return (
        row.url, caption, row.size_px, row.size_px, round(rng.uniform(0.28, 0.4), 4), rng.getrandbits(62),
        row.punsafe, row.pwatermark,
    )  # fmt: skip


def _write_tables(folder: Path, config: WorldConfig, rows: list[Row]) -> None:
    # repetitions come last, so that the first row of a URL is the one the truth describes
    repeated = [(row, number) for row in rows for number in range(1, row.rows_count)]
    rng_of("repeated", config.seed).shuffle(repeated)
    source = [(row, 0) for row in rows] + repeated
    pl.DataFrame([_laion_row(*item) for item in source], schema=ROWS, orient="row").write_parquet(
        folder / "rows.parquet"
    )
    references_count = config.reference_per_class_count * len(CLASSES)
    truth = [_truth_row(row, index, references_count) for index, row in enumerate(rows)]
    pl.DataFrame(truth, schema=TRUTH, orient="row").write_parquet(folder / "truth.parquet")


def _truth_row(row: Row, source_row: int, references_count: int) -> tuple[object, ...]:
    is_leak = row.fault == "leak"
    return (
        _id_of(row.url), row.url, source_row, row.rows_count, row.wnid if row.kind == "picture" else None, row.kind,
        row.caption_kind, row.fault, -1 - leaked_reference(row, references_count) if is_leak else row.group, is_leak,
        row.releasable, row.later,
    )  # fmt: skip
