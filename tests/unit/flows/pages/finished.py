"""A small run, reviewed, released, rebuilt and evaluated by an earlier version; its pages are written anew."""

import tarfile
from pathlib import Path

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.evaluation.report import write_evaluation_report
from relaionet.flows.pages.candidates import report_run
from relaionet.flows.pages.proposals import report_proposals
from relaionet.flows.pages.screens import write_screens_page
from relaionet.flows.runs.run import Run
from relaionet.flows.terminal.review_status import show_status

ARCHIVE = Path(__file__).parents[3] / "fixtures" / "made_by_57e12d1.tar.xz"
PAGES = {
    "candidates.html", "proposals.html", "screens.html", "review.html", "report.html", "index.html",
    "evaluation/report.html", "evaluation/index.html",
}  # fmt: skip
"""Every page of the run, as paths in its folder."""


def make_finished_run(place: Path) -> Path:
    """Unpack the run, put its split and evaluation where the demo has them, and write every page.

    Returns:
        Folder of the run.
    """
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    root = place / "made" / "run"
    for name in ("split", "evaluation"):
        (place / "made" / name).rename(root / name)
    for page in (*root.glob("*.html"), *root.glob("*/*.html")):
        page.unlink()
    run, recipe = Run(root=root), read_run_recipe(root)
    report_run(run, None)
    report_proposals(root)
    write_screens_page(run, recipe.name, recipe.screen, {})
    show_status(root)
    write_evaluation_report([root / "evaluation"])
    write_evaluation_report([root / "evaluation"], root / "report.html")
    return root
