"""The screens of the flow `curate`: measured per shard, compared all together, text read in chunks, judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.flows.curation.references import References, reference_sets
from relaionet.flows.curation.vectors import RunModels, vectors_of
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest, input_digests
from relaionet.flows.runs.stages import run_shards
from relaionet.manifests.files import digest_of, file_sha256
from relaionet.manifests.tables import (
    CANDIDATES,
    COMPARED,
    DOWNLOADS,
    EMBEDDINGS,
    MEASURED,
    PROPOSALS,
    SCREENED,
    TEXTS_READ,
    alive,
)  # fmt: skip
from relaionet.pipeline.embeddings.store import embeddings_digest
from relaionet.pipeline.screens import pixel_measures as picture_measures
from relaionet.pipeline.screens import screen, text_reading
from relaionet.pipeline.screens.encoder_scores import load_scorers
from relaionet.pipeline.screens.plan import (
    compared_table,
    further_digests,
    measured_table,
    remarking_screens,
    screened_table,
    screens_asked,
    tell_remarks,
)  # fmt: skip
from relaionet.pipeline.screens.screens import NOTHING_LOOKED

if TYPE_CHECKING:
    from relaionet.pipeline.embeddings.embed import EmbedConfig
    from relaionet.pipeline.screens.config import ScreenConfig
    from relaionet.pipeline.screens.references import StoredReference
    from relaionet.pipeline.screens.text_reading import TextConfig

FROM_SOURCE = ("candidate_id", "punsafe", "pwatermark", "source", "wnid")


def screen_all(
    run: Run, models: RunModels, config: ScreenConfig, references: References, embedding: EmbedConfig
) -> None:
    """Stage 8: the screens, each with its evidence.

    Args:
        run: a run with proposals.
        models: of the run.
        config: the screens.
        references: sets of pictures that must not be in the set.
        embedding: how pictures of a reference folder are embedded.
    """
    shards = run.store.shards(PROPOSALS)
    rows_count = sum(alive(run.store.read(PROPOSALS, shard, columns=["status"])).height for shard in shards)
    run_shards(run, MEASURED, measure_shard, shards, rows_count, config, is_counted=False)
    compare_all(run, models, config, reference_sets(run, references, models.encoder, embedding))
    read_all_texts(run, models, config)
    finish_all(run, config)
    if not config.unsafe.looks:
        run.reporter.say(f"  {'':<12}unsafe: {NOTHING_LOOKED}; docs/guides/screens.md names one")


def measure_shard(run: Run, shard: str, config: ScreenConfig, advance: Advance) -> bool:
    """What the pictures of one shard show, decoded once."""
    digest = digest_of(
        input_digest(run, PROPOSALS, shard), input_digest(run, DOWNLOADS, shard), config.max_pixels,
        picture_measures.VERSION, *further_digests(config, measuring=True),
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = alive(run.store.read(PROPOSALS, shard)).select("candidate_id")
        rows = rows.join(run.store.read(DOWNLOADS, shard), on="candidate_id", maintain_order="left")
        return picture_measures.measure_pictures(rows, run.images, config, progress=advance)

    return run.make(measured_table(config), digest, make, shard=shard)


def compare_all(run: Run, models: RunModels, config: ScreenConfig, sets: Sequence[StoredReference]) -> None:
    """All screens but that of text, over all shards at once."""
    encoder = models.encoder
    shards = run.store.shards(PROPOSALS)
    heads = [asked.head and file_sha256(asked.head) for asked in (config.unsafe, config.watermark)]
    digest = digest_of(
        input_digests(run, PROPOSALS, DOWNLOADS, MEASURED, CANDIDATES),
        [embeddings_digest(run.embeddings, int(shard)) for shard in shards],
        encoder.fingerprint, [(found.name, found.digest) for found in sets], heads, config, screen.VERSION,
        *further_digests(config),
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = _rows_to_screen(run)
        vectors = vectors_of(run, shards, encoder, rows["candidate_id"])
        scorers = load_scorers(config, encoder)
        with run.reporter.bar("references", sum(found.pictures_count for found in sets)) as advance:
            return screen.compare_images(
                rows, run.store.read_all(MEASURED), vectors, config, sets, scorers=scorers, progress=advance
            )

    run.make(compared_table(config), digest, make)


def _rows_to_screen(run: Run) -> pl.DataFrame:
    """The rows with a proposal, and all that is known of them that a screen asks for."""
    rows = alive(run.store.read_all(PROPOSALS)).select("candidate_id")
    fetched = alive(run.store.read_all(DOWNLOADS)).select("candidate_id", "image_sha256", "width_px", "height_px")
    about = _about_source(run, fetched)
    same_bytes = fetched.join(about, on="candidate_id").group_by("image_sha256").agg(
        same_bytes_count=pl.len().cast(pl.Int32), same_bytes_wnids=pl.col("wnid").drop_nulls().n_unique().cast(pl.Int32)
    )  # fmt: skip
    hashes = run.store.read_all(EMBEDDINGS).select("candidate_id", "phash")
    for more, key in ((fetched, "candidate_id"), (hashes, "candidate_id"), (about.drop("wnid"), "candidate_id"),
                      (same_bytes, "image_sha256")):  # fmt: skip
        rows = rows.join(more, on=key, how="left", maintain_order="left")
    return rows


def _about_source(run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    """What the source says of these rows; one shard of it in memory at a time."""
    found = [CANDIDATES.empty().select(FROM_SOURCE)]
    for shard in run.store.shards(CANDIDATES):
        part = alive(run.store.read(CANDIDATES, shard, columns=[*FROM_SOURCE, "status"])).select(FROM_SOURCE)
        found.append(part.join(rows, on="candidate_id", how="semi"))
    return pl.concat(found)


def read_all_texts(run: Run, models: RunModels, config: ScreenConfig) -> None:
    """Text in what the other screens left, chunk by chunk; a chunk that is done is not read again."""
    if not config.text.read:
        run.store.keep_only(TEXTS_READ, [])
        return
    reader = get_reader(models, config.text)
    chunks = _chunks(run, config.text.chunk_rows)
    rows_count = sum(len(ids) for ids in chunks.values())
    arguments = (models, config, chunks, reader.fingerprint)
    run_shards(run, TEXTS_READ, read_chunk, list(chunks), rows_count, *arguments, is_counted=False)
    run.store.keep_only(TEXTS_READ, list(chunks))


def _chunks(run: Run, size: int) -> dict[str, list[str]]:
    """Chunk -> ids to read. Cut by all measured rows, so that a changed screen moves no row to another chunk."""
    left = set(alive(run.store.read(COMPARED))["candidate_id"])
    chunks = {}
    for shard in run.store.shards(MEASURED):
        ids = run.store.read(MEASURED, shard, columns=["candidate_id"])["candidate_id"].to_list()
        for start in range(0, len(ids), size):
            part = [name for name in ids[start : start + size] if name in left]
            if part:
                chunks[f"{shard}-{start // size:05d}"] = part
    return chunks


def get_reader(models: RunModels, config: TextConfig) -> text_reading.RapidReader:
    """The reader of text, made once."""
    return models.loaded.once(digest_of("reader", config), lambda: text_reading.RapidReader(config))


def read_chunk(
    run: Run, chunk: str, models: RunModels, config: ScreenConfig, chunks: dict[str, list[str]], fingerprint: str,
    advance: Advance,
) -> bool:  # fmt: skip
    """Text in the pictures of one chunk."""
    shard = chunk.partition("-")[0]
    fetched = run.store.read(DOWNLOADS, shard).select("candidate_id", "image_sha256", "path")
    rows = pl.DataFrame({"candidate_id": chunks[chunk]}, schema={"candidate_id": pl.String})
    rows = rows.join(fetched, on="candidate_id", maintain_order="left")
    digest = digest_of(rows.rows(), fingerprint, config.max_pixels, text_reading.VERSION)

    def make() -> pl.DataFrame:
        is_there = run.store.receipt(TEXTS_READ.name, chunk) is not None and run.store.path(TEXTS_READ, chunk).is_file()
        return text_reading.read_texts(
            rows, get_reader(models, config.text), run.images, max_pixels=config.max_pixels, threads=config.threads,
            earlier=run.store.read(TEXTS_READ, chunk) if is_there else None, progress=advance,
        )  # fmt: skip

    return run.make(TEXTS_READ, digest, make, shard=chunk)


def finish_all(run: Run, config: ScreenConfig) -> None:
    """The final status of every row."""
    digest = digest_of(
        input_digests(run, COMPARED, TEXTS_READ, PROPOSALS), config, screen.VERSION, text_reading.VERSION,
        *further_digests(config),
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = alive(run.store.read_all(PROPOSALS)).select("candidate_id", "wnid", "caption_wnid")
        return screen.finish_screens(run.store.read(COMPARED), run.store.read_all(TEXTS_READ), rows, config)

    run.make(screened_table(config), digest, make)
    run.count(SCREENED)


def remark_controls(run: Run, controls: pl.DataFrame, config: ScreenConfig) -> pl.DataFrame:
    """Controls with what reviewers are told of their pictures, so that nobody tells them from others by its lack.

    Args:
        run: whose images hold their pictures.
        controls: candidate_id and path.
        config: of the screens.

    Returns:
        The same, with `remark` where the recipe has a screen that tells something.
    """
    if not remarking_screens(config) or controls.is_empty():
        return controls
    measured = picture_measures.measure_pictures(controls.select("candidate_id", "path"), run.images, config)
    return controls.join(tell_remarks(measured, config), on="candidate_id", how="left", maintain_order="left")


def screens_record(config: ScreenConfig, references: References) -> dict[str, Any]:
    """Which screens a run makes, for `run.json`."""
    return dict(screens_asked(config, references.all_names))
