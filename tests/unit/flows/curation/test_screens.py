"""The screens in the flow: every row with its evidence, nothing done twice, what was not run is said."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw, ImageOps
from rich.console import Console

from relaionet.flows.curate import models_of
from relaionet.flows.curation import screens as screen_stages
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.curation.recipe_checks import check_recipe, references_of
from relaionet.flows.curation.references import add_to_store, describe_store, reference_folders
from relaionet.flows.curation.screens import remark_controls, screen_all, screens_record
from relaionet.flows.pages.screens import PAGE, write_screens_page
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.flows.runs.stages import ShardWork
from relaionet.flows.tracing.places import Place
from relaionet.flows.tracing.trace import trace_row
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json
from relaionet.manifests.tables import (
    CANDIDATES,
    COMPARED,
    DOWNLOADS,
    EMBEDDINGS,
    MEASURED,
    PROPOSALS,
    SCREENED,
    TEXTS_READ,
    Table,
    count_statuses,
)  # fmt: skip
from relaionet.pipeline.detectors.config import FacesConfig
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.images.decode import read_facts
from relaionet.pipeline.screens import plan, text_reading
from relaionet.pipeline.screens.config import ScreenConfig, UnsafeConfig
from relaionet.pipeline.screens.text_reading import TextConfig, has_reader
from tests.unit.pipeline.detectors.test_faces import scene as draw_faces

HUMMINGBIRD = "n01833805"
HOSTILE = "<script>alert(1)</script> & co"


def scene(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((240, 180), Image.Resampling.BICUBIC)


def poster() -> Image.Image:
    image = Image.new("RGB", (300, 225), (240, 235, 210))
    ImageDraw.Draw(image).text((20, 80), "HUMMINGBIRD", fill=(30, 30, 60), font_size=34)
    return image


PICTURES = {
    "one": scene(1), "one-smaller": scene(1).resize((200, 150)), "two": scene(2), "three": scene(3),
    "leaked": ImageOps.mirror(scene(4)), "poster": poster(), "small": scene(5).resize((80, 60)),
    "unsafe": scene(6), "gone-a": scene(7), "gone-b": scene(7), "gone-c": scene(7),
}  # fmt: skip
EXPECTED = {
    "one": "ok", "one-smaller": "duplicate", "two": "ok", "three": "ok", "leaked": "leak", "poster": "ok",
    "small": "too_small", "unsafe": "unsafe", "gone-a": "placeholder", "gone-b": "placeholder",
    "gone-c": "placeholder",
}  # fmt: skip


def a_run(root: Path) -> Run:
    return Run(root=root, reporter=Reporter(Console(quiet=True)))


def store(run: Run, table: Table, shard: str, rows: pl.DataFrame) -> None:
    """A shard of a table; columns that are not given are null, statuses ok."""
    given = rows if "status" in rows.columns else rows.with_columns(status=pl.lit("ok"))
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in table.schema.items() if name not in given.columns]
    run.store.write(given.with_columns(missing), table, "digest", shard=shard)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("miniature", device="cpu")


@pytest.fixture
def run(tmp_path: Path, encoder: Encoder) -> Run:
    """A run whose rows are proposed, in two shards."""
    made = a_run(tmp_path / "run")
    made.images.mkdir(parents=True)
    rows = []
    for place, (name, image) in enumerate(PICTURES.items()):
        path = made.images / f"{name}.png"
        image.save(path)
        data = path.read_bytes()
        facts = read_facts(data, 10**7)
        rows.append({
            "candidate_id": name, "path": path.name, "image_sha256": hashlib.sha256(data).hexdigest(),
            "width_px": facts.width_px, "height_px": facts.height_px, "caption": f"{HOSTILE} {name}",
            "url": f"http://pictures.example/{name}", "source": "rows.parquet",
            "punsafe": 0.9 if name == "unsafe" else 0.0,
            "wnid": f"n{place:08d}" if name.startswith("gone") else HUMMINGBIRD,
        })  # fmt: skip
    table = pl.DataFrame(rows)
    for shard, part in (("00000", table[:6]), ("00001", table[6:])):
        embedded, vectors = embed_images(part, encoder, made.images, EmbedConfig(batch_size=8, threads=1))
        write_embeddings(made.embeddings, int(shard), vectors, part)
        made.store.write(embedded, EMBEDDINGS, "digest", shard=shard)
        store(made, CANDIDATES, shard, part.select("candidate_id", "url", "caption", "wnid", "punsafe", "source"))
        store(
            made, DOWNLOADS, shard, part.select("candidate_id", "url", "path", "image_sha256", "width_px", "height_px")
        )
        proposed = part.select("candidate_id", "wnid").with_columns(caption_wnid=pl.col("wnid"))
        store(made, PROPOSALS, shard, proposed)
    return made


@pytest.fixture
def recipe(tmp_path: Path) -> CurateRecipe:
    reference = tmp_path / "val"
    (reference / "n1").mkdir(parents=True)
    scene(4).save(reference / "n1" / "four.png")
    scene(9).save(reference / "n1" / "nine.png")
    return CurateRecipe(
        source=str(tmp_path), encoder="miniature", reference=reference, screen=ScreenConfig(device="cpu", threads=1)
    )


def in_turn(run: Run, table: Table, work: ShardWork, shards: list[str], _count: int, *arguments: Any, **_: Any) -> None:
    """`run_shards` without Prefect, whose server takes longer to start than all of this."""
    if [shard for shard in shards if work(run, shard, *arguments, lambda _count: None)]:
        run.made.add(table.name)


@pytest.fixture(autouse=True)
def _no_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_stages, "run_shards", in_turn)


def screened(run: Run, recipe: CurateRecipe) -> dict[str, dict[str, object]]:
    references, models = references_of(recipe), models_of(recipe)
    screen_all(run, models, recipe.screen, references, recipe.embed)
    write_screens_page(run, recipe.name, recipe.screen, reference_folders(references, models.encoder))
    return {row["candidate_id"]: row for row in run.store.read(SCREENED).iter_rows(named=True)}


def test_every_row_is_judged_and_counted_and_a_second_run_changes_nothing(run: Run, recipe: CurateRecipe) -> None:
    rows = screened(run, recipe)
    assert {name: row["status"] for name, row in rows.items()} == EXPECTED
    assert rows["leaked"]["reference"] == "reference:n1/four.png"
    assert rows["gone-a"]["same_bytes_count"] == rows["gone-a"]["same_bytes_wnids"] == 3
    assert not any(row["is_text_read"] for row in rows.values())
    [count] = run.counts
    assert (count.stage, count.rows_in, count.statuses) == (
        "screened", 11, count_statuses(run.store.read(SCREENED)),
    )  # fmt: skip
    [step] = [step for step in trace_row(Place(folder=run.root, run=run.root), "leaked") if step.table == "screened"]
    assert step.values["reference_distance"] <= 2
    near = [str(row["reference_near"]) for row in rows.values() if row["status"] == "ok"]
    assert all(name.startswith("reference:n1/") for name in near)
    files = {path: path.stat().st_mtime_ns for path in run.root.rglob("*") if path.is_file()}
    again = a_run(run.root)
    assert screened(again, recipe) == rows
    assert not again.made
    changed = {path for path, then in files.items() if path.stat().st_mtime_ns != then}
    assert {path.name for path in changed} <= {"set.json"}


def test_what_changed_is_made_again_and_no_more(run: Run, recipe: CurateRecipe) -> None:
    screened(run, recipe)
    again = a_run(run.root)
    lenient = replace(recipe, screen=replace(recipe.screen, unsafe=UnsafeConfig(max_punsafe=1)))
    assert screened(again, lenient)["unsafe"]["status"] == "ok"
    assert again.made == {COMPARED.name, SCREENED.name}
    scene(2).save(recipe.reference / "two.png")  # type: ignore[operator]
    assert screened(a_run(run.root), recipe)["two"]["status"] == "leak"
    run.store.path(MEASURED, "00001").unlink()
    again = a_run(run.root)
    screened(again, recipe)
    assert MEASURED.name in again.made


def test_the_page_shows_what_was_ruled_out_and_escapes_strangers_texts(run: Run, recipe: CurateRecipe) -> None:
    screened(run, recipe)
    page = (run.root / PAGE).read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; co leaked") >= 1
    assert "reference:n1/four.png" in page
    assert "not run: [screen.text] read is false" in page
    assert "http" not in page.replace("http-equiv", "")


def pictures_beside(page: str, told: str) -> list[np.ndarray]:
    """The pictures of the card that says so, as grey values."""
    (card,) = [part for part in page.split("<li>") if told in part]
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", card)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), dtype=float) for data in found]


def looks_like(shown: np.ndarray, image: Image.Image) -> bool:
    wanted = np.asarray(image.convert("L").resize(shown.shape[::-1]), dtype=float)
    return float(np.corrcoef(shown.ravel(), wanted.ravel())[0, 1]) > 0.98


def test_a_leak_is_shown_beside_the_reference_it_is(run: Run, recipe: CurateRecipe) -> None:
    screened(run, recipe)
    ours, theirs = pictures_beside((run.root / PAGE).read_text(encoding="utf-8"), "reference:n1/four.png")
    assert looks_like(ours, PICTURES["leaked"])
    assert looks_like(theirs, scene(4))
    assert not looks_like(theirs, PICTURES["leaked"])
    (run.root / PAGE).unlink()
    assert recipe.reference is not None
    (recipe.reference / "n1" / "four.png").write_bytes(b"no picture any more")  # the page is still made
    write_screens_page(run, "again", recipe.screen, {"reference": recipe.reference})
    assert len(pictures_beside((run.root / PAGE).read_text(encoding="utf-8"), "reference:n1/four.png")) == 1


def test_run_json_says_which_screens_were_run(run: Run, recipe: CurateRecipe) -> None:
    write_run_record(run.root, recipe, screens=screens_record(recipe.screen, references_of(recipe)))
    told = read_json(run.root / "run.json")["screens"]
    assert told["text_in_image"].startswith("not run")
    assert told["leak"] == "against reference"
    assert set(told) == set(SCREENED.statuses) - {"ok"}


def test_sets_of_the_store_are_screened_against(
    run: Run, recipe: CurateRecipe, tmp_path: Path, encoder: Encoder
) -> None:
    root, quiet = tmp_path / "store", Reporter(Console(quiet=True))
    assert "no reference set" in describe_store(root)[0]
    named = replace(recipe, reference=None, references=("imagenet-val",), reference_store=root)
    with pytest.raises(BadInput, match="relaionet reference add DIR --name imagenet-val"):
        check_recipe(named)
    assert recipe.reference is not None
    add_to_store(recipe.reference, "imagenet-val", "miniature", root, EmbedConfig(batch_size=2, threads=1), quiet)
    check_recipe(named)
    assert "imagenet-val" in describe_store(root)[0]
    assert screened(run, named)["leaked"]["reference"] == "imagenet-val:n1/four.png"
    _ours, theirs = pictures_beside((run.root / PAGE).read_text(encoding="utf-8"), "imagenet-val:n1/four.png")
    assert looks_like(theirs, scene(4))


def test_reading_without_a_reader_is_refused_before_anything_is_done(
    recipe: CurateRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "has_reader", lambda: False)
    asked = replace(recipe, screen=replace(recipe.screen, text=TextConfig(read=True)))
    with pytest.raises(BadInput, match=r"run\.json then says that this screen was not run"):
        check_recipe(asked)


@pytest.mark.skipif(not has_reader(), reason="needs the extra ocr")
def test_text_is_read_in_what_is_left_and_goes_on_where_it_stopped(
    run: Run, recipe: CurateRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(recipe, screen=replace(recipe.screen, text=TextConfig(read=True, chunk_rows=32)))
    rows = screened(run, asked)
    assert {name: row["status"] for name, row in rows.items()} == EXPECTED | {"poster": "text_in_image"}
    assert rows["poster"]["text_words"] == ["hummingbird"]
    assert {name for name, row in rows.items() if row["is_text_read"]} == {"one", "two", "three", "poster"}
    read: list[str] = []
    real = text_reading._read_file
    monkeypatch.setattr(text_reading, "_read_file", lambda path, *more: read.append(path.name) or real(path, *more))
    lenient = replace(asked, screen=replace(asked.screen, unsafe=UnsafeConfig(max_punsafe=1)))
    assert screened(a_run(run.root), lenient)["unsafe"]["is_text_read"]
    assert read == ["unsafe.png"], "only what was not read before"
    screened(a_run(run.root), recipe)
    assert run.store.shards(TEXTS_READ) == []


def test_controls_are_remarked_on_as_rows_are_and_only_where_asked(run: Run) -> None:
    for name, places in (("with", ((20, 60, 120), (180, 60, 120))), ("without", ())):
        draw_faces(*places).save(run.images / f"{name}.png")
    controls = pl.DataFrame({"candidate_id": ["a", "b"], "path": ["with.png", "without.png"]})
    assert remark_controls(run, controls, ScreenConfig()) is controls
    told = remark_controls(run, controls, ScreenConfig(faces=FacesConfig(find=True)))
    assert dict(told.select("candidate_id", "remark").iter_rows()) == {"a": "2 faces", "b": None}
