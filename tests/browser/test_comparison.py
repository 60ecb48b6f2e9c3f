"""The page of a comparison in a real Chromium: it fits, goes dark, prints, and shows what was compared."""

import numpy as np
import pytest
from PIL import Image

import relaionet as rn
from tests.unit.flows.comparison.test_compare import EXTRACTOR, make_pictures

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    root = tmp_path_factory.mktemp("compared")
    one, other = make_pictures(root / "ours", 1), make_pictures(root / "imagenet, validation", 2, shift=25)
    coarse = np.random.default_rng(0).integers(0, 255, size=(6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
    picture.save(one / "n01440764" / "same.png")
    picture.save(other / "n01440764" / "same.jpg", quality=85)
    rn.compare(one, other, out=root / "out", features=[EXTRACTOR], device="cpu", draws=2, names=("<b>ours</b>", ""))
    return root / "out"


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_loads_nothing_and_is_read_in_the_dark(page, compared, width, scheme):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    address = f"file://{compared / 'comparison.html'}"
    page.open(address)
    assert page.eval("document.documentElement.scrollWidth") <= width
    assert {url for url in page.requested() if not url.startswith("data:")} == {address}
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]
    paper = page.eval("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, paper.strip("rgb()").split(","))) > 384
    assert bright == (scheme == "light")
    text = page.text()
    for words in ("<b>ours</b>", "class KD", "not told apart", "floor", "The same picture in other bytes"):
        assert words in text, words
    assert page.eval("[...document.images].length") > 10


def test_on_paper_nothing_is_cut_off(page, compared):
    page.open(f"file://{compared / 'comparison.html'}")
    page.call("Emulation.setEmulatedMedia", media="print")
    page.call("Emulation.setDeviceMetricsOverride", width=1030, height=700, deviceScaleFactor=1, mobile=False)
    cut = "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > 1031).length"
    assert page.eval(cut) == 0


def test_the_index_leads_to_it(page, compared):
    page.open(f"file://{compared / 'index.html'}")
    assert page.eval("[...document.querySelectorAll('a')].some(a => a.getAttribute('href') === 'comparison.html')")
