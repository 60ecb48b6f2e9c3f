"""What must hold before a flow starts: nothing calls home, and what is known to break things is found."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

from relaionet.pipeline.addresses.proxies import spare_loopback

QUIET = {
    "DO_NOT_TRACK": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # our own lines say what happens; a task's traceback is not for the user
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait do not spin: seven times faster where others work too
}


def find_backport() -> Path | None:
    """The file of the `dataclasses` backport where it is installed.

    img2dataset asks for that package. A server that Prefect starts itself has site-packages first on its path, so the
    backport hides the standard library's module and the server dies with `dataclass() got an unexpected keyword`; the
    flows start their server otherwise (`prefect_server`).
    """
    for key in ("purelib", "platlib"):
        path = Path(sysconfig.get_paths()[key]) / "dataclasses.py"
        if path.exists():
            return path
    return None


def prepare_environment(*, verbose: bool = False) -> None:
    """Set the environment for this process and those it starts; what the user has set stays.

    A proxy of the environment is not asked for this machine's own servers.

    Args:
        verbose: let Prefect write its own log to the terminal.
    """
    for name, value in QUIET.items():
        if not (verbose and "LOGGING" in name):
            os.environ.setdefault(name, value)
    spare_loopback()


def has_module(name: str) -> bool:
    """True when a top-level module can be imported; does not import it."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


def server_address() -> str | None:
    """Address of the Prefect server the user has set up, or None where flows start a temporary one."""
    if os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"]
    if "prefect" not in sys.modules and not _names_server():
        return None  # known without the seconds that importing Prefect takes
    from prefect.settings import PREFECT_API_URL

    value = PREFECT_API_URL.value()
    return str(value) if value else None


def _names_server() -> bool:
    """True where one of the places that Prefect reads its settings from may name a server."""
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    words = {profiles: "PREFECT_", Path(".env"): "PREFECT_", Path("pyproject.toml"): "tool.prefect"}
    words[Path("prefect.toml")] = ""
    return bool(os.environ.get("PREFECT_PROFILE")) or any(_says(path, word) for path, word in words.items())


def _says(path: Path, word: str) -> bool:
    """True where a file is there and holds a word, or cannot be read."""
    try:
        return word.casefold() in path.read_text(encoding="utf-8", errors="replace").casefold()
    except FileNotFoundError:
        return False
    except OSError:
        return True
