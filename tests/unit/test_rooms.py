"""The shape of the house: who imports whom, who owns which outside package, how large things are, what is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
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
FACE = "relaionet"
# what lies in each room, from the ground up: nothing imports what stands behind it
ORDER = {
    "manifests": "words escape urls errors ids containers places replacing files labels class_groups tables store "
    "release",
    "pipeline": "addresses arrays tensors hub hub_listing factories machine child_process settings declared sources "
    "images embeddings captions candidates retrieval neighbours downloads proposals detectors screens exports splits "
    "lookup adoption miniature",
    "annotations": "tasks label_studio agreement simulated_reviewers",
    "evaluators": "set_labels lazy_rows protocols metrics listing features generators sampling scoring miniature "
    "comparison",
    "flows": "runs versions curation reviewing pages evaluation comparison drafts tracing terminal "
    "adoption adopt embed export search curate review rebuilding checking rebuild lookups lookup evaluate compare demo "
    "cli",
}
FILE_LINES, FUNCTION_LINES, FOLDER_FILES = 300, 50, 14
OWNERS = {
    "prefect": ("flows/",),
    "prefect_ray": ("flows/",),
    "ray": ("flows/",),
    "label_studio_sdk": ("annotations/label_studio/",),
    "img2dataset": ("pipeline/downloads/",),
    "faiss": ("pipeline/retrieval/", "flows/terminal/doctor.py"),
    "clip_retrieval": (),  # pins what does not fit: spoken to over HTTP only
    "sentence_transformers": ("pipeline/captions/sentence_encoder.py",),
    "open_clip": ("pipeline/embeddings/", "pipeline/miniature/training/encoder.py"),
    "huggingface_hub": ("pipeline/hub.py", "pipeline/hub_listing.py", "pipeline/sources/servers.py"),
    "datasets": ("pipeline/adoption/", "pipeline/sources/", "pipeline/splits/", "relaionet/"),
    "tensorstore": ("evaluators/generators/flow_maps/flax_checkpoints.py",),
    "msgpack": ("evaluators/generators/flow_maps/flax_checkpoints.py",),
    "torch_fidelity": ("evaluators/",),
    "diffusers": ("evaluators/",),
    "transformers": ("evaluators/",),
    "onnxruntime": ("pipeline/detectors/",),
    "cv2": ("pipeline/detectors/",),
    "crowdkit": ("annotations/",),
    "krippendorff": ("annotations/",),
    "pyarrow": ("manifests/containers/", "pipeline/", "flows/", "evaluators/", "annotations/"),
}
MANIFESTS_MAY = {"polars", "relaionet", "lazy_loader"} | set(sys.stdlib_module_names)
HEAVY = ("torch", "faiss", "open_clip", "img2dataset", "datasets", "matplotlib", "scipy", "pandas", "label_studio_sdk")


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    return name if name == FACE or name.startswith(f"{FACE}.") else f"{FACE}.{name}"


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the rooms and of the face; scripts for other environments are none."""
    return {module_of(path): path for path in sources(*ROOMS, FACE) if "commands" not in path.parts}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module or ""
            if node.module in (
                "relaionet",
                *(module for module in modules() if modules()[module].name == "__init__.py"),
            ):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def graph() -> Mapping[str, frozenset[str]]:
    """module -> modules of this project it imports, whenever that is: at once, in a function, or for types alone."""
    found = {}
    for name, path in modules().items():
        named = [one for one in imports(path) if one in modules() and one != name]
        # `from package import module` imports the module; its face is then only the way there
        packages = {one.rpartition(".")[0] for one in named}
        faces = {one for one in named if modules()[one].name == "__init__.py"}
        found[name] = frozenset(one for one in named if one not in faces or one not in packages)
    return found


def circles(edges: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """The sets of modules that import each other in a loop (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges.get(name, ()):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            place = stack.index(name)
            found.append(sorted(stack[place:]))
            del stack[place:]

    for name in edges:
        if name not in index:
            visit(name)
    return [one for one in found if len(one) > 1]


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles({name: frozenset(others) for name, others in edges.items()}) == [["b", "c"]]


@pytest.mark.parametrize("path", sources(*ROOMS), ids=relative)
def test_imports_follow_the_rooms(path: Path) -> None:
    here = relative(path)
    room = here.split("/")[0]
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ROOMS, f"{here} imports {name}; say relaionet.{name}"
        if parts[0] == FACE and len(parts) > 1:
            assert parts[1] == room or parts[1] in ROOMS[room], f"{here} may not import {name}"
        assert name != FACE, f"{here} imports the public face, which stands above all rooms"
        if parts[0] in OWNERS:
            assert here.startswith(OWNERS[parts[0]]), f"{here} imports {name}, which {OWNERS[parts[0]]} owns"
        if room == "manifests":
            may = MANIFESTS_MAY | ({"pyarrow"} if path.parent.name == "containers" else set())
            assert parts[0] in may, f"{here} imports {name}; manifests needs polars and the stdlib only"


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert len(graph()) > 300
    assert circles(graph()) == []


def test_what_lies_in_a_room_has_an_order() -> None:
    for room in ROOMS:
        known = ORDER[room].split()
        found = {name.split(".")[2] for name in modules() if name.startswith(f"relaionet.{room}.")}
        assert set(known) == found, f"{room}: {set(known) ^ found} stand in the order or in the room, not in both"
    for name, others in graph().items():
        for other in others:
            (_, room, *place), (_, other_room, *other_place) = name.split("."), other.split(".")
            if room == other_room and room in ROOMS and place and other_place and place[0] != other_place[0]:
                order = ORDER[room].split()
                assert order.index(other_place[0]) < order.index(place[0]), f"{name} imports {other}, which is above it"


def test_sub_packages_do_not_import_each_other() -> None:
    """Those within sub-packages too: for each folder, its sub-folders have an order."""
    folders: dict[str, set[str]] = {}
    for name, others in graph().items():
        here = modules()[name].parent
        for other in others:
            there = modules()[other].parent
            common = next(one for one in (here, *here.parents) if there.is_relative_to(one))
            if here != common and there != common:
                first, second = (folder.relative_to(common).parts[0] for folder in (here, there))
                folders.setdefault(relative(common / first), set()).add(relative(common / second))
    assert circles({name: frozenset(others) for name, others in folders.items()}) == []


def test_folders_can_be_looked_over() -> None:
    for folder in {path.parent for path in sources(*ROOMS, FACE, "tests")}:
        names = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(names) <= FOLDER_FILES, f"{relative(folder)} holds {len(names)} files; make sub-packages"


@pytest.mark.parametrize("path", sources(*ROOMS, FACE), ids=relative)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES, f"{relative(path)} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{relative(path)}: {node.name} has {lines} lines"


def test_every_package_folder_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert set(declared) == found


def test_every_data_file_is_shipped() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    done = subprocess.run(["git", "ls-files", *ROOMS, FACE], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout")
    for path in (ROOT / name for name in done.stdout.splitlines() if not name.endswith(".py")):
        package = next(folder for folder in path.parents if (folder / "__init__.py").exists())
        name = module_of(package / "__init__.py")
        shipped = [found for pattern in patterns["*"] + patterns.get(name, []) for found in package.glob(pattern)]
        assert path in shipped, f"{relative(path)} would not be in the wheel"


def test_lock_names_versions_and_no_index() -> None:
    for name in ("requirements.lock", "requirements-gpu.lock"):
        lines = (ROOT / name).read_text().splitlines()
        assert all("==" in line for line in lines if line and not line.startswith("#"))
        assert not any("://" in line or line.startswith("-") for line in lines)
        assert not any(line.startswith("dataclasses==") for line in lines)


def last_line_of(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['relaionet', '--help']\n"
        "from relaionet.flows.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {(*HEAVY, 'prefect', 'polars')!r} if name in sys.modules])"
    )
    assert last_line_of(code) == "LOADED []"


def test_rooms_import_without_heavy_packages() -> None:
    names = [
        name
        for name, path in modules().items()
        if not name.startswith("relaionet.flows") and "backbones" not in path.parts and "train_" not in path.name
    ]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules and name != 'torch'])"
    assert last_line_of(code) == "[]"
