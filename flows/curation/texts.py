"""What the text stage needs beside a shard: the encoder, the texts of the classes, and the threshold of the run."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.flows.runs.run import Run, input_digests
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import CANDIDATES
from relaionet.pipeline.captions import text_match
from relaionet.pipeline.captions import text_threshold as text_calibration
from relaionet.pipeline.captions.text_encoders import TextEncoder, load_text_encoder, share_encoder
from relaionet.pipeline.captions.text_threshold import (
    TextThreshold,
    calibrate_threshold,
    read_text_threshold,
    sample_captions,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from relaionet.flows.curation.vectors import RunModels
    from relaionet.pipeline.captions.text_match import TextMatchConfig

CALIBRATION = "text_calibration"
FEWEST_NAMED = 0.5  # of captions that name a class pass where the encoder is of use


def get_text_encoder(models: RunModels, config: TextMatchConfig) -> TextEncoder | None:
    """The text encoder that is asked for, opened once; the run's own encoder where it is the same."""
    name, options = config.encoder, config.encoder_options
    if name is None:
        return None

    def open_encoder() -> TextEncoder:
        is_same = name == models.encoder_name and options in ({}, models.encoder_options)
        return share_encoder(models.encoder) if is_same else load_text_encoder(name, **options)

    key = digest_of("text encoder", name, options, models.encoder_name, models.encoder_options)
    return models.loaded.once(key, open_encoder)


def get_class_texts(models: RunModels, encoder: TextEncoder, template: str) -> np.ndarray:
    """Unit rows of the 1000 classes' texts, [1000, D] float32, made once."""
    key = digest_of("class texts", encoder.name, encoder.fingerprint, template)
    return models.loaded.once(key, lambda: text_match.embed_classes(encoder, template))


def text_threshold_file(run: Run) -> Path:
    """Where the run keeps its threshold; the plot lies beside it."""
    return run.root / CALIBRATION / "calibration.json"


def calibrate_texts(run: Run, models: RunModels, config: TextMatchConfig) -> bool:
    """Find the threshold from captions of all shards, unless it is there or texts are not compared.

    The sample is the same whatever the shards' order, so that all shards have one threshold however often a run is
    taken up again. A threshold of the recipe's own or a published one is measured on the sample like any other.

    Args:
        run: a run with candidates.
        models: of the run.
        config: how texts are compared.

    Returns:
        True when it was found now.
    """
    encoder = get_text_encoder(models, config)
    if encoder is None:
        return False
    digest = digest_of(
        input_digests(run, CANDIDATES), config, encoder.fingerprint, text_calibration.VERSION, text_match.VERSION
    )
    if run.store.has_artifact(text_threshold_file(run), CALIBRATION, digest):
        return False
    started = time.perf_counter()
    shards = (run.store.read(CANDIDATES, shard) for shard in run.store.shards(CANDIDATES))
    sample = sample_captions(shards, config)
    with run.reporter.bar("calibration", sample.height) as advance:
        texts = get_class_texts(models, encoder, config.template)
        found = calibrate_threshold(sample, config, encoder, texts, advance)
    data = (json.dumps(asdict(found), indent=2) + "\n").encode()
    seconds = time.perf_counter() - started
    run.store.write_artifact(
        text_threshold_file(run), data, CALIBRATION, digest, rows_count=found.captions_count, seconds=seconds
    )
    run.reporter.say(f"  {'':<12}{describe_text_threshold(found)}")
    return True


def load_text_threshold(run: Run) -> TextThreshold:
    """The threshold the run has found.

    Raises:
        BadInput: it has found none.
        Corrupt: the file is not what its receipt says.
    """
    path, remedy = text_threshold_file(run), "run `relaionet curate` again"
    return read_text_threshold(json.loads(run.store.read_artifact(path, CALIBRATION, remedy=remedy)))


def describe_text_threshold(found: TextThreshold) -> str:
    """One line: the thresholds, where they are from, what they do to the sample, and whether that is of use."""
    line = f"texts: cosine of at least {found.min_cosine:.4f} ({found.method}, {found.encoder})"
    line += f", {found.min_cosine_doubtful:.4f} for words of several meanings"
    passing = (
        (found.named.pass_frac, "captions that name a class"),
        (found.doubtful.pass_doubtful_frac, "those that may"),
        (found.wrong.pass_frac, "wrong pairs"),
    )
    shares = [f"{share:.1%} of {pairs}" for share, pairs in passing if share is not None]
    few = " (too few captions: the classes' names stood in)" if found.with_class_names else ""
    own = found.named.pass_frac
    hardly = own is not None and found.method == "calibrated" and own < FEWEST_NAMED
    warning = f"; this encoder hardly tells classes apart here: look at {CALIBRATION}/calibration.png" if hardly else ""
    return line + ("; " + ", ".join(shares) + " pass" if shares else "") + few + warning


def match_rows(run: Run, models: RunModels, config: TextMatchConfig, rows: pl.DataFrame, advance: Any) -> pl.DataFrame:
    """TEXT_MATCHES of one shard's rows; the model is loaded only where a row needs it."""
    encoder = get_text_encoder(models, config)
    if encoder is None or not text_match.needs_texts(rows):
        return text_match.match_texts(rows, config, progress=advance)
    texts = get_class_texts(models, encoder, config.template)
    thresholds = load_text_threshold(run).thresholds
    return text_match.match_texts(rows, config, encoder, texts, thresholds, advance)


def match_settings(run: Run, models: RunModels, config: TextMatchConfig) -> str:
    """Digest of all that the statuses of a shard depend on beside its rows."""
    encoder = get_text_encoder(models, config)
    if encoder is None:
        return digest_of("texts are not compared", text_match.VERSION)
    return digest_of(
        encoder.fingerprint, config.template, config.min_margin, config.max_chars, load_text_threshold(run).thresholds,
        text_match.VERSION,
    )  # fmt: skip
