"""The report in a real Chromium: nothing refused or asked for, no sideways scrolling of the page, tables sort."""

import itertools

import numpy as np
import polars as pl
import pytest

from relaionet.evaluators.set_labels import set_label
from relaionet.flows.pages.evaluation.contents import Report, SampleRow, SetFacts
from relaionet.flows.pages.evaluation.page import write_report
from relaionet.flows.pages.thumbnails import PagePicture
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, shape_table

pytestmark = pytest.mark.browser


def make_class_scores() -> pl.DataFrame:
    rows = [
        (
            "a-generator",
            "s",
            "miniature",
            steps,
            guidance,
            "class",
            wnid,
            metric,
            place + steps,
            place,
            place + 9,
            5,
            "m",
        )
        for steps in (1, 2, 4, 8)
        for guidance in (1.0, 2.0, 4.0)
        for metric in ("CLIP Score", "FD")
        for place, wnid in enumerate(("n01440764", "n01443537", "n01484850", "n01491361"))
    ]
    return shape_table(pl.DataFrame(rows, schema=list(CLASS_SCORES.columns), orient="row"), CLASS_SCORES)


def make_differences(labels: list[str]) -> pl.DataFrame:
    pairs = itertools.combinations(labels, 2)
    rows = [("s", "miniature", "FD", one, other, 1.0, -1.0, 3.0, 0.4, 0.04, 5) for one, other in pairs]
    return shape_table(pl.DataFrame(rows, schema=list(DIFFERENCES.columns), orient="row"), DIFFERENCES)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    rows, samples = [], {}
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for steps in (1, 2, 4, 8):
        for guidance in (1.0, 2.0, 4.0):
            samples[set_label("a-generator", steps, guidance)] = PagePicture(image=image, alt="a sample")
            for place, metric in enumerate(
                ("FD", "csFD", "IS", "csIS", "CLIP Score", "accuracy", "KD", "MMHM", "recall")
            ):
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
        gallery={"a class": [PagePicture(image=image, alt="a picture")] * 8},
        samples=[SampleRow(name="a class", wnid="n1", pictures=samples)],
        class_scores=make_class_scores(),
        differences=make_differences(list(samples)),
        sets=[SetFacts(label=label, split="s", record={"digest": "0" * 64}) for label in samples],
        pictures_of=lambda _split, _label, _wnid: [PagePicture(image=image, alt="one of a class")] * 4,
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
    column = "[...document.querySelectorAll('.board tbody tr')].map(row => Number(row.cells[6].dataset.sort))"
    button = "document.querySelectorAll('.board thead th')[6].querySelector('button').click()"
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
    linked = page.eval("document.querySelector('.board tbody a').textContent")
    assert linked in page.eval("document.querySelector('#sources details:target summary').textContent")


def test_a_number_leads_to_its_own_row_in_full(page, address) -> None:
    page.open(address)
    page.eval("document.querySelector('.board tbody td > a').click()")
    page.wait("document.querySelector('#sources tr:target')?.closest('details').open === true")
    shown = page.eval("document.querySelector('.board tbody td > a').textContent")
    full = page.eval("document.querySelector('#sources tr:target td').textContent")
    assert float(full) == pytest.approx(float(shown), rel=1e-3)


def test_columns_are_chosen_and_rows_are_searched(page, address) -> None:
    page.open(address)
    visible = (
        "[...document.querySelectorAll('.board thead th')].filter(c => c.offsetParent).map(c => c.innerText.trim())"
    )
    assert "recall \u2191" not in page.eval(visible)
    page.eval("document.querySelectorAll('.chooser input[type=checkbox]').forEach(b => b.checked || b.click())")
    assert "recall \u2191" in page.eval(visible)
    rows = "[...document.querySelectorAll('.board tbody tr')].filter(r => r.offsetParent).length"
    assert page.eval(rows) == 12
    page.eval(
        "(() => { const s = document.querySelector('.chooser input[type=search]'); s.value = '4 STEPS';"
        " s.dispatchEvent(new Event('input')) })()"
    )
    assert page.eval(rows) == 3


def test_one_metric_of_the_classes_is_in_view_and_paper_gets_all(page, address) -> None:
    page.open(address)
    shown = "[...document.querySelectorAll('.switched')].filter(p => p.offsetParent).map(p => p.dataset.name)"
    assert page.eval(shown) == ["CLIP Score"]
    page.eval(
        "(() => { const s = document.querySelector('.switch select'); s.value = 'FD';"
        " s.dispatchEvent(new Event('change')) })()"
    )
    assert page.eval(shown) == ["FD"]
    page.eval("dispatchEvent(new Event('beforeprint'))")
    assert page.eval(shown) == ["CLIP Score", "FD"]


def test_without_scripts_everything_is_there(page, address) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(address)
        names = "[...document.querySelectorAll('.board thead th')].filter(c => c.offsetParent).length"
        found = page.eval(f"[{names}, document.querySelectorAll('form:not([hidden])').length]")
        assert found == [5 + 9 + 1, 0]
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_no_table_is_cut_off_on_paper(page, address) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=1032, height=700, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.open(address)
    page.eval("dispatchEvent(new Event('beforeprint'))")
    wide = "[...document.querySelectorAll('table, svg')].filter(t => t.getBoundingClientRect().right > 1032)"
    assert page.eval(f"{wide}.map(t => t.getAttribute('aria-label') || t.caption?.innerText || t.className)") == []
