"""Several classes of one picture, named in a real Chromium by keys and by search; the page in the dark and small."""

import polars as pl
import pytest

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.pull import pull_annotations
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.tasks.page import InterfaceConfig, label_config
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.labels import read_labels
from tests.browser.test_review_page import OUTSIDE, keys, log_in, make_examples, make_rows, show_task

pytestmark = [pytest.mark.studio, pytest.mark.browser, pytest.mark.slow]

TICKED = "[...document.querySelectorAll('.relaionet .several input[type=checkbox]:checked')].map(one => one.name)"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def reviews(studio, tmp_path_factory):
    """Pictures pushed twice; (client, {review: project}, tasks)."""
    photos = tmp_path_factory.mktemp("photos")
    client, tasks = connect_studio(studio.url, studio.token), make_tasks(make_rows(photos), overlap=1)
    config = PushConfig(documents=studio.documents, references=make_examples(tmp_path_factory.mktemp("known")))
    page = label_config(read_labels(), InterfaceConfig(references=True))
    names = ("several", "small")
    return client, {name: push_tasks(client, name, tasks, photos, page, config).projects[1] for name in names}, tasks


def open_several(page):
    page.press("3")
    page.wait("document.querySelector('.relaionet .several .ant-select-selector').offsetHeight > 0")


def search(page, words):
    """Choose the first class a search finds; its words."""
    page.click("document.querySelector('.relaionet .several .ant-select-selector')")
    page.wait("document.activeElement.name === 'taxonomy-search-input'")
    keys(page, *words)
    rows = "[...document.querySelectorAll('.ant-select-dropdown:not(.ant-select-dropdown-hidden) "
    rows += ".ant-select-tree-treenode:not([aria-hidden])')]"
    page.wait(f"{rows}.length && {rows}.every(one => one.innerText.toLowerCase().includes('{words}'))")
    keys(page, "ArrowDown", "Enter")
    page.wait("document.querySelector('.relaionet .several .ant-select-selection-item')")
    named = page.eval("document.querySelector('.relaionet .several .ant-select-selection-item').innerText")
    keys(page, "Escape")
    page.wait("document.activeElement === document.body")
    return next(label.wnid for label in read_labels() if named.startswith(label.name))


def test_several_classes_are_named_by_keys_and_by_search(studio, reviews, page):
    client, projects, tasks = reviews
    rows = tasks.to_dicts()
    shown = [[row["proposed_wnid"], *row["runner_up_wnids"]] for row in rows]
    log_in(page, studio, studio.email, studio.password)
    page.open(f"{studio.url}/projects/{projects['several']}/data?labeling=1")

    show_task(page, 1)  # the class asked about and the second runner-up: four keys, the last sends
    open_several(page)
    assert keys(page, "a", "d") == 2
    page.wait(f"{TICKED}.length === 2")
    keys(page, "Enter")

    show_task(page, 2)  # a key pressed again takes the class back
    open_several(page)
    keys(page, "a", "s", "f", "s")
    page.wait(f"{TICKED}.length === 2")
    keys(page, "Enter")

    show_task(page, 3)  # by key and by search
    open_several(page)
    keys(page, "a")
    searched = search(page, "soc")
    assert searched not in shown[2]
    keys(page, "Enter")

    show_task(page, 4)  # to name none is an answer still, of two keys
    keys(page, "3", "Enter")

    show_task(page, 5)  # what was ticked does not count for another answer
    open_several(page)
    keys(page, "a", "s")
    page.wait(f"{TICKED}.length === 2")
    keys(page, "1", "Enter")
    page.wait("!document.querySelector('.relaionet input:checked')")

    decisions = read_decisions(pull_annotations(client, "several"), tasks)
    given = {row["candidate_id"]: (row["choice"], row["wnids"]) for row in decisions.to_dicts()}
    assert [given[one] for one in tasks["candidate_id"]] == [
        ("several", sorted([shown[0][0], shown[0][2]])),
        ("several", sorted([shown[1][0], shown[1][3]])),
        ("several", sorted([shown[2][0], searched])),
        ("several", None),
        ("yes", None),
    ]
    assert decisions["other_wnid"].null_count() == decisions.height == pl.Series(rows).len()


def test_the_page_can_be_used_in_the_dark_and_on_a_phone(studio, reviews, page, tmp_path):
    _, projects, _ = reviews
    log_in(page, studio, studio.email, studio.password)
    page.open(f"{studio.url}/projects/{projects['small']}/data?labeling=1")
    page.wait("[...document.querySelectorAll('.relaionet .picture img')].some(one => one.naturalWidth > 1)", 90)
    open_several(page)
    colours = "(one => [getComputedStyle(one).color, getComputedStyle(document.body).backgroundColor])"
    light = page.eval(f"{colours}(document.querySelector('.relaionet .words :first-child'))")
    page.click("[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'Light')")
    page.wait("[...document.querySelectorAll('button')].some(one => one.innerText.trim() === 'Dark')")
    page.picture(tmp_path / "dark.png")
    dark = page.eval(f"{colours}(document.querySelector('.relaionet .words :first-child'))")
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert page.eval(OUTSIDE) == []
    page.call("Emulation.setDeviceMetricsOverride", **PHONE)
    page.wait("innerWidth === 390")
    page.picture(tmp_path / "phone.png")
    box = "(one => (r => [r.width, r.left, r.right])(one.getBoundingClientRect()))"
    width, left, right = page.eval(f"{box}(document.querySelector('.relaionet .picture img'))")
    assert width > 100
    assert left >= 0
    assert right <= 390
    seen = "[...document.querySelectorAll('.relaionet .lsf-choice input')].every(one => { one.scrollIntoView();"
    seen += " const r = one.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.right <= 390 })"
    assert page.eval(seen), "every answer can be reached by scrolling down alone"
