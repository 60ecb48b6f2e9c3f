"""The review's page in a real Chromium: it fits a laptop and a phone, loads only itself, and shows its pictures."""

import pytest
from PIL import Image

from relaionet.flows.terminal.review_status import show_status
from relaionet.manifests.files import write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import DECISIONS, TASKS
from tests.unit.annotations.builders import B, make_decisions, make_tasks

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("review")
    (root / "images").mkdir()
    Image.new("RGB", (300, 90), (20, 120, 90)).save(root / "images" / "x", "PNG")
    answers = ("yes", B, "none", "yes", "unsure")
    votes = [(i, f"r-000000000{n}", answers[(i + n) % 5]) for i in range(40) for n in range(3)]
    store = Store(root)
    store.write(make_tasks(30, 10), TASKS, "x", shard="round1")
    store.write(make_decisions(votes), DECISIONS, "x")
    write_json(root / "run.json", {"recipe": {"name": "<img src=x onerror=document.title='taken'>", "source": "x"}})
    return f"file://{show_status(root)}"


@pytest.mark.parametrize("width", [1366, 390, 320])
def test_it_fits_and_loads_only_itself(page, address, width):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=768, deviceScaleFactor=1, mobile=width < 600)
    page.events.clear()
    page.open(address)
    assert page.eval("document.documentElement.scrollWidth") <= width
    assert page.eval("document.title") != "taken"
    page.wait("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.eval("document.querySelectorAll('.open img').length") > 3
    assert page.eval("document.querySelectorAll('.hist rect').length") == 10
    assert page.eval("document.querySelector('.time .value').getTotalLength()") > 100
    assert page.eval("document.querySelectorAll('.whisker').length") == 3
    asked = [
        event["params"]["request"]["url"] for event in page.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert all(url == address or url.startswith("data:") for url in asked)
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]
