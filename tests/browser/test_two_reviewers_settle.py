"""Two accounts in two browsers at once disagree, a further round settles; one reviewer alone releases what he accepts.

The runs are made by the stages of `curate`, the answers by keys, and all between by the functions of the commands.
"""

import polars as pl
import pytest

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.label_studio.accounts import add_account
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.flows.reviewing.push import run_push
from relaionet.flows.reviewing.studio import KEY, URL
from relaionet.flows.runs.run import Run
from relaionet.flows.terminal.review_pull import open_review, pull_review
from relaionet.flows.terminal.review_status import show_status
from relaionet.manifests.tables import MANIFEST, TASKS, VERDICTS
from tests.browser.conftest import NO_BROWSER, find_browser, open_page
from tests.browser.test_two_reviewers import READY, log_in
from tests.unit.flows.reviewing.nothing_to_fit import curate_from_vectors, make_run

pytestmark = [pytest.mark.studio, pytest.mark.browser, pytest.mark.slow]

YES, DRAWING = "1", "4"


@pytest.fixture
def browsers():
    """Two browsers, each with cookies of its own."""
    executable = find_browser()
    if not executable:
        pytest.skip(NO_BROWSER)
    with open_page(executable) as first, open_page(executable) as second:
        yield first, second


def start_review(studio, monkeypatch, root, name, count, **recipe):
    """A run whose tasks are pushed to the server of the environment; the run, and its first project."""
    monkeypatch.setenv(URL, studio.url)
    monkeypatch.setenv(KEY, studio.token)
    root.mkdir()
    run, made, _ = make_run(root, count, name=name, **recipe)
    curate_from_vectors(run, made)
    return run, run_push(root, pictures="upload").projects[1]


def sit_down(studio, page, person, project):
    """Log in and open the first picture."""
    log_in(page, studio, person.email, person.password)
    page.open(f"{studio.url}/projects/{project}/data?labeling=1")


def answer(page, place, key):
    """Answer the picture at this place; the page counts those a person was shown."""
    page.wait(f"document.body.innerText.includes('{place} of {place}') && {READY}", 90)
    page.press(key)
    page.wait("document.querySelector('.relaionet input:checked')")
    page.press("Enter")


def finish(page):
    page.wait("!document.querySelector('.relaionet input:checked')", 60)


def pull(root, *, release=False):
    run = Run(root=root)
    with open_review(run) as work:
        pull_review(work, release=release)
    return {row["candidate_id"]: row for row in run.store.read(VERDICTS).to_dicts()}


def test_two_browsers_disagree_and_a_further_round_settles(studio, browsers, tmp_path, monkeypatch, capsys):
    root = tmp_path / "run"
    run, project = start_review(studio, monkeypatch, root, "apart", 2, overlap=2, overlap_again=1)
    client = connect_studio(studio.url, studio.token)
    people = [add_account(client, f"{name}@apart.example.org") for name in ("ida", "jan", "kim")]
    for page, person in zip(browsers, people, strict=False):
        sit_down(studio, page, person, project)
    # both at once, picture by picture: they agree about the first and not about the second
    for place, keys in ((1, (YES, YES)), (2, (YES, DRAWING))):
        for page, key in zip(browsers, keys, strict=True):
            answer(page, place, key)
    for page in browsers:
        finish(page)
    first, second = run.store.read(TASKS, "round1").sort("position")["candidate_id"]
    verdicts = pull(root)
    assert [verdicts[one]["status"] for one in (first, second)] == ["accept", "again"]
    assert [verdicts[one]["votes_count"] for one in (first, second)] == [2, 2]
    show_status(root, report=False)
    said = capsys.readouterr().err
    assert "left        0 answers" in said
    assert "review push --again" in said

    again = run_push(root, again=True, pictures="upload").projects[2]
    assert run.store.read(TASKS, "round2")["candidate_id"].to_list() == [second]
    sit_down(studio, browsers[0], people[2], again)
    answer(browsers[0], 1, YES)
    finish(browsers[0])
    verdicts = pull(root, release=True)
    assert [verdicts[one]["status"] for one in (first, second)] == ["accept", "accept"]
    assert (verdicts[second]["votes_count"], verdicts[second]["yes_count"]) == (3, 2)
    assert set(released(root)["candidate_id"]) == {first, second}
    show_status(root, report=False)
    said = capsys.readouterr().err
    assert "left        0 answers" in said
    assert "push --again" not in said


def test_one_reviewer_alone_releases_what_he_accepts(studio, browsers, tmp_path, monkeypatch, capsys):
    root = tmp_path / "run"
    alone = {"overlap": 1, "agreement": AgreementConfig(votes_needed=1)}
    run, project = start_review(studio, monkeypatch, root, "alone", 3, **alone)
    person = add_account(connect_studio(studio.url, studio.token), "lea@alone.example.org")
    sit_down(studio, browsers[0], person, project)
    for place, key in ((1, YES), (2, DRAWING), (3, YES)):
        answer(browsers[0], place, key)
    finish(browsers[0])
    tasks = run.store.read(TASKS, "round1").sort("position")
    first, second, third = tasks["candidate_id"]
    verdicts = pull(root, release=True)
    assert [verdicts[one]["status"] for one in (first, second, third)] == ["accept", "reject", "accept"]
    asked = dict(tasks.select("candidate_id", "proposed_wnid").iter_rows())
    assert dict(released(root).select("candidate_id", "wnid").iter_rows()) == {
        one: asked[one] for one in (first, third)
    }
    show_status(root, report=False)
    assert "left        0 answers" in capsys.readouterr().err


def released(root) -> pl.DataFrame:
    """The rows of the newest release."""
    return pl.read_parquet(root / "release" / f"{MANIFEST.name}.parquet")
