"""The reviewer's page in a real Chromium at 1366×768: keys, search, no scrolling, a stranger's caption does nothing."""

import hashlib
import json

import polars as pl
import pytest
from PIL import Image, ImageDraw

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.pull import pull_annotations
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.tasks.page import CHOICES, InterfaceConfig, label_config
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.labels import read_labels

pytestmark = [pytest.mark.studio, pytest.mark.browser, pytest.mark.slow]

BIRD, MACHINE, FLAMINGO = "n02012849", "n03126707", "n02007558"
LONGEST = max(read_labels(), key=lambda label: len(label.gloss) + len(" ".join(label.lemmas))).wnid
SCRIPT = (
    """<img src=x onerror="document.title='taken'"> <script>document.title='taken'</script> {{1+1}} $image "both" """
)
CASES = {  # size of the picture, its caption, the class it is asked about
    "wide": ((1200, 90), SCRIPT + "http://127.0.0.1:9/tracked.png " + "x" * 400, BIRD),
    "tall": ((90, 1200), "יונה לבנה על גג בית " * 20, BIRD),
    "tiny": ((9, 7), "🕊️🐦‍⬛👩‍👩‍👧‍👦 " * 60, LONGEST),
    "huge": ((5000, 4000), "a\u202ereversed\u0300\u0301 caption " * 30, LONGEST),
    "plain": ((640, 480), "", FLAMINGO),
}
RADIOS = len(CHOICES) + 3  # and the three runner-ups


def make_rows(photos):
    rows = []
    for name, (size, caption, wnid) in CASES.items():
        picture = Image.new("RGB", size, (200, 60, 90))
        ImageDraw.Draw(picture).ellipse((0, 0, size[0] - 1, size[1] - 1), fill=(30, 90, 160))
        picture.save(photos / f"{name}.png")
        one = hashlib.sha256(f"page {name}".encode()).hexdigest()
        near = [wnid, MACHINE, FLAMINGO, BIRD, LONGEST]
        rows.append({"candidate_id": one, "wnid": wnid, "top_wnids": near, "path": f"{name}.png", "caption": caption})
    return pl.DataFrame(rows)


def make_examples(folder):
    """Known pictures of every class that is asked about but one."""
    for wnid, colour in ((BIRD, "seagreen"), (LONGEST, "orange")):
        (folder / wnid).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (60 + 80 * i, 100), colour).save(folder / wnid / f"{i}.jpg")
    return folder


@pytest.fixture(scope="module")
def reviews(studio, tmp_path_factory):
    """Pictures of unlike shapes under unlike captions, pushed twice; (client, {review: project}, tasks)."""
    photos = tmp_path_factory.mktemp("photos")
    client = connect_studio(studio.url, studio.token)
    tasks = make_tasks(make_rows(photos), overlap=1)
    config = PushConfig(documents=studio.documents, references=make_examples(tmp_path_factory.mktemp("known")))
    page = label_config(read_labels(), InterfaceConfig(references=True))
    pushed = {name: push_tasks(client, name, tasks, photos, page, config).projects[1] for name in ("keys", "shapes")}
    return client, pushed, tasks


def log_in(page, studio, email, password):
    page.open(f"{studio.url}/user/login/")
    page.eval(f"document.querySelector('[name=email]').value = {json.dumps(email)}")
    page.eval(f"document.querySelector('[name=password]').value = {json.dumps(password)}")
    page.eval("document.querySelector('form').submit()")
    page.wait("!location.pathname.includes('login')")


READY = (
    "!document.querySelector('.relaionet input:checked')"
    f" && document.querySelectorAll('.relaionet input[type=radio]').length === {RADIOS}"
    " && [...document.querySelectorAll('.relaionet .picture img')].some(one => one.naturalWidth > 1)"
)


def show_task(page, count):
    """Wait until the count-th task of the stream is shown and can be answered."""
    page.wait(f"document.body.innerText.includes('{count} of {count}') && {READY}", 90)


def keys(page, *names):
    """Press keys one after the other; how many."""
    for name in names:
        page.press(name)
    return len(names)


def test_a_reviewer_works_by_keys_alone(studio, reviews, page, tmp_path):
    client, projects, tasks = reviews
    log_in(page, studio, studio.email, studio.password)
    page.open(f"{studio.url}/projects/{projects['keys']}/data?labeling=1")
    show_task(page, 1)
    assert "Skip" not in page.text()
    answers = page.eval(
        "[...document.querySelectorAll('.relaionet .lsf-choice:has(input[type=radio])')]"
        ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).map(one => one.innerText)"
    )
    assert answers[0].startswith("Yes, this class")
    assert all(one.startswith("It is: ") for one in answers[1:4])
    assert answers[4].startswith("Another class")
    assert answers[-1].startswith("Cannot tell")
    # an answer is two keys, without a modifier, and shows the next picture
    assert keys(page, "1", "Enter") == 2
    show_task(page, 2)
    # by mouse, then by key
    page.click("document.querySelectorAll('.relaionet .lsf-choice:has(input[type=radio])')[5].querySelector('label')")
    page.press("Enter")

    show_task(page, 3)
    keys(page, "Enter")  # nothing is sent without an answer
    keys(page, "2")
    page.wait("document.querySelector('.relaionet .ant-select-selector')")
    keys(page, "Enter")  # nor without a class
    page.wait("document.body.innerText.includes('Name the class, or choose another answer.')")
    ok = "[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'OK')"
    page.click(ok)
    page.wait(f"!({ok})")
    page.click("document.querySelector('.relaionet .ant-select-selector')")
    page.wait("document.activeElement.name === 'taxonomy-search-input'")
    keys(page, *"ye")
    page.wait(
        "[...document.querySelectorAll('.ant-select-tree-treenode:not([aria-hidden])')]"
        ".every(one => one.innerText.toLowerCase().includes('ye'))"
    )
    page.picture(tmp_path / "search.png")
    keys(page, "ArrowDown", "Enter")
    page.wait("document.querySelector('.relaionet .ant-select-selection-item')")
    named = page.eval("document.querySelector('.relaionet .ant-select-selection-item').innerText")
    keys(page, "Escape")
    page.wait("document.activeElement === document.body")
    keys(page, "Enter")

    show_task(page, 4)
    assert keys(page, "q", "Enter") == 2
    show_task(page, 5)
    keys(page, "4", "Enter")
    page.wait("!document.querySelector('.relaionet input:checked')")
    assert page.eval("document.title") != "taken"
    asked = [one for one in page.requested() if not one.startswith((studio.url, "data:", "blob:", "about:"))]
    assert asked == [], "the page asks nobody else"

    decisions = read_decisions(pull_annotations(client, "keys"), tasks)
    by_id = {row["candidate_id"]: (row["choice"], row["other_wnid"]) for row in decisions.to_dicts()}
    given = [by_id.get(one) for one in tasks["candidate_id"]]
    searched = next(label for label in read_labels() if named.startswith(label.name))
    first = tasks["runner_up_wnids"][3][0]
    assert given == [("yes", None), ("broken", None), ("other", searched.wnid), ("other", first), ("drawing", None)]
    assert "ye" in named.lower()
    assert all(0 < seconds < 300 for seconds in decisions["seconds"])


NO_SCROLLING = (
    "[document.documentElement, ...document.querySelectorAll('.lsf-main-content, .relaionet, .relaionet .side')]"
    ".filter(one => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)"
    ".map(one => `${one.className} ${one.scrollHeight} ${one.clientHeight} ${one.scrollWidth} ${one.clientWidth}`)"
)
OUTSIDE = (
    "[...document.querySelectorAll('.relaionet .lsf-choice input, .relaionet .ant-select-selector, .lsf-bottombar,"
    " .relaionet .words, .relaionet .reference img')].filter(one => { const r = one.getBoundingClientRect();"
    " return r.top < 0 || r.bottom > innerHeight || r.right > innerWidth }).map(one => one.className)"
)
BOX = (
    "(() => { const [a, b] = ['.relaionet .picture img', '.relaionet .picture']"
    ".map(one => document.querySelector(one).getBoundingClientRect());"
    " return [a.width, a.height, b.width, b.height] })()"
)
CUT = (  # lines of text of which a part is hidden
    "[...document.querySelectorAll('.relaionet .words')].map(one => [one, one.firstElementChild])"
    ".filter(([one, text]) => text.getBoundingClientRect().bottom > one.getBoundingClientRect().bottom + 1)"
    ".map(([one, text]) => text.innerText)"
)


def test_everything_is_seen_without_scrolling(studio, reviews, page, tmp_path):
    _, projects, tasks = reviews
    log_in(page, studio, studio.email, studio.password)
    page.open(f"{studio.url}/projects/{projects['shapes']}/data?labeling=1")
    names = {hashlib.sha256(f"page {name}".encode()).hexdigest(): name for name in CASES}
    for count, one in enumerate(tasks["candidate_id"], start=1):
        show_task(page, count)
        name = names[one]
        for key, part in (("2", "other"), ("3", "several")):  # the page is fullest with a search open
            page.press(key)
            page.wait(f"document.querySelector('.relaionet .{part} .ant-select-selector').offsetHeight > 0")
            page.picture(tmp_path / f"{name} {part}.png")
            assert page.eval(NO_SCROLLING) == [], (name, part)
            assert page.eval(OUTSIDE) == [], (name, part)
            assert page.eval(CUT) == [], (name, part)
        # the whole picture, as large as there is room
        width, height, room_width, room_height = page.eval(BOX)
        assert width <= room_width + 1, name
        assert height <= room_height + 1, name
        assert max(width / room_width, height / room_height) > 0.9, name
        strips = page.eval("[...document.querySelectorAll('.relaionet .reference img')].map(one => one.naturalWidth)")
        assert strips == ([] if name == "plain" else [372]), name
        keys(page, "7", "Enter")
    assert page.eval("document.title") != "taken"
