"""What probabilities are fitted on: what captions name, and pictures whose class is known, each with its source."""

from __future__ import annotations

import hashlib
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.curation.vectors import vectors_of
from relaionet.flows.runs.run import Run
from relaionet.manifests.containers.parquet_table import read_guarded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, file_sha256, write_atomic
from relaionet.manifests.labels import find_label, labels_by_wnid
from relaionet.manifests.tables import CANDIDATES, EMBEDDINGS, TEXT_MATCHES, VERDICTS, alive
from relaionet.pipeline.embeddings import embed
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig, Examples
from relaionet.pipeline.proposals.caption_errors import Captions
from relaionet.pipeline.proposals.caption_evidence import read_words

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.embeddings.encoders import Encoder

WNID = re.compile(r"n[0-9]{8}")
NAMES = ["candidate_id", "wnid", "possible_wnids", "other_wnids", "status"]


def read_named(run: Run, shard: str) -> pl.DataFrame:
    """What the captions of a shard name, of rows that go on.

    Returns:
        candidate_id, wnid, is_sure, possible_wnids, other_wnids, as `caption_evidence.read_words` takes them.
    """
    said = alive(run.store.read(CANDIDATES, shard, columns=NAMES)).rename({"wnid": "named"})
    matched = alive(run.store.read(TEXT_MATCHES, shard)).select("candidate_id", "wnid")
    joined = matched.join(said, on="candidate_id", how="left", maintain_order="left")
    # where only a text encoder or a search says so, the words themselves did not
    return joined.select(
        "candidate_id", "wnid", pl.col("named").is_not_null().alias("is_sure"), "possible_wnids", "other_wnids"
    )


def _key(candidate_id: str, seed: int) -> str:
    return hashlib.sha256(f"calibrate|{seed}|{candidate_id}".encode()).hexdigest()


def read_captions(run: Run, encoder: Encoder, config: CalibrateConfig) -> Captions:
    """Embedded pictures whose captions name classes: a sample by seed, the same however the shards are cut."""
    found: list[tuple[str, str, tuple[str, ...], str]] = []
    for shard in run.store.shards(EMBEDDINGS):
        embedded = alive(run.store.read(EMBEDDINGS, shard)).select("candidate_id")
        rows = embedded.join(read_named(run, shard), on="candidate_id", maintain_order="left")
        for one, named, words in zip(rows["candidate_id"], *read_words(rows), strict=True):
            if named:
                found.append((one, shard, named, words))
    chosen = sorted(found, key=lambda row: _key(row[0], config.seed))[: config.max_examples_count]
    vectors = _vectors_by_shard(run, encoder, [(one, shard) for one, shard, *_ in chosen])
    return Captions(vectors=vectors, named=[row[2] for row in chosen], words=[row[3] for row in chosen])


def _vectors_by_shard(run: Run, encoder: Encoder, rows: list[tuple[str, str]]) -> np.ndarray:
    """Unit rows of (candidate_id, shard), in order, reading one shard at a time."""
    import numpy as np

    result = np.zeros((len(rows), encoder.dim), dtype=np.float16)
    for shard in sorted({shard for _, shard in rows}):
        places = [place for place, row in enumerate(rows) if row[1] == shard]
        ids = pl.Series([rows[place][0] for place in places])
        result[places] = vectors_of(run, [shard], encoder, ids)
    return result


def read_examples(
    run: Run, encoder: Encoder, config: CalibrateConfig, controls: pl.DataFrame, embedding: embed.EmbedConfig, *,
    settled: bool = False,
) -> Examples:  # fmt: skip
    """Pictures whose class is known: the controls, a folder, earlier reviews; none twice.

    Args:
        run: the run.
        encoder: of the run.
        config: where examples are taken from.
        controls: as `read_controls` gives them.
        embedding: how pictures are embedded.
        settled: take the pictures that the run's own review accepted too.

    Raises:
        BadInput: the folder holds no labelled picture, or an earlier run has another encoder or no verdicts.
    """
    import numpy as np

    parts, wnids, sources = [np.zeros((0, encoder.dim), dtype=np.float16)], list[str](), dict[str, int]()
    if config.use_controls and controls.height:
        table, vectors = embed.embed_images(controls, encoder, run.images, embedding)
        sources["controls"] = _add(table, vectors, controls["wnid"].to_list(), parts, wnids)
    if config.labelled is not None:
        listed = list_labelled(config.labelled, config)
        table, vectors = embed.embed_images(listed, encoder, config.labelled, embedding)
        sources["labelled pictures"] = _add(table, vectors, listed["wnid"].to_list(), parts, wnids)
    for root in config.reviews:
        vectors, known = read_reviewed(Run(root=root, reporter=run.reporter), encoder)
        parts.append(vectors)
        wnids += known
        sources[f"review {root.name}"] = len(known)
    if settled:
        vectors, known = read_settled(run, encoder)
        parts.append(vectors)
        wnids += known
        sources["this review"] = len(known)
    return Examples(vectors=np.concatenate(parts), wnids=wnids, sources=sources)


def _add(table: pl.DataFrame, vectors: np.ndarray, known: list[str], parts: list[np.ndarray], wnids: list[str]) -> int:
    """Add the pictures that could be embedded; how many."""
    parts.append(vectors)
    embedded = (table["status"] == "ok").to_list()
    wnids += [wnid for wnid, ok in zip(known, embedded, strict=True) if ok]
    return len(vectors)


def list_labelled(folder: Path, config: CalibrateConfig) -> pl.DataFrame:
    """Pictures of a folder whose class is in their path: candidate_id, path (relative), wnid; a sample by seed.

    A file's own name counts first (`n01440764_18.JPEG`), then the folders it lies in, the innermost first.

    Raises:
        BadInput: there is none.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        wnids = [match[0] for part in reversed(name.split("/")) if (match := WNID.match(part))]
        known = [wnid for wnid in wnids if wnid in labels_by_wnid()]
        if path.is_file() and known:
            found.append((hashlib.sha256(name.encode()).hexdigest(), name, known[0]))
    if not found:
        raise BadInput(
            f"calibrate: labelled = {folder} holds no file whose name or folder begins with an ImageNet wnid, such as "
            f"n01440764/1.jpg or n01440764_1.jpg."
        )
    found.sort(key=lambda row: _key(row[0], config.seed))
    return pl.DataFrame(
        found[: config.max_examples_count], schema=["candidate_id", "path", "wnid"], orient="row"
    )  # fmt: skip


def read_reviewed(earlier: Run, encoder: Encoder) -> tuple[np.ndarray, list[str]]:
    """Vectors and settled classes of an earlier run's accepted pictures.

    Raises:
        BadInput: it has no verdicts, or its embeddings are another encoder's.
    """
    from relaionet.flows.curation.calibration import load_calibration

    if not earlier.store.shards(VERDICTS):
        raise BadInput(f"calibrate: reviews: {earlier.root} has no verdicts; run `relaionet review pull` there first.")
    theirs = load_calibration(earlier)
    if theirs.fingerprint != encoder.fingerprint:
        raise BadInput(
            f"calibrate: reviews: {earlier.root} was embedded by '{theirs.encoder}', this run by '{encoder.name}'."
        )
    return read_settled(earlier, encoder)


def count_settled(run: Run) -> int:
    """How many pictures of a run its own review accepted."""
    return run.store.read_all(VERDICTS).filter(status="accept").height


def read_settled(run: Run, encoder: Encoder) -> tuple[np.ndarray, list[str]]:
    """Vectors and settled classes of a run's accepted pictures."""
    settled = run.store.read_all(VERDICTS).filter(status="accept").select("candidate_id", verdict="wnid")
    rows: list[tuple[str, str]] = []
    known: list[str] = []
    for shard in run.store.shards(EMBEDDINGS):
        embedded = alive(run.store.read(EMBEDDINGS, shard)).select("candidate_id")
        for one, wnid in embedded.join(settled, on="candidate_id", maintain_order="left").iter_rows():
            rows.append((one, shard))
            known.append(wnid)
    return _vectors_by_shard(run, encoder, rows), known


def folder_digest(folder: Path | None) -> str | None:
    """Digest of the names and bytes of all files under a folder."""
    if folder is None:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_of([(path.relative_to(folder).as_posix(), file_sha256(path)) for path in files])


def read_controls(table: Path | None, images: Path) -> pl.DataFrame:
    """Pictures with known labels, copied among the images under opaque names.

    Args:
        table: parquet with `path` (relative to the table's folder), `wnid` and, where pictures show several classes,
            `wnids` (list of all of them); None gives no controls.
        images: folder of the run's images.

    Returns:
        Frame of candidate_id, wnid, path, and wnids where the table has them.

    Raises:
        BadInput: the table or a picture cannot be read, or a wnid is unknown.
    """
    schema = pl.Schema({"candidate_id": pl.String(), "wnid": pl.String(), "path": pl.String()})
    if table is None:
        return pl.DataFrame(schema=schema)
    listed = _read_control_table(table)
    rows = []
    for path, wnid, *wnids in listed.iter_rows():
        data = (table.parent / path).read_bytes()
        candidate_id = sha256(data).hexdigest()
        place = f"{candidate_id[:2]}/{candidate_id}{Path(path).suffix}"
        if not (images / place).exists():
            write_atomic(images / place, data)
        several = [[find_label(one).wnid for one in some] if some else None for some in wnids]
        rows.append((candidate_id, find_label(wnid).wnid, place, *several))
    schema |= {name: kind for name, kind in listed.schema.items() if name == "wnids"}
    return pl.DataFrame(rows, schema=schema, orient="row").unique("candidate_id", keep="first", maintain_order=True)


def _read_control_table(table: Path) -> pl.DataFrame:
    """path, wnid and, where they are there, wnids."""
    try:
        read = read_guarded(table)[0]
        several = [pl.col("wnids").cast(pl.List(pl.String))] if "wnids" in read.columns else []
        return read.select(pl.col("path", "wnid").cast(pl.String), *several).drop_nulls(["path", "wnid"])
    except (BadInput, pl.exceptions.PolarsError) as error:
        why = str(error).strip().partition("\n")[0]
        raise BadInput(
            f"controls {table}: expected parquet with columns path and wnid, and wnids as lists if at all ({why})."
        ) from None
