"""Passwords and tokens in URLs that commands are given: nothing they print or write shows one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import CliRunner

from relaionet.flows.cli.main import main
from tests.attempts.addresses.secrets import SECRET
from tests.attempts.attempt import Attempt

# name -> arguments, environment
COMMANDS: dict[str, tuple[str, Mapping[str, str]]] = {
    "--out with a password": (f"demo --out s3://me:{SECRET}@bucket/x", {}),
    "a source with a password": (f"source https://me:{SECRET}@h.test/x.parquet", {}),
    "a signed source": (f"source https://h.test/x.parquet?sig={SECRET}", {}),
    "a source of an unknown scheme": (f"source s9://me:{SECRET}@h.test/x.parquet", {}),
    "a release with a password": (f"rebuild https://me:{SECRET}@h.test/x --out out", {}),
    "a service with a password": (f"neighbours check http://me:{SECRET}@127.0.0.1:9", {}),
    "a service with a token": (f"neighbours check http://127.0.0.1:9/?token={SECRET}", {}),
    "a service that is none": (f"neighbours check nonsense://me:{SECRET}@h.test", {}),
    "a row's URL": (f"trace https://me:{SECRET}@h.test/x.jpg --run .", {}),
    "Label Studio with a password": ("review status", {"LABEL_STUDIO_URL": f"http://me:{SECRET}@127.0.0.1:9",
                                                     "LABEL_STUDIO_API_KEY": "k"}),
    "doctor": ("doctor", {"LABEL_STUDIO_URL": f"http://me:{SECRET}@127.0.0.1:9", "PREFECT_API_URL":
                          f"http://me:{SECRET}@127.0.0.1:9/api"}),
    "Ray with a password": (f"embed . --encoder miniature --out out --on ray://me:{SECRET}@h.test:1", {}),
}  # fmt: skip


def by_command(text: str, environment: Mapping[str, str]) -> Callable[[Path], str]:
    """What a command prints does not show it."""

    def run(folder: Path) -> str:
        before = Path.cwd()
        os.chdir(folder)
        try:
            done = CliRunner().invoke(main, text.split(" "), env=dict(environment), catch_exceptions=True)
        finally:
            os.chdir(before)
        assert done.output, "it said nothing"
        assert SECRET not in done.output, "it was printed"
        assert not [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        return "not printed, on no file"

    return run


def shown(text: str, environment: Mapping[str, str]) -> str:
    """A command as it is typed."""
    return " ".join([*(f"{key}={value}" for key, value in environment.items()), text])


ATTEMPTS = [
    Attempt(
        name=name, kind="Secrets of the command line", input_shown=shown(text, environment),
        expected="not printed, on no file", run=by_command(text, environment),
    )
    for name, (text, environment) in COMMANDS.items()
]  # fmt: skip
