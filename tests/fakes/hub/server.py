"""An offline Hub: a loopback server that speaks the Hugging Face Hub's protocol, so that real loading code is tested.

    with serve_hub(folder) as hub:      # <folder>/models/<owner>/<name>/…, <folder>/datasets/<owner>/<name>/…
        subprocess.run([...], env=hub.environment(home=tmp_path))
        hub.use_here(monkeypatch, home=tmp_path)         # or in this process

Repositories are plain folders in their real layouts (what `save_pretrained` writes, what is on the Hub). Each is one
commit on `main` with the shas the Hub would make up; `hub.add(...)` adds more repositories or commits, `hub.tag(...)`
names one. Files with the Hub's large-file suffixes are answered by a redirect to a second server, as the Hub's storage
is; it refuses a request that carries the token. Private and gated repositories want `hub.token`. `hub.fail(...)`
switches faults on. Uploads work too: what `huggingface_hub` creates and commits is kept until the Hub stops.

tests/contract/hub/test_hub.py shows what works with it: huggingface_hub, datasets (parquet, image folders, WebDataset),
transformers, diffusers, open_clip, sentence-transformers. Not served: search, discussions, Spaces, Xet.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.hub.answering import CdnHandler
from tests.fakes.hub.answers import HubHandler
from tests.fakes.hub.faults import Fault, Faults, Kind
from tests.fakes.hub.repos import KINDS, REPO_ID, Blobs, Commit, Repo

if TYPE_CHECKING:
    import pytest


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1 that knows its Hub."""

    daemon_threads = True
    request_queue_size = 128
    hub: Hub

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), handler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Take a connection and remember it."""
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        """Answer no more, on open connections neither."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # closed before
                connection.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave early are part of the tests."""


class Hub:
    """The offline Hub.

    Attributes:
        url: its address, what HF_ENDPOINT is set to.
        cdn_url: address of the large files.
        token: opens private and gated repositories, and is needed to write.
        reader_token: a valid token without those rights.
        repos: (kind, owner/name) -> repository.
        asked: "METHOD /path" -> number of requests.
    """

    token, reader_token = "hf_offline_writer", "hf_offline_reader"

    def __init__(self, work: Path) -> None:
        self.blobs = Blobs(work / "blobs")
        self.repos: dict[tuple[str, str], Repo] = {}
        self.asked: Counter[str] = Counter()
        self.faults = Faults()
        self.lock = threading.RLock()
        self._servers = [LoopbackServer(handler) for handler in (HubHandler, CdnHandler)]
        for server in self._servers:
            server.hub = self
        self.url, self.cdn_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def add(
        self, kind: str, repo_id: str, folder: Path | None = None, *, private: bool = False, gated: bool = False,
        title: str = "Add files",
    ) -> Commit | None:  # fmt: skip
        """Add a repository, or a commit to it.

        Args:
            kind: "models", "datasets" or "spaces".
            repo_id: `owner/name`.
            folder: its files from now on; None makes it empty.
            private: wants the token.
            gated: its files want the token.
            title: of the commit.
        """
        if kind not in KINDS or not REPO_ID.fullmatch(repo_id):
            raise ValueError(f"{kind}/{repo_id} is no repository: expected one of {KINDS} and owner/name")
        with self.lock:
            repo = self.repos.setdefault((kind, repo_id), Repo(kind=kind, repo_id=repo_id, blobs=self.blobs))
            repo.is_private, repo.is_gated = private, gated
            if folder is not None:
                return repo.commit_folder(folder, title)
            return repo.commit({}, "initial commit") if not repo.refs else None

    def tag(self, kind: str, repo_id: str, name: str, revision: str = "main") -> str:
        """Give a commit a name; returns its sha."""
        repo = self.repos[kind, repo_id]
        commit = repo.find(revision)
        if commit is None:
            raise KeyError(f"{repo_id} has no revision {revision}")
        repo.refs[name] = commit.sha
        return commit.sha

    def fail(
        self, pattern: str, kind: Kind, *, status: int = 503, seconds: float = 0.2, times: int | None = None
    ) -> None:
        """Switch a fault on: see `Fault`."""
        self.faults.add(Fault(pattern=pattern, kind=kind, status=status, seconds=seconds, times=times))

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """Environment for a process that is to use this Hub and nothing else.

        Args:
            home: its HF_HOME; a fresh folder has nothing cached.
            token: as HF_TOKEN.
        """
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))
        }
        kept = {
            key: value for key, value in kept.items() if key.lower() not in ("http_proxy", "https_proxy", "all_proxy")
        }
        return kept | {
            "HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "DO_NOT_TRACK": "1",
            "NO_PROXY": "127.0.0.1", "TOKENIZERS_PARALLELISM": "false",
        } | ({} if token is None else {"HF_TOKEN": token})  # fmt: skip

    def use_here(self, patch: pytest.MonkeyPatch, home: Path, token: str | None = None) -> None:
        """Make the Hub's client of this very process use this Hub until the patch is undone; faster than a process.

        Libraries that read the address when they are imported (datasets) need a process with `environment`.
        """
        from huggingface_hub import constants

        for key, value in {
            "ENDPOINT": self.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": self.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(home / "hub"), "HF_TOKEN_PATH": str(home / "token"), "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True, "HF_HUB_DISABLE_TELEMETRY": True, "HF_XET_CACHE": str(home / "xet"),
        }.items():  # fmt: skip
            patch.setattr(constants, key, value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.delenv(name, raising=False)
        if token is not None:
            patch.setenv("HF_TOKEN", token)

    def start(self) -> None:
        """Answer from now on."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        for server in self._servers:
            server.hang_up()


@contextmanager
def serve_hub(folder: Path | None = None) -> Iterator[Hub]:
    """Serve the repositories of a folder, `<folder>/<kind>/<owner>/<name>/…`, until the end of the block.

    Args:
        folder: None starts an empty Hub.
    """
    with tempfile.TemporaryDirectory(prefix="hub-") as work:
        hub = Hub(Path(work))
        for kind in KINDS if folder is not None else ():
            for repo in sorted((folder / kind).glob("*/*/")):
                hub.add(kind, repo.relative_to(folder / kind).as_posix(), repo)
        hub.start()
        try:
            yield hub
        finally:
            hub.stop()
