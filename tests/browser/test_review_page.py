"""The reviewer's page in a real Chromium at 1366×768: keys, search, no scrolling, a stranger's caption does nothing."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.decisions import read_decisions
from relaionet.annotations.interface import CHOICES, label_config
from relaionet.annotations.projects import read_tasks
from relaionet.annotations.studio import PushConfig, connect_studio, pull_annotations, push_tasks
from relaionet.annotations.tasks import make_tasks
from relaionet.manifests.labels import read_labels

pytestmark = [pytest.mark.studio, pytest.mark.browser, pytest.mark.slow]

BIRD, MACHINE, FLAMINGO = "n02012849", "n03126707", "n02007558"
CAPTION = (
    """<img src=x onerror="document.title='taken'"> {{1+1}} $image "both" http://127.0.0.1:9/tracked.png """ + "x" * 400
)
SIZES = [(456, 123), (123, 456), (300, 300), (640, 480)]


@pytest.fixture(scope="module")
def review(studio, tmp_path_factory):
    """Four pictures of unlike shapes, pushed; (client, project, tasks)."""
    photos = tmp_path_factory.mktemp("photos")
    rows = []
    for i, size in enumerate(SIZES):
        Image.new("RGB", size, (200, 60 * i, 90)).save(photos / f"{i}.png")
        one = hashlib.sha256(f"page {i}".encode()).hexdigest()
        near = [BIRD, MACHINE, FLAMINGO]
        rows.append({"candidate_id": one, "wnid": BIRD, "top_wnids": near, "path": f"{i}.png", "caption": CAPTION})
    client = connect_studio(studio.url, studio.token)
    tasks = make_tasks(pl.DataFrame(rows))
    page = label_config(read_labels())
    config = PushConfig(documents=studio.documents, overlap=1)
    project = push_tasks(client, "page", tasks, photos, page, config).projects[1]
    return client, project, tasks


RADIOS = len(CHOICES) + 2  # and the two runner-ups


def log_in(page, studio, email, password):
    page.open(f"{studio.url}/user/login/")
    page.eval(f"document.querySelector('[name=email]').value = {json.dumps(email)}")
    page.eval(f"document.querySelector('[name=password]').value = {json.dumps(password)}")
    page.eval("document.querySelector('form').submit()")
    page.wait("!location.pathname.includes('login')")


def show_task(page, count):
    """Wait until the count-th task of the stream is shown and can be answered."""
    page.wait(
        f"document.body.innerText.includes('{count} of {count}') && !document.querySelector('.relaionet input:checked')"
        f" && document.querySelectorAll('.relaionet input[type=radio]').length === {RADIOS}"
        " && [...document.querySelectorAll('.relaionet img')].some(one => one.naturalWidth > 1)",
        90,
    )


def give(page, *keys):
    for one in keys:
        page.press(one)
    page.wait("document.querySelector('.relaionet input:checked')")
    page.press("Enter", modifiers=2)


def test_a_reviewer_works_by_keys_alone(studio, review, page, tmp_path):
    client, project, tasks = review
    log_in(page, studio, studio.email, studio.password)
    page.open(f"{studio.url}/projects/{project}/data?labeling=1")

    show_task(page, 1)
    text = page.text()
    assert "crane bird" in text
    assert "wading bird of marshes" in text
    assert "<img src=x onerror=" in text, "the caption is shown as text"
    assert "Skip" not in text
    answers = page.eval(
        "[...document.querySelectorAll('.relaionet .lsf-choice')]"
        ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).map(one => one.innerText)"
    )
    first = ("Yes, this class", "It is: construction crane", "It is: flamingo", "Another class")
    assert all(one.startswith(words) for one, words in zip(answers, first, strict=False)), answers
    assert answers[-1].startswith("Cannot tell")
    assert page.eval("document.title") != "taken"
    pictures = Path(tmp_path)
    page.picture(pictures / "page.png")
    no_scrolling = (
        "[document.documentElement, ...document.querySelectorAll('.lsf-main-content, .relaionet, .relaionet .side')]"
        ".every(one => one.scrollHeight <= one.clientHeight + 1 && one.scrollWidth <= one.clientWidth + 1)"
    )
    assert page.eval(no_scrolling)
    everything = (
        "[...document.querySelectorAll('.relaionet input[type=radio], .lsf-bottombar')]"
        ".every(one => { const r = one.getBoundingClientRect();"
        " return r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth })"
    )
    assert page.eval(everything)
    give(page, "1")

    show_task(page, 2)
    give(page, "q")

    show_task(page, 3)
    page.press("2")
    page.wait("document.querySelector('.relaionet .ant-select-selector')")
    # without a class the answer is not taken
    page.press("Enter", modifiers=2)
    page.wait("document.body.innerText.includes('Name the class, or choose another answer.')")
    ok = "[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'OK')"
    page.click(ok)
    page.wait(f"!({ok})")
    page.click("document.querySelector('.relaionet .ant-select-selector')")
    page.wait("document.querySelector('[name=taxonomy-search-input]')")
    page.wait(
        "(() => { const one = document.querySelector('[name=taxonomy-search-input]'); one.focus();"
        " return document.activeElement === one })()"
    )
    page.type("tailed frog")
    first = "document.querySelector('.ant-select-tree-treenode:not([aria-hidden]) .ant-select-tree-checkbox')"
    page.wait("document.querySelectorAll('.ant-select-tree-treenode:not([aria-hidden])').length === 1")
    page.picture(pictures / "search.png")
    page.click(first)
    page.wait("document.querySelector('.relaionet .ant-select-selection-item')")
    page.press("Escape")
    page.click("[...document.querySelectorAll('.lsf-bottombar button')].find(one => one.innerText.trim() === 'Submit')")

    show_task(page, 4)
    give(page, "4")
    page.wait("!document.querySelector('.relaionet input:checked')")
    asked = [one for one in page.requested() if not one.startswith((studio.url, "data:", "blob:", "about:"))]
    assert asked == [], "the page asks nobody else"

    decisions = read_decisions(pull_annotations(client, "page"), tasks)
    order = tasks.sort("position")["candidate_id"].to_list()
    given = {row["candidate_id"]: (row["choice"], row["other_wnid"]) for row in decisions.to_dicts()}
    frog = next(label.wnid for label in read_labels() if "tailed frog" in label.lemmas)
    assert [given.get(one) for one in order] == [("yes", None), ("other", MACHINE), ("other", frog), ("drawing", None)]
    assert all(0 < seconds < 300 for seconds in decisions["seconds"])


def test_the_whole_picture_is_seen(studio, review, page):
    """Nothing of a picture is cut off, whatever its shape."""
    client, project, _ = review
    log_in(page, studio, studio.email, studio.password)
    for task in read_tasks(client, project):
        page.open(f"{studio.url}/projects/{project}/data?task={task['id']}")
        page.wait("[...document.querySelectorAll('.relaionet img')].some(one => one.naturalWidth > 1)", 90)
        size = page.eval(
            "(() => { const r = document.querySelector('.relaionet img'); return [r.naturalWidth, r.naturalHeight] })()"
        )
        fits = (
            "(() => { const [a, b] = ['.relaionet img', '.relaionet .picture']"
            ".map(one => document.querySelector(one).getBoundingClientRect());"
            " return a.width <= b.width + 1 && a.height <= b.height + 1 && a.width > 100 })()"
        )
        page.wait(fits, 10)
        assert tuple(size) in SIZES
