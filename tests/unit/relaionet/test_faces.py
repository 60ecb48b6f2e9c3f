"""The faces of all packages: sorted, whole, and cheap to import. What they hold is declared in each `__init__.pyi`."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("manifests", "pipeline", "annotations", "evaluators", "flows")
HEAVY = (
    "polars", "numpy", "torch", "torchvision", "PIL", "pyarrow", "pandas", "scipy", "sklearn", "faiss", "open_clip",
    "transformers", "diffusers", "datasets", "matplotlib", "prefect", "ray", "label_studio_sdk", "httpx", "click",
    "rich", "huggingface_hub", "img2dataset", "imagehash", "jinja2", "safetensors", "psutil",
)  # fmt: skip


def packages() -> list[str]:
    folders = [path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py")]
    return ["relaionet", *("relaionet." + ".".join(one.relative_to(ROOT).parts) for one in sorted(folders))]


def folder_of(package: str) -> Path:
    return ROOT / "relaionet" if package == "relaionet" else ROOT.joinpath(*package.split(".")[1:])


@pytest.mark.parametrize("package", packages())
def test_a_face_is_sorted_and_every_name_on_it_is_there(package: str) -> None:
    face = import_module(package)
    assert face.__doc__
    assert face.__all__, "a package without a face"
    assert list(face.__all__) == sorted(set(face.__all__))
    assert dir(face) == face.__all__
    for name in face.__all__:
        assert getattr(face, name) is not None
    with pytest.raises(AttributeError):
        _ = face.no_such_name


@pytest.mark.parametrize("package", packages())
def test_a_face_says_the_same_to_type_checkers(package: str) -> None:
    stub = ast.parse((folder_of(package) / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    (listed,) = (node.value for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(imported) == sorted(ast.literal_eval(listed)) == import_module(package).__all__


@pytest.mark.parametrize("package", packages())
def test_no_name_on_a_face_hides_a_module(package: str) -> None:
    beside = {path.stem for path in folder_of(package).glob("*.py")} | {
        path.parent.name for path in folder_of(package).glob("*/__init__.py")
    }
    face = import_module(package)
    for name in beside & set(face.__all__):
        assert getattr(face, name) is import_module(f"{package}.{name}")


def test_importing_all_faces_imports_nothing_heavy() -> None:
    code = f"import importlib, sys\nfor name in {packages()!r}: importlib.import_module(name)\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_modules_import_from_the_module_that_defines_a_name() -> None:
    """The list of all tables is the one face that code of the project imports from; nothing imports the public one."""
    found, faces = [], {one for one in packages() if one != "relaionet.manifests.tables"}
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in faces:
                folder = folder_of(node.module)
                names = [alias.name for alias in node.names]
                rooms = ROOMS if node.module == "relaionet" else ()
                modules = [one for one in names if (folder / f"{one}.py").exists() or (folder / one).is_dir()]
                found += [f"{path.relative_to(ROOT)}: {one}" for one in names if one not in (*modules, *rooms)]
            elif isinstance(node, ast.Import):
                found += [f"{path.relative_to(ROOT)}: {one.name}" for one in node.names if one.name in faces]
    assert not found


def test_the_public_face_names_what_a_notebook_wants() -> None:
    import relaionet as rn

    wanted = [
        "__version__",
        "load_release",
        "load_split",
        "rebuild",
        "curate",
        "score",
        "evaluate",
        "report",
        "load_generator",
        "metrics",
    ]
    assert set(wanted) <= set(dir(rn))
    for name in wanted[1:]:
        assert getattr(rn, name).__doc__


def test_the_public_face_imports_nothing_but_the_standard_library_and_what_loads_lazily() -> None:
    code = "import sys\nbefore = set(sys.modules)\nimport relaionet\n"
    code += "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
    code += "print(sorted(new - set(sys.stdlib_module_names)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['lazy_loader', 'relaionet']"
