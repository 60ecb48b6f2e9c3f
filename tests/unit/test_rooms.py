"""The import rule: which room may import which, who owns which outside package, and that importing stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "manifests": set(),
    "pipeline": {"manifests"},
    "annotations": {"manifests", "pipeline"},
    "evaluators": {"manifests", "pipeline"},
    "flows": {"manifests", "pipeline", "annotations", "evaluators"},
}
OWNERS = {
    "prefect": ("flows/",),
    "prefect_ray": ("flows/",),
    "ray": ("flows/",),
    "label_studio_sdk": ("annotations/label_studio/client.py",),
    "img2dataset": ("pipeline/downloads/worker.py",),
    "faiss": (
        "pipeline/retrieval/search.py",
        "pipeline/retrieval/exact.py",
        "pipeline/retrieval/hashes.py",
        "pipeline/retrieval/ivf.py",
        "pipeline/retrieval/index.py",
        "flows/terminal/doctor.py",
    ),
    "clip_retrieval": (),  # pins what does not fit: spoken to over HTTP only
    "sentence_transformers": ("pipeline/captions/sentence_encoder.py",),
    "open_clip": (
        "pipeline/embeddings/open_clip.py",
        "pipeline/embeddings/class_texts.py",
        "pipeline/miniature/training/encoder.py",
    ),
    "huggingface_hub": ("pipeline/hub.py", "pipeline/sources/servers.py"),
    "datasets": ("pipeline/splits/build.py", "pipeline/candidates/judge.py"),
    "tensorstore": ("evaluators/generators/flow_maps/flax_checkpoints.py",),
    "msgpack": ("evaluators/generators/flow_maps/flax_checkpoints.py",),
    "torch_fidelity": ("evaluators/",),
    "diffusers": ("evaluators/",),
    "transformers": ("evaluators/",),
    "crowdkit": ("annotations/",),
    "krippendorff": ("annotations/",),
    "pyarrow": ("manifests/release/untrusted_parquet.py", "pipeline/", "flows/", "evaluators/", "annotations/"),
}
MANIFESTS_MAY = {"polars", "relaionet"} | set(sys.stdlib_module_names)
HEAVY = ("torch", "faiss", "open_clip", "img2dataset", "datasets", "matplotlib", "scipy", "pandas", "label_studio_sdk")
STRANGERS = ("pipeline", "annotations", "evaluators", "flows", "manifests")


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module or ""
            if node.module == "relaionet":
                yield from (f"relaionet.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources(*ROOMS), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_rooms(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    room = relative.split("/")[0]
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in STRANGERS, f"{relative} imports {name}; say relaionet.{name}"
        if parts[0] == "relaionet" and len(parts) > 1:
            assert parts[1] == room or parts[1] in ROOMS[room], f"{relative} may not import {name}"
        if parts[0] in OWNERS:
            assert relative.startswith(OWNERS[parts[0]]), f"{relative} imports {name}, which {OWNERS[parts[0]]} owns"
        if room == "manifests":
            may = MANIFESTS_MAY | ({"pyarrow"} if path.name == "untrusted_parquet.py" else set())
            assert parts[0] in may, f"{relative} imports {name}; manifests needs polars and the stdlib only"


def test_every_package_folder_is_declared() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        "relaionet." + path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert declared == found


def test_every_data_file_is_shipped() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    done = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout")
    for path in (ROOT / name for name in done.stdout.splitlines() if not name.endswith(".py")):
        package = next(folder for folder in path.parents if (folder / "__init__.py").exists())
        name = "relaionet." + package.relative_to(ROOT).as_posix().replace("/", ".")
        shipped = [found for pattern in patterns["*"] + patterns.get(name, []) for found in package.glob(pattern)]
        assert path in shipped, f"{path.relative_to(ROOT)} would not be in the wheel"


def test_lock_names_versions_and_no_index() -> None:
    for name in ("requirements.lock", "requirements-gpu.lock"):
        lines = (ROOT / name).read_text().splitlines()
        assert all("==" in line for line in lines if line and not line.startswith("#"))
        assert not any("://" in line or line.startswith("-") for line in lines)
        assert not any(line.startswith("dataclasses==") for line in lines)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['relaionet', '--help']\n"
        "from relaionet.flows.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {(*HEAVY, 'prefect', 'polars')!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_rooms_import_without_heavy_packages() -> None:
    modules = [
        "relaionet." + path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in sources("manifests", "pipeline", "annotations", "evaluators")
        if not {"backbones", "commands"} & set(path.parts)
        and path.name != "__init__.py"
        and not path.name.startswith("train_")
    ]
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules and name != 'torch'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
