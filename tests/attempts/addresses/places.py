"""Places that are none: every option and function that takes a folder is given an address it cannot use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import relaionet
from relaionet.flows.cli.main import main
from relaionet.flows.embed import make_recipe
from relaionet.flows.rebuilding import locate_release
from relaionet.flows.runs.recipes import read_recipe
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.files import list_files
from tests.attempts.attempt import Attempt

BUCKET = "s3://bucket/x"
# arguments of the command line, {} is the place
COMMANDS = """
demo --out {}
curate --recipe paper --out {}
source {}
embed x --encoder miniature --out {}
embed {} --encoder miniature --out out
evaluate --recipe paper --out {}
evaluate --recipe paper --split {}
evaluate --recipe paper --requests {}
report x --out {}
report {} x --out out
rebuild x --out {}
rebuild {} --out out
rebuild x --out out --images {}
export x --out {}
export {} --out x
release check {}
release list {}
release diff x y --rows {}
release push {} me/x
adopt {} --name x
adopt x --name x --out {}
adopt x --name x --mapping {}
review pictures --to {}
review status --run {}
candidates --run {}
trace x --run {}
reference add . --name x --store {}
reference list --store {}
search {} --text x
search x --image {}
search x --text x --out {}
index build {}
lemmas compare x --out {}
doctor --out {}
generators script --folder {}
generators check x --images {}
""".strip().splitlines()
EMBED = "embed x --encoder miniature --out {}"
SCHEMES = [
    "s4://bucket/x", "gs://bucket/x", "ftp://h/x", "https://h/x", "hf://datasets/me/x", "S3://bucket/x", "s3:/bucket/x",
    "wandb://run", "abfs://c@account/x", "file://host/x", "dbfs:/mnt/x", " s3://bucket/x",
]  # fmt: skip
REFUSALS = ("none of the schemes known", "cannot be used here", "without a host")
RECIPE = 'source = "x.parquet"\nencoder = "miniature"\n'


@contextlib.contextmanager
def inside(folder: Path):  # type: ignore[no-untyped-def]
    """Work in a folder, which must stay empty."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
    assert list(folder.rglob("*")) == [], "something was made"


def by_command(text: str, place: str) -> Callable[[Path], str]:
    """The command ends with 2 and says what it may be given."""

    def run(folder: Path) -> str:
        with inside(folder):
            done = CliRunner().invoke(main, [part.replace("{}", place) for part in text.split(" ")])
        assert done.exit_code == 2, done.output[-300:]
        assert any(words in done.output for words in REFUSALS), done.output[-300:]
        return "refused with the schemes that are known; nothing was made"

    return run


def from_python(act: Callable[[str], object], place: str) -> Callable[[Path], str]:
    """The function raises BadInput with the schemes it may be given."""

    def run(folder: Path) -> str:
        with inside(folder), pytest.raises(BadInput, match="://"):
            act(place)
        return "refused with the schemes that are known; nothing was made"

    return run


CALLS: dict[str, Callable[[str], object]] = {
    "a run's folder": lambda place: Run(root=Path(place)),
    "rn.rebuild(out)": lambda place: relaionet.rebuild("x", place),
    "rn.rebuild(release)": lambda place: relaionet.rebuild(place, "out"),
    "rn.load_split": relaionet.load_split, "rn.load_release": relaionet.load_release, "rn.report": relaionet.report,
    "rn.report(out)": lambda place: relaionet.report("x", out=place),
    "a release's place": lambda place: locate_release(place, Reporter()),
    "a source": lambda place: list_files(place.replace("s3:", "s5:")),
    "embed's source": lambda place: make_recipe(
        place, "miniature", device="cpu", precision="auto", batch_size=None, threads=None, workers=1, whole=False
    ),
    **{
        f"{key} of a recipe": lambda place, key=key: read_recipe(f'{RECIPE}{key} = "{place}"\n', _curate())
        for key in ("reference", "reference_store", "controls", "examples", "published", "published_counts")
    },
}  # fmt: skip


def _curate() -> type:
    from relaionet.flows.curation.recipe import CurateRecipe

    return CurateRecipe


EXPECTED = "refused by the registry of places; no folder is made"
ATTEMPTS = [
    *(
        Attempt(
            name=text.replace("{}", "PLACE"), kind="Places", input_shown=text.replace("{}", place), expected=EXPECTED,
            run=by_command(text, place),
        )
        for text in COMMANDS
        for place in [BUCKET.replace("s3", "s5") if text.startswith("source") else BUCKET]
    ),
    *(
        Attempt(
            name=f"embed --out {place!a}", kind="Places", input_shown=place, expected=EXPECTED,
            run=by_command(EMBED, place),
        )
        for place in SCHEMES
    ),
    *(
        Attempt(name=name, kind="Places", input_shown=BUCKET, expected=EXPECTED, run=from_python(act, BUCKET))
        for name, act in CALLS.items()
    ),
]  # fmt: skip
