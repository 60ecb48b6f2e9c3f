"""Every page of a finished run in a real Chromium: it fits, prints, goes dark, and its links open the others."""

import pytest

from tests.unit.flows.pages.finished import PAGES, make_finished_run

pytestmark = pytest.mark.browser
WIDE = "[...document.querySelectorAll('table, svg, img')].filter(t => t.getBoundingClientRect().right > {} + 1)"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_finished_run(tmp_path_factory.mktemp("finished"))


def size(page, width):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)


def current(page):
    """Address of the tab; a script asked while it moves on would be lost."""
    history = page.call("Page.getNavigationHistory")
    return history["entries"][history["currentIndex"]]["url"]


@pytest.mark.parametrize("width", [1366, 390, 320])
def test_pages_fit_and_load_only_themselves(page, root, width):
    size(page, width)
    for name in sorted(PAGES):
        address = f"file://{root / name}"
        page.events.clear()
        page.open(address)
        assert page.eval("document.documentElement.scrollWidth") <= width, name
        page.eval("[...document.images].forEach(image => image.loading = 'eager')")
        page.wait("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert {url for url in page.requested() if not url.startswith("data:")} == {address}
        assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"], name


def current_once_loaded(page):
    """The address shown; nothing while the tab goes from one page to the next and Chromium refuses to say."""
    try:
        return current(page)
    except AssertionError as error:
        if "Not attached to an active page" in str(error):
            return None
        raise


def test_every_page_is_reached_by_clicks_from_the_index(page, root):
    size(page, 1366)
    start = f"file://{root / 'index.html'}"
    seen, waiting = set(), [start]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        page.open(address)
        assert page.eval("document.querySelectorAll('.pages [aria-current=page]').length") == 1
        seen.add(address)
        for place in range(page.eval("document.querySelectorAll('.pages a').length")):
            target = page.eval(f"document.querySelectorAll('.pages a')[{place}].href")
            if target not in seen:
                # later, as the answer of a script that leaves its page is lost
                page.eval(f"setTimeout(() => document.querySelectorAll('.pages a')[{place}].click(), 100) > 0")
                page._until(
                    lambda target=target: current_once_loaded(page) == target, 20, f"a click did not lead to {target}"
                )
                waiting.append(target)
                page.open(address)
    assert seen == {f"file://{root / name}" for name in PAGES}


def test_the_keyboard_comes_to_the_content_and_to_the_other_pages(page, root):
    size(page, 1366)
    for name in sorted(PAGES):
        page.open(f"file://{root / name}")
        reached = []
        for _ in range(2 + page.eval("document.querySelectorAll('.pages a').length")):
            page.press("Tab")
            reached.append(page.eval("document.activeElement.getAttribute('href')"))
            assert page.eval("document.activeElement.getBoundingClientRect().width") > 0
        assert reached[0] == "#main", name
        assert reached[1:-1] == page.eval("[...document.querySelectorAll('.pages a')].map(a => a.getAttribute('href'))")
        assert reached[-1].startswith("#")


def test_pages_are_dark_where_the_reader_wants_it(page, root):
    size(page, 1366)
    for name in sorted(PAGES):
        colours = []
        for scheme in ("light", "dark"):
            page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.open(f"file://{root / name}")
            style = "getComputedStyle(document.body)"
            rgb = page.eval(f"[{style}.backgroundColor, {style}.color].map(c => c.match(/[0-9]+/g).map(Number))")
            colours.append([sum(one[:3]) / 3 for one in rgb])
        (light_paper, light_ink), (dark_paper, dark_ink) = colours
        assert light_paper - light_ink > 150, name
        assert dark_ink - dark_paper > 150, name


def test_nothing_is_cut_off_on_paper(page, root):
    size(page, 1032)
    for name in sorted(PAGES):
        page.call("Emulation.setEmulatedMedia", media="print")
        page.open(f"file://{root / name}")
        page.eval("dispatchEvent(new Event('beforeprint'))")
        about = "t => t.getAttribute('aria-label') || t.caption?.innerText || t.className"
        assert page.eval(f"{WIDE.format(1032)}.map({about})") == [], name
        assert page.eval("getComputedStyle(document.querySelector('.pages')).display") == "none"
