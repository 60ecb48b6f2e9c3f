"""`relaionet doctor`: what is installed, what is missing, what to do."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from relaionet.flows.runs.environment import find_backport, has_module, server_address

State = Literal["ok", "note", "problem"]
FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at.

    Attributes:
        about: what was looked at.
        state: `ok`, `note` (works, but know this) or `problem` (something will fail).
        found: what was found.
        to_do: what to do about it; empty where nothing.
    """

    about: str
    state: State
    found: str
    to_do: str = ""


def check_installation(folder: Path) -> list[Finding]:
    """Look at everything a run needs.

    Args:
        folder: where runs would be written; its free space is looked at.
    """
    checks: list[Callable[[], Finding]] = [
        check_python, check_torch, check_faiss, check_fastapi, check_backport, check_prefect, check_studio,
        check_studio_key, check_chromium, lambda: check_disk(folder),
    ]  # fmt: skip
    return [*(check() for check in checks), *check_packages()]


def check_python() -> Finding:
    """Python's version is one the project supports."""
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding(about="Python", state="ok", found=found)
    return Finding(about="Python", state="problem", found=found, to_do="Use Python 3.11, 3.12 or 3.13.")


def check_packages() -> list[Finding]:
    """Packages of the row path, and the optional ones."""
    needed = ("datasets", "img2dataset", "open_clip", "label_studio_sdk", "polars", "prefect", "torch_fidelity")
    optional = {"diffusers": "diffusers", "ray": "ray", "rapidocr": "ocr", "tensorstore": "flax"}
    missing = [name for name in needed if not has_module(name)]
    absent = [f"{name} (pip install '.[{extra}]')" for name, extra in optional.items() if not has_module(name)]
    findings = [
        Finding(about="packages", state="problem", found=f"missing: {', '.join(missing)}",
                to_do="Install with `make setup`, or `pip install '.[cpu]'` in a checkout.")
        if missing else Finding(about="packages", state="ok", found="all there")
    ]  # fmt: skip
    if absent:
        findings.append(Finding(about="optional packages", state="note", found=f"not there: {', '.join(absent)}"))
    return findings


def check_torch() -> Finding:
    """PyTorch and torchvision import together; a GPU is named."""
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        return Finding(
            about="PyTorch", state="problem", found=str(error).splitlines()[0],
            to_do="torch and torchvision must come from one build: reinstall both, as pinned in requirements.lock.",
        )  # fmt: skip
    gpus = torch.cuda.device_count()
    device = ", ".join(torch.cuda.get_device_name(i) for i in range(gpus)) or "no GPU: everything runs on the CPU"
    return Finding(
        about="PyTorch", state="ok", found=f"{torch.__version__}, torchvision {torchvision.__version__}; {device}"
    )


def check_faiss() -> Finding:
    """Exactly one FAISS package is installed."""
    found = [name for name in ("faiss-cpu", "faiss-gpu") if _version(name)]
    if len(found) == 1:
        return Finding(about="FAISS", state="ok", found=f"{found[0]} {_version(found[0])}")
    to_do = "pip uninstall faiss-cpu faiss-gpu, then install one of the two: make setup chooses."
    return Finding(about="FAISS", state="problem", found=" and ".join(found) or "none", to_do=to_do)


def check_fastapi() -> Finding:
    """Prefect's own server needs a fastapi it was made for."""
    version = _version("fastapi") or "0"
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < (0, 151):
        return Finding(about="fastapi", state="ok", found=version)
    to_do = "pip install 'fastapi<0.151': Prefect's temporary server does not start with this one."
    return Finding(about="fastapi", state="problem", found=version, to_do=to_do)


def check_backport() -> Finding:
    """The `dataclasses` backport that img2dataset drags in is absent, or worked around."""
    path = find_backport()
    if path is None:
        return Finding(about="dataclasses backport", state="ok", found="not installed")
    return Finding(
        about="dataclasses backport", state="note", found=f"installed at {path}; the flows do not mind",
        to_do="pip uninstall dataclasses (nothing here needs it, and it breaks a Prefect server you start yourself).",
    )  # fmt: skip


def check_prefect() -> Finding:
    """Which Prefect server the flows would report to."""
    address = server_address()
    found = f"{_version('prefect')}; " + (
        f"server {address}" if address else "a temporary server is started for each run"
    )
    return Finding(about="Prefect", state="ok", found=found)


def check_studio() -> Finding:
    """Label Studio's own environment."""
    from relaionet.annotations.label_studio.installation import INSTALL_TAKES, is_installed, studio_folder

    if is_installed():
        return Finding(about="Label Studio", state="ok", found=f"installed at {studio_folder()}")
    to_do = f"`relaionet review install` installs it ({INSTALL_TAKES}), or set LABEL_STUDIO_URL to yours."
    return Finding(about="Label Studio", state="note", found="not installed here yet", to_do=to_do)


def check_studio_key() -> Finding:
    """Address and key of a Label Studio of one's own; the key itself is never shown."""
    url, key = os.environ.get("LABEL_STUDIO_URL"), os.environ.get("LABEL_STUDIO_API_KEY")
    if url and not key:
        to_do = "Set LABEL_STUDIO_API_KEY to a key from Label Studio's account page."
        return Finding(
            about="Label Studio key", state="problem", found=f"LABEL_STUDIO_URL is {url}, no key", to_do=to_do
        )
    return Finding(about="Label Studio key", state="ok", found=f"set, for {url}" if url else "not needed: local server")


def check_chromium() -> Finding:
    """A browser, for the tests of pages only."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    found = path or "none; only the browser tests need it (Debian: apt-get install chromium)"
    return Finding(about="browser", state="ok" if path else "note", found=found)


def check_disk(folder: Path) -> Finding:
    """Space where runs are written, and the right to write there."""
    place = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.0f} GB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding(about="disk", state="problem", found=f"{place} is not writable", to_do="Choose another --out.")
    if free < FREE_BYTES:
        return Finding(about="disk", state="problem", found=found, to_do="Free some space, or choose another --out.")
    return Finding(about="disk", state="ok", found=found)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
