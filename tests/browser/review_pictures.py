"""`python -m tests.browser.review_pictures`: the pictures of the reviewer's page in docs/, taken anew in Chromium.

They show the miniature: drawn pictures, made captions.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.label_studio.server import start_studio
from relaionet.annotations.tasks.page import InterfaceConfig, label_config
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.miniature.drawings.pictures import draw_picture
from tests.browser.conftest import Page
from tests.browser.test_review_page import keys, log_in, show_task
from tests.waiting import WATCHDOG_S

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
BIRD, MACHINE, FLAMINGO, BALL = "n02012849", "n03126707", "n02007558", "n04254680"


def make_review(folder: Path) -> pl.DataFrame:
    """Two pictures to look at, and known ones of their class."""
    rows = []
    for number, wnid in enumerate((BIRD, BALL)):
        draw_picture(wnid, 11 + number, 512).save(folder / f"{number}.png")
        one = hashlib.sha256(f"docs {number}".encode()).hexdigest()
        near = [BIRD, MACHINE, FLAMINGO, BALL]
        caption = "Crane at the lake, early morning | my photo blog"
        rows.append({"candidate_id": one, "wnid": BIRD, "top_wnids": near, "path": f"{number}.png", "caption": caption})
        (folder / "known" / wnid).mkdir(parents=True)
    for number in range(3):
        draw_picture(BIRD, 40 + number, 256).save(folder / "known" / BIRD / f"{number}.png")
    return make_tasks(pl.DataFrame(rows), overlap=1)


def main() -> int:
    """Take the pictures; 0 when done."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("Debian's chromium is not installed (apt-get install chromium)\n")
        return 2
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary,
        start_studio(Path(temporary) / "studio", timeout_s=WATCHDOG_S) as server,
    ):
        folder = Path(temporary)
        tasks = make_review(folder)
        client = connect_studio(server.url, server.token)
        layout = label_config(read_labels(), InterfaceConfig(references=True))
        config = PushConfig(documents=server.documents, references=folder / "known")
        project = push_tasks(client, "miniature", tasks, folder, layout, config).projects[1]
        page = Page(chromium, str(folder / "chromium"))
        try:
            log_in(page, server, server.email, server.password)
            page.open(f"{server.url}/projects/{project}/data?labeling=1")
            show_task(page, 1)
            page.picture(DOCS / "review-page.png")
            keys(page, "2")
            page.wait("document.querySelector('.relaionet .ant-select-selector')")
            page.click("document.querySelector('.relaionet .ant-select-selector')")
            page.wait("document.activeElement.name === 'taxonomy-search-input'")
            keys(page, *"soc")
            page.wait(
                "[...document.querySelectorAll('.ant-select-tree-treenode:not([aria-hidden])')]"
                ".every(one => one.innerText.toLowerCase().includes('soc'))"
            )
            keys(page, "ArrowDown")
            page.picture(DOCS / "review-search.png")
        finally:
            page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
