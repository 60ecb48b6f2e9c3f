"""The report in a real Chromium: nothing refused or asked for, no sideways scrolling of the page, tables sort."""

import numpy as np
import polars as pl
import pytest

from relaionet.evaluators.report import Picture, Report, SampleRow, set_label, write_report
from relaionet.manifests.tables import SCORES, shape_table

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    rows, samples = [], {}
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for steps in (1, 2, 4, 8):
        for guidance in (1.0, 2.0, 4.0):
            samples[set_label("a-generator", steps, guidance)] = Picture(image=image, alt="a sample")
            for place, metric in enumerate(("FD", "csFD", "IS", "csIS", "CLIP Score", "accuracy", "KD", "MMHM")):
                value = 10 + place + guidance - steps / 10
                rows.append(
                    ("a-generator", "s", "miniature", steps, guidance, 1.0, metric, value, value - 1, value + 1, 5)
                )
    report = Report(
        title="A run",
        scores=shape_table(
            pl.DataFrame(rows, schema=[*SCORES.columns][:11], orient="row").with_columns(
                method=pl.lit("m"), made_with=pl.lit("d")
            ),
            SCORES,
        ),
        curation={"stages": [{"stage": "candidates", "rows_in": 3, "statuses": {"ok": 2, "no_label": 1}}]},
        gallery={"a class": [Picture(image=image, alt="a picture")] * 8},
        samples=[SampleRow(name="a class", wnid="n1", pictures=samples)],
        provenance={label: {"digest": "0" * 64} for label in samples},
        is_miniature=True,
    )
    return f"file://{write_report(tmp_path_factory.mktemp('report') / 'report.html', report)}"


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_page_fits_the_screen_and_loads_only_itself(page, address, width) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
    page.events.clear()
    page.open(address)
    assert page.eval("document.documentElement.scrollWidth") <= width
    assert page.eval("[...document.images].every(i => (i.loading = 'eager', true))")
    page.wait("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    asked = [
        event["params"]["request"]["url"] for event in page.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert all(url == address or url.startswith("data:") for url in asked)
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]


def test_columns_sort_both_ways_and_say_so(page, address) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    page.open(address)
    column = "[...document.querySelectorAll('.board tbody tr')].map(row => Number(row.cells[5].dataset.sort))"
    button = "document.querySelectorAll('.board thead th')[5].querySelector('button').click()"
    page.eval(button)
    up = page.eval(column)
    page.eval(button)
    down = page.eval(column)
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)
    assert page.eval("document.querySelectorAll('.board [aria-sort]').length") == 1


def test_a_generators_link_opens_where_its_numbers_come_from(page, address) -> None:
    page.open(address)
    page.eval("document.querySelector('.board tbody a').click()")
    page.wait("document.querySelector('#sources details:target')?.open === true")
