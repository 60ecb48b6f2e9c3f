"""What became of each class, counted by polars over shards against a plain count over rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curate import models_of
from relaionet.flows.curation.choice import choose_all, match_shard, read_all_candidates
from relaionet.flows.curation.recipe import CurateRecipe, places_of
from relaionet.flows.pages.candidates import PAGE, TABLE, write_missing_report
from relaionet.flows.pages.class_counts import FOUND, LOSSES, ONWARD, count_classes, read_published_counts
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import CANDIDATES, CHOSEN
from relaionet.pipeline.candidates.choice import ChooseConfig
from relaionet.pipeline.candidates.judge import CAPTIONS as CAPTIONS_KIND
from relaionet.pipeline.candidates.judge import CandidatesConfig

CAPTIONS = [
    "a tench", "another tench", "tench in a tank of goldfish", "a goldfish", "goldfish <b>bowl</b>", "nothing at all",
    None, "a tench that is far too small", "tench, again", "tench on a plate",
]  # fmt: skip
TENCH, GOLDFISH = "n01440764", "n01443537"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(root=tmp_path / "run", reporter=Reporter(Console(quiet=True)))


@pytest.fixture
def recipe(tmp_path: Path) -> CurateRecipe:
    sizes = [10 if caption and "small" in caption else 500 for caption in CAPTIONS]
    pl.DataFrame(
        {
            "url": [f"http://pictures.example/{place}" for place in range(len(CAPTIONS))],
            "caption": CAPTIONS, "width": sizes, "height": sizes,
        }
    ).write_parquet(tmp_path / "rows.parquet")  # fmt: skip
    return CurateRecipe(
        name="<i>fish</i>", source=str(tmp_path / "rows.parquet"), candidates=CandidatesConfig(rows_per_shard=4),
        choose=ChooseConfig(per_class_count=3),
    )  # fmt: skip


def walk(run: Run, recipe: CurateRecipe) -> None:
    for shard in read_all_candidates(run, places_of(recipe.source), recipe.candidates)[0]:
        match_shard(run, shard, models_of(recipe), recipe.text, lambda _count: None)
    choose_all(run, recipe.choose)


def test_every_row_that_names_a_class_is_chosen_or_lost_to_something_said(run: Run, recipe: CurateRecipe) -> None:
    walk(run, recipe)
    counts = count_classes(run, recipe.choose)
    assert counts["wnid"].to_list() == [label.wnid for label in read_labels()]
    rows, chosen = run.store.read_all(CANDIDATES), run.store.read_all(CHOSEN)
    named = Counter(
        wnid for one, many in rows.select("wnid", "other_wnids").iter_rows() for wnid in ([one] if one else many)
    )
    for row in counts.iter_rows(named=True):
        lost = sum(row[name] for name in ("two_labels", "repeated", "too_small", "unsafe", "watermark", "bad_url",
                                          "dissimilar", "ambiguous", "over_budget"))  # fmt: skip
        assert row["named"] == named[row["wnid"]] == row["chosen"] + lost
    assert counts["chosen"].sum() == (chosen["status"] == "ok").sum()
    by_wnid = {row["wnid"]: row for row in counts.iter_rows(named=True)}
    assert by_wnid[TENCH]["chosen"] == 3
    assert by_wnid[TENCH]["why"] is None
    assert by_wnid[GOLDFISH] | {"short": 1} == by_wnid[GOLDFISH]
    assert by_wnid[GOLDFISH]["why"] == "3 captions name it; lost: 1 naming another class too"
    assert by_wnid["n01484850"]["why"] == "no caption names it"


HARD = ["crane and tench", "a crane", "crane bird", "balloon", "tench and goldfish in an orange bowl", "a lemon tree"]


@pytest.mark.parametrize("captions", ["match", "any"])
def test_for_every_class_what_was_found_is_what_was_lost_and_what_went_on(
    captions: CAPTIONS_KIND, recipe: CurateRecipe, tmp_path: Path
) -> None:
    texts = [*CAPTIONS, *HARD]
    sizes = [10 if place % 5 == 4 else 500 for place in range(len(texts))]
    urls = [f"http://pictures.example/{place // 2}" for place in range(len(texts))]
    rows = pl.DataFrame({"url": urls, "caption": texts, "width": sizes, "height": sizes})
    rows.write_parquet(tmp_path / "rows.parquet")
    asked = CandidatesConfig(rows_per_shard=4, captions=captions)
    run = Run(root=tmp_path / captions, reporter=Reporter(Console(quiet=True)))
    walk(run, replace(recipe, candidates=asked))
    counts = count_classes(run, recipe.choose)
    found, ended = pl.sum_horizontal(*FOUND), pl.sum_horizontal(*LOSSES, *ONWARD)
    assert counts.filter(found != ended).is_empty()
    assert counts.filter(found > 0).height >= 6
    assert counts["left_to_picture"].sum() > 0
    assert counts["chosen"].sum() == run.store.read_all(CHOSEN).filter(status="ok")["wnid"].drop_nulls().len()


def test_a_share_of_a_total_is_what_a_class_falls_short_of(run: Run, recipe: CurateRecipe) -> None:
    walk(run, recipe)
    counts = count_classes(run, ChooseConfig(total_count=5000))
    assert counts["budget"].to_list() == [5] * 1000
    assert count_classes(run, ChooseConfig(total_count=5, shape="proportional"))["budget"].null_count() == 1000


def test_the_report_is_one_page_that_escapes_and_is_written_once(
    run: Run, recipe: CurateRecipe, tmp_path: Path
) -> None:
    published = tmp_path / "published.txt"
    published.write_text("tench\t917\ngoldfish\t30282\nn01484850\t5\n")
    walk(run, recipe)
    write_missing_report(run, recipe.name, recipe.choose, published)
    page = (run.root / PAGE).read_text()
    assert "&lt;i&gt;fish&lt;/i&gt;" in page
    assert "<i>fish" not in page
    assert "1 class with published captions has none here" in page
    assert "http://" not in page
    assert "https://" not in page
    assert (
        pl.read_csv(run.root / f"{TABLE}.csv").height == pl.read_parquet(run.root / f"{TABLE}.parquet").height == 1000
    )
    (run.root / PAGE).write_text("kept")
    again = Run(root=run.root, reporter=run.reporter)
    walk(again, recipe)
    write_missing_report(again, recipe.name, recipe.choose, recipe.published_counts)
    assert (run.root / PAGE).read_text() == "kept"


def test_published_counts_are_read_by_name_or_in_order(tmp_path: Path) -> None:
    path = tmp_path / "counts.txt"
    names = [label.name for label in read_labels()]
    names[26] = "eft"  # a published list's other name for one class
    path.write_text("".join(f"{name}\t{place}\n" for place, name in enumerate(names)))
    assert list(read_published_counts(path).values()) == list(range(1000))
    path.write_text("tench\t7\n")
    assert read_published_counts(path) == {TENCH: 7}
    for text, words in (("tench 7\n", "line 1"), ("unheard of\t7\n", "0 of 1")):
        path.write_text(text)
        with pytest.raises(BadInput, match=words):
            read_published_counts(path)
