"""The command as a user runs it, and one finished demo for all tests that look at its results."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import WorldConfig, make_world
from tests.waiting import children_s, run_to_end, wait_until

Command = Callable[..., subprocess.CompletedProcess[str]]


def command_line(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("relaionet")), *map(str, arguments)]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would lead a command to the user's own servers."""
    dropped = ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "PREFECT_API_URL")
    return {name: value for name, value in os.environ.items() if name not in dropped} | more


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_url(prefect_home: Path) -> Iterator[str]:
    """A Prefect server as a user has one: without it every command would start one of its own, and wait for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "relaionet.flows.runs.prefect_server", str(port)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=clean_environment(PREFECT_HOME=str(prefect_home), PREFECT_UI_ENABLED="0"),
    )  # fmt: skip

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    wait_until(answers, process, every_s=0.2)
    yield f"http://127.0.0.1:{port}/api"
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def relaionet(prefect_home: Path, prefect_url: str) -> Command:
    """Run `relaionet …` and give back its exit code and output."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        told = {"PREFECT_HOME": str(prefect_home), "PREFECT_API_URL": prefect_url} | environment
        return run_to_end(command_line(*arguments), env=clean_environment(**told))

    return run


@dataclass(frozen=True)
class FinishedDemo:
    """A demo that ran, what it printed, and seconds of processor time it took."""

    folder: Path
    printed: str
    seconds: float


@pytest.fixture(scope="session")
def demo(relaionet: Command, tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    folder = tmp_path_factory.mktemp("demo") / "run"
    before = children_s()
    done = relaionet("demo", "--out", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return FinishedDemo(folder, done.stderr, children_s() - before)


@pytest.fixture(scope="session")
def source_recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recipe over a small synthetic world, whose pictures are served on loopback."""
    world = make_world(tmp_path_factory.mktemp("small") / "world", WorldConfig(per_class_count=1, faults_scale=0.1))
    with serve_world(world.folder) as server:
        path = world.folder.parent / "small.toml"
        path.write_text(
            f'name = "small"\nsource = "world/rows.parquet"\nencoder = "miniature"\n'
            f'reference = "world/reference"\ncontrols = "world/controls.parquet"\n'
            f'[candidates]\ncaptions = "any"\nrows_per_shard = 60\n'
            f'[download]\nproxy = "{server.proxy}"\ntimeout_s = 3\nretries = 0\n'
        )
        yield path


@pytest.fixture(scope="session")
def a_run(relaionet: Command, source_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curated run whose tasks were not pushed yet."""
    folder = tmp_path_factory.mktemp("run") / "small"
    done = relaionet("curate", "--recipe", source_recipe, "--out", folder, "--no-push")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
