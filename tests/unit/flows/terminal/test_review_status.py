"""Status and report of a review: from what was pulled, without a server; counts add up; strangers' text is escaped."""

import random
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.annotations.agreement.status import review_status, selection_histogram
from relaionet.flows.cli.review import review
from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.pages.review import count_answers, write_review_report
from relaionet.flows.reviewing.settings import read_review_settings
from relaionet.flows.reviewing.verdicts import make_next_round, settle_run
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.terminal.review_status import round_lines, show_status, status_lines
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import DECISIONS, TASKS
from tests.unit.annotations.builders import B, make_decisions, make_tasks

NAME = "a <b>bold</b> set"
PICTURES, CONTROLS = 30, 10


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A run as `review pull` leaves it, with pictures; no server anywhere."""
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    rng = random.Random(0)
    votes = []
    for i in range(PICTURES + CONTROLS):
        for who in ("r-0000000001", "r-0000000002", "r-0000000003")[: 3 if i < 25 or i >= PICTURES else 1]:
            votes.append((i, who, rng.choice(["yes", "yes", "yes", B, "none", "unsure"]) if i < PICTURES else "yes"))
    tasks = make_tasks(PICTURES, CONTROLS).with_columns(
        image_path=pl.format("{}.png", "position"), caption=pl.lit("<script>alert(1)</script>")
    )
    (tmp_path / "images").mkdir()
    for i in range(PICTURES + CONTROLS):
        Image.new("RGB", (40, 30), (5 * i, 90, 30)).save(tmp_path / "images" / f"{i}.png")
    store = Store(tmp_path)
    store.write(tasks, TASKS, "x", shard="round1")
    store.write(make_decisions(votes), DECISIONS, "x")
    write_json(tmp_path / "run.json", {"recipe": {"name": NAME, "source": "x.parquet"}})
    return tmp_path


def test_status_needs_no_server_and_says_what_it_rests_on(root, capsys):
    page = show_status(root)
    said = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "as pulled on" in said
    assert "no server is running" in said
    assert "round 1 40 tasks = 35 finished + 5 left (110 answers)" in said
    found = re.search(r"pictures (\d+) = (\d+) accepted \+ (\d+) rejected \+ (\d+) undecided", said)
    total, *parts = map(int, found.groups())
    assert total == PICTURES == sum(parts)
    assert "10 of 10 controls right (95 %: 0.72 to 1.00)" in said
    assert "left 10 answers" in said
    assert page == root / "review.html"
    assert not (root / "studio").exists(), "no server was set up to find out"


def test_the_page_is_self_contained_and_escapes(root):
    page = show_status(root)
    text = page.read_text()
    assert "<b>bold</b>" not in text
    assert "a &lt;b&gt;bold&lt;/b&gt; set" in text
    assert text.count("<script") == 1
    assert set(re.findall(r"(?:src|href)=[\"'](?!data:|#)([^\"']*)", text)) == {"index.html"}
    assert text.count("data:image/jpeg;base64,") == len(re.findall(r"<figure><img", text)) > 0
    assert show_status(root, report=False) is None


def test_the_page_of_an_unanswered_review(root):
    Store(root).write(DECISIONS.empty(), DECISIONS, "y")
    run = Run(root=root, reporter=Reporter())
    settings = read_review_settings(root)
    status = review_status(DECISIONS.empty(), run.store.read_all(TASKS), settings.agreement)
    text = write_review_report(run, settings, status).read_text()
    assert "Nobody has answered yet." in text
    assert (status["again"], status["unanswered"]) == (PICTURES, PICTURES)


def test_the_page_is_drawn_again_only_when_something_it_shows_has_changed(root):
    page = show_status(root)
    first = page.stat().st_mtime_ns
    assert show_status(root).stat().st_mtime_ns == first
    decisions = Store(root).read_all(DECISIONS)
    Store(root).write(decisions.head(decisions.height - 1), DECISIONS, "y")
    second = show_status(root).stat().st_mtime_ns
    assert second > first
    page.write_text(page.read_text().replace('name="made-of"', 'name="made"'))
    assert 'name="made-of"' in show_status(root).read_text()  # a page of an earlier version says not what it is of
    page.unlink()
    assert show_status(root).is_file()


def test_a_folder_without_tasks_says_what_to_do(tmp_path):
    write_json(tmp_path / "run.json", {"recipe": {"name": "x", "source": "x.parquet"}})
    with pytest.raises(BadInput, match="relaionet curate"):
        show_status(tmp_path)


def test_answers_in_words():
    assert count_answers(["yes", B, "yes", "drawing"]).startswith("2 × yes, ")
    assert "drawing or text" in count_answers(["drawing"])


def test_a_further_round_keeps_its_budget_and_its_answers_are_counted(root):
    run = Run(root=root, reporter=Reporter())
    settings = read_review_settings(root)
    settle_run(run, settings.agreement)
    asked = make_next_round(run, settings, budget=5)
    tasks = run.store.read_all(TASKS)
    second = tasks.filter((pl.col("round") == 2) & ~pl.col("is_control"))
    assert second.height == asked > 0
    assert second["answers_wanted_count"].sum() <= 5
    lines = round_lines(review_status(run.store.read_all(DECISIONS), tasks, settings.agreement), {2: "http://x/2"})
    assert re.search(rf"round 2 +{asked} tasks = 0 finished \+ {asked} left \(0 answers\)  http://x/2", lines[1])


def test_a_budget_without_again_is_refused():
    done = CliRunner().invoke(review, ["push", "--budget", "5"])
    assert done.exit_code == 2
    assert "--again" in done.output


def test_speed_leaves_out_breaks():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = [start + timedelta(seconds=10 * n) for n in range(10)] + [
        start + timedelta(hours=5, seconds=10 * n) for n in range(10)
    ]
    decisions = make_decisions([(i, "r1", "yes") for i in range(20)]).with_columns(
        at=pl.Series(at, dtype=DECISIONS.schema["at"])
    )
    left = review_status(decisions, make_tasks(25))["left"]
    assert left["answers"] == 25 * 3 - 20
    assert left["per_hour"] == pytest.approx(360)
    assert left["hours"] == pytest.approx(55 / 360)


def settled_early(settled, controls=4):
    """Pictures that wanted three answers each and got two that settle them, and controls nobody answered; two more
    pictures without an answer where not all are settled."""
    votes = [(i, who, "yes") for i in range(10 if settled else 8) for who in ("r-1", "r-2")]
    return make_decisions(votes), make_tasks(10, controls)


def test_what_is_settled_is_not_left():
    decisions, tasks = settled_early(settled=True)
    status = review_status(decisions, tasks)
    assert (status["accept"], status["left"]["answers"]) == (10, 0)
    assert status["by_round"] == [{"round": 1, "tasks": 14, "left": 0, "answers": 20, "finished": 14}]
    assert "review pull --release" in status_lines(status, Path("runs/x"))[-1]
    decisions, tasks = settled_early(settled=False)
    status = review_status(decisions, tasks)
    # two pictures and, as they come between them, the controls
    assert (status["again"], status["left"]["answers"]) == (2, 3 * (2 + 4))
    assert status["by_round"][0]["left"] == 2 + 4
    assert status_lines(status, Path("runs/x"))[-1].startswith("  left")


def test_every_answered_picture_is_in_one_bin():
    votes = [(0, "a", "yes"), (0, "b", "yes"), (1, "a", "yes"), (1, "b", "none"), (2, "a", "unsure")]
    bins = selection_histogram(make_decisions(votes), make_tasks(4, controls=1))
    assert bins["count"].to_list() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]


def test_flags_of_a_recipe_are_read_from_run_json(root):
    """A run keeps its whole recipe as JSON, where tuples are lists."""
    record = {"recipe": {"name": "x", "source": "x.parquet"}}
    record["recipe"]["agreement"] = {"flags": {"excluding": ["fast"], "trusted": ["r-1"], "distrusted": []}}
    write_json(root / "run.json", record)
    flags = read_run_recipe(root).agreement.flags
    assert (flags.excluding, flags.trusted, flags.distrusted) == (("fast",), ("r-1",), ())
    whole = asdict(read_run_recipe(root))
    write_json(root / "run.json", {"recipe": {"source": "x.parquet", "agreement": whole["agreement"]}})
    assert read_run_recipe(root).agreement.flags == flags
