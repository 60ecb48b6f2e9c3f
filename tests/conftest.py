"""What several kinds of tests share."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.progress import Progress
from tests.waiting import WATCHDOG_S

HUB = ("HF_", "TRANSFORMERS_")
# CI must say the same of the same commit; elsewhere every run looks at other examples
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--progress", action="store_true", help="say every half minute how many tests are done")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--progress") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config), "progress-lines")


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """One real Label Studio for the whole session; installed first where it is not yet."""
    from relaionet.annotations.label_studio.installation import install_studio
    from relaionet.annotations.label_studio.server import start_studio
    from relaionet.manifests.errors import Unavailable

    try:
        install_studio()
    except Unavailable as error:
        pytest.skip(f"Label Studio cannot be installed here: {error}")
    with start_studio(tmp_path_factory.mktemp("studio"), timeout_s=WATCHDOG_S) as server:
        yield server


# what takes longest starts first, so that no worker waits for it at the end; the rest in the order of the folders
FIRST = (
    "test_ray.py",
    "test_demo.py",
    "a_run",
    "test_attempts.py",
    "studio",
    "whole",
    "contract",
    "real",
    "browser",
)
# what a session makes once, and takes long to make
SHARED = {name: re.compile(rf"def \w+\([^)]*\b{name}\b") for name in ("studio", "a_run")}


@cache
def group_of(path: Path) -> str:
    """Tests of one group run in one process, one after the other, and share what it made once: those of a file,
    and all that take the session's Label Studio, or its curated run."""
    text = path.read_text(encoding="utf-8")
    return next((name for name, taken in SHARED.items() if taken.search(text)), path.as_posix())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        names = (item.path.name, group_of(item.path), item.path.parent.name)
        return min((FIRST.index(name) for name in names if name in FIRST), default=len(FIRST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups go to whichever worker is free. (xdist's own loadgroup writes them into the names of tests, which pytest
    9.2 does not let it, and so gave every worker a demo and a Label Studio of its own.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(config.rootpath / nodeid.split("::", 1)[0])

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.fixture(scope="module", autouse=True)
def leaves_the_hub_as_it_was() -> Iterator[None]:
    """What a module's tests tell the Hub's libraries is not told to those that run behind it in the same process."""
    before = {name: value for name, value in os.environ.items() if name.startswith(HUB)}
    yield
    for name in [name for name in os.environ if name.startswith(HUB) and name not in before]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def prefect_home_of_this_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Flows that run inside tests keep their server's database apart from the user's, and from another worker's."""
    os.environ.setdefault("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect-home")))
