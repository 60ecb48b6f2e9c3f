"""Which Label Studio a review is on: the one of the environment, or the run's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.installation import install_studio
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput

URL, KEY = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A Label Studio to work with.

    Attributes:
        client: connection under the user's key.
        documents: folder its local-file storage reads, where it runs on this machine; None where images are uploaded.
        server: the local server, where it is one.
    """

    client: StudioClient
    documents: Path | None = None
    server: StudioServer | None = None


def install_here(reporter: Reporter) -> Path:
    """Install Label Studio's own environment where it is not there; returns its command."""
    with reporter.bar("installing", None):
        return install_studio(progress=reporter.say)


def start_here(reporter: Reporter, folder: Path, **options: Any) -> StudioServer:
    """Start the Label Studio of a run's folder; it takes `start_studio`'s options."""
    with reporter.bar("starting", None):
        return start_studio(folder, **options)


@contextmanager
def open_studio(run: Run) -> Iterator[Studio]:
    """The user's Label Studio where LABEL_STUDIO_URL is set, else the run's own, started where it does not run yet.

    Raises:
        BadInput: the key is missing or wrong.
        Unavailable: the server does not answer.
    """
    url = os.environ.get(URL)
    if url:
        key = os.environ.get(KEY)
        if not key:
            raise BadInput(f"{URL} is set but {KEY} is not. Take a key from Label Studio's account page and set it.")
        yield Studio(client=connect_studio(url, key))
        return
    install_here(run.reporter)
    run.reporter.say("  Label Studio on this machine: started where it does not run yet …")
    with start_here(run.reporter, run.root / "studio") as server:
        yield Studio(client=connect_studio(server.url, server.token), documents=server.documents, server=server)
