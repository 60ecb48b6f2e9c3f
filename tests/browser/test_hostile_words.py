"""Pages full of hostile words in a real Chromium, without the policy that would stop their scripts as well."""

from pathlib import Path

import pytest

from relaionet.flows.pages.evaluation.page import write_report
from relaionet.flows.pages.frame import render
from tests.attempts.texts.pages import TRICKS, make_overview, make_report

pytestmark = pytest.mark.browser

RUNS = "<script>window.ran=1</script>"


def without_policy(html: str) -> str:
    """The page as if it had no Content-Security-Policy: escaping alone must hold."""
    start = html.index('<meta http-equiv="Content-Security-Policy"')
    return html[:start] + html[html.index(">", start) + 1 :]


def pages(folder: Path, text: str) -> dict[str, str]:
    """The report and the index with that text in every place."""
    report = write_report(folder / "report.html", make_report(text)).read_text(encoding="utf-8")
    return {"report": report, "index": render("index.html", overview=make_overview(text), cards=())}


@pytest.mark.parametrize("name", ["report", "index"])
def test_no_word_of_a_stranger_does_anything(page, tmp_path: Path, name: str) -> None:
    hostile = " ".join(trick.replace("alert(1)", "(window.ran=1)") for trick in TRICKS.values()) + RUNS
    for text in (hostile, "goldfish swims"):
        (tmp_path / "page.html").write_text(without_policy(pages(tmp_path, text)[name]), encoding="utf-8")
        page.events.clear()
        page.open((tmp_path / "page.html").as_uri())
        elements = page.eval("[...document.querySelectorAll('*')].map((one) => one.tagName).join()")
        if text == hostile:
            hostile_elements = elements
        assert page.eval("window.ran") is None
        asked = [url for url in page.requested() if not url.startswith("data:")]
        assert asked == [(tmp_path / "page.html").as_uri()]
    assert hostile_elements == elements
