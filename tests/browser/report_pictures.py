"""`python -m tests.browser.report_pictures runs/demo`: the pictures of the report in docs/, taken anew in Chromium.

They show the folder of a `relaionet demo`: the miniature's numbers, which say nothing about published generators.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path

from tests.browser.conftest import Page

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
WIDTH_PX, HEIGHT_PX = 1180, 820
PICTURES = {
    "report.png": None,  # the top of the page
    "report-scores.png": "document.querySelector('.board.leaders').closest('.scroll')",
    "report-ranks.png": "document.querySelector('svg.ranks')",
}
"""File -> what of the page it shows."""


def take(page: Page, element: str | None, path: Path) -> None:
    """A picture of an element, or of what is in view at first."""
    box = {"x": 0, "y": 0, "width": WIDTH_PX, "height": HEIGHT_PX}
    if element is not None:
        found = page.eval(
            f"(() => {{ const b = {element}.getBoundingClientRect();"
            " return [b.left + scrollX, b.top + scrollY, b.width, b.height] })()"
        )
        box = dict(zip(("x", "y", "width", "height"), found, strict=True))
    shot = page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip={**box, "scale": 1})
    path.write_bytes(base64.b64decode(shot["data"]))


def main(demo: Path) -> int:
    """Take the pictures; 0 when done."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("Debian's chromium is not installed (apt-get install chromium)\n")
        return 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Page(chromium, folder)
        try:
            page.call(
                "Emulation.setDeviceMetricsOverride", width=WIDTH_PX, height=HEIGHT_PX, deviceScaleFactor=1,
                mobile=False,
            )  # fmt: skip
            page.open((demo / "report.html").resolve().as_uri())
            for name, element in PICTURES.items():
                take(page, element, DOCS / name)
        finally:
            page.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say which: python -m tests.browser.report_pictures runs/demo")
    sys.exit(main(Path(sys.argv[1])))
