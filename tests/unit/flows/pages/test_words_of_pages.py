"""What the pages of a run say: every count with its noun and its thousands, every stage by its name and its time."""

from __future__ import annotations

import html
import re
import tarfile
from pathlib import Path

import pytest

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.pages.candidates import report_run
from relaionet.flows.pages.frame import count_card, render
from relaionet.flows.pages.overview import Overview
from relaionet.flows.pages.review import write_reviewed_pages
from relaionet.flows.pages.run_overview import count_stages
from relaionet.flows.pages.screens import write_screens_page
from relaionet.flows.pages.stages import TITLES, make_stages
from relaionet.flows.reviewing.settings import read_review_settings
from relaionet.flows.runs.run import MADE_ON_THE_WAY, Run, seconds_of
from relaionet.manifests.store import Store
from relaionet.manifests.tables import CANDIDATES, SCREENED
from relaionet.manifests.tables.catalogue import TABLES
from tests.unit.flows.pages.finished import ARCHIVE

PAGES = ("candidates.html", "proposals.html", "screens.html", "review.html", "index.html")
NOUNS = "rows|pictures|images|classes|sets|answers|reviewers|files|captions|numbers|rounds|steps"
ONE_OF_MANY = re.compile(rf"(?<![\d,.])1 (?:[a-z]+ )?({NOUNS})\b")
CAPTION_CHARS = 100  # pages cut long ones
BARE = re.compile(r"(?<![\w.,:#/-])(?!(?:19|20)\d\d\b)\d{4,}(?![\w:/-])")


def read_words(page: str) -> str:
    """What a reader sees of a page."""
    text = re.sub(r"<(style|script|svg|code)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    root = place / "made" / "run"
    for page in root.glob("*.html"):
        page.unlink()
    run, recipe = Run(root=root), read_run_recipe(root)
    report_run(run, None)
    write_screens_page(run, recipe.name, recipe.screen, {})
    write_reviewed_pages(run, read_review_settings(root))
    return root


@pytest.mark.parametrize("name", PAGES)
def test_no_page_of_a_run_has_a_count_that_does_not_fit_its_noun(finished: Path, name: str) -> None:
    words = read_words((finished / name).read_text(encoding="utf-8"))
    assert len(words) > 300
    for caption in Store(finished).read_all(CANDIDATES)["caption"].drop_nulls():  # the words of strangers
        words = words.replace(" ".join(caption.split())[:CAPTION_CHARS], " ")
    assert not ONE_OF_MANY.findall(words)
    assert not BARE.findall(words)
    assert not re.findall(r"(?<![\d.])0\.0+ s\b", words)
    assert not re.findall(r"\b(text_matches|bad_url|too_small|two_labels)\b", words)


def test_pages_that_tell_of_answers_are_written_once_there_are_some(finished: Path) -> None:
    """The proposals' page of a first run says what the reviewers made of them, as does that of the review."""
    assert "of settled proposals confirmed" in read_words((finished / "proposals.html").read_text(encoding="utf-8"))
    assert "review.html" in (finished / "index.html").read_text(encoding="utf-8")


def show_stages(*stages: dict[str, object]) -> str:
    overview = Overview(kind="Run", title="t", stages=make_stages(stages))
    return read_words(render("index.html", overview=overview, cards=overview.cards))


def test_stages_go_by_a_name_for_people_with_the_time_they_took() -> None:
    told = show_stages(
        {"stage": "candidates", "rows_in": 1089, "statuses": {"ok": 1088, "bad_url": 1}, "seconds": 4.74},
        {"stage": "text_matches", "rows_in": 1088, "statuses": {"ok": 1088}, "seconds": 0.004},
        {"stage": "chosen", "rows_in": 1, "statuses": {"ok": 1}, "seconds": 0.04},
        {"stage": "review", "rows_in": 1, "statuses": {"accept": 1}, "seconds": 0.01},
    )
    assert "Rows of the source 1,089 rows , 4.7 s ok 1,088 bad url 1" in told.replace(", 4.7", " , 4.7").replace(
        "  ", " "
    )
    assert "Captions compared with classes 1,088 rows, under 0.01 s" in told
    assert "Chosen to be fetched 1 row, 0.04 s" in told
    assert "Reviewed 1 row accept 1" in told  # the seconds are those of people, which nobody measured


def test_every_stage_has_a_name() -> None:
    known = {"review", "rebuild"} | set(TABLES)
    assert set(TITLES) <= known
    assert {"candidates", "text_matches", "chosen", "downloads", "embeddings", "proposals", "screened", "routed",
            "verdicts"} <= set(TITLES)  # fmt: skip


def test_the_time_of_a_stage_is_that_of_all_its_parts(finished: Path) -> None:
    run = Run(root=finished)
    parts = {name: sum(one.seconds for one in run.store.receipts(name)) for name in MADE_ON_THE_WAY[SCREENED.name]}
    own = sum(one.seconds for one in run.store.receipts(SCREENED))
    assert sum(parts.values()) > own
    assert seconds_of(run.store, SCREENED) == pytest.approx(own + sum(parts.values()))
    shown = {stage["stage"]: stage["seconds"] for stage in count_stages(run.store)}
    assert shown["screened"] == pytest.approx(own + sum(parts.values()))
    assert shown["proposals"] > sum(one.seconds for one in run.store.receipts("proposals"))


def test_figures_at_the_top_go_with_their_number() -> None:
    assert count_card(1, "class has none", "classes have none") == ("1", "class has none", "")
    assert count_card(1089, "row", detail="d") == ("1,089", "rows", "d")
