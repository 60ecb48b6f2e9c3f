"""`run.json`: what a run was made from, so that a number always knows where it came from."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from relaionet.manifests.files import counted_fields, digest_of, read_json, write_json

PACKAGES = (
    "relaionet", "torch", "torchvision", "open_clip_torch", "faiss-cpu", "faiss-gpu", "img2dataset", "datasets",
    "label-studio-sdk", "polars", "prefect", "torch-fidelity", "numpy", "pillow", "transformers", "diffusers",
    "rapidocr", "onnxruntime",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of the packages that can change a result; those not installed are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of the checkout this package runs from, `-dirty` where files differ; None outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip()


def device_name() -> str:
    """The accelerator's name, or the processor's kind where there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({platform.machine()})"


def write_run_record(folder: Path, settings: Any, **more: Any) -> dict[str, Any]:
    """Write `run.json` into a run's folder and return what it holds.

    Args:
        folder: folder of the run.
        settings: the dataclass, or dict of them, the run was steered by; holds no secret by design.
        **more: fingerprints, seeds and whatever else the run depends on.
    """
    record = {
        "recipe": settings,
        "recipe_digest": digest_of(settings),
        "packages": package_versions(),
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device_name(),
        **more,
    }
    path = folder / "run.json"
    record = _as_json(record)
    if not path.exists() or read_json(path) != record:
        write_json(path, record)
    return record


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _as_json(held) for name, held in counted_fields(value).items()}
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value
