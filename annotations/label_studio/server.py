"""A local Label Studio on loopback: started, found again and stopped by the project.

Everything it keeps is in one folder: its SQLite database, its log, `credentials.json` (mode 0600: the administrator's
password and token, made at random) and `documents/` (the only files it may serve). It calls nobody: analytics,
crash reports, version checks and sign-up without an invitation are off.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaionet.annotations.label_studio.installation import STUDIO_VERSION, empty_database, is_installed, studio_command
from relaionet.annotations.label_studio.server_settings import read_credentials, server_environment
from relaionet.annotations.label_studio.upgrade import note_version, prepare_folder
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.child_process import STOP_S, ChildProcess, guarded, read_log, start_child

_POLL_S = 0.25


@dataclass(frozen=True, kw_only=True)
class StudioServer:
    """A running Label Studio.

    Attributes:
        url: `http://127.0.0.1:PORT`, without a slash at the end.
        token: the administrator's API token; a secret.
        email: the administrator's login.
        password: the administrator's password; a secret.
        folder: where the server keeps everything.
        documents: folder whose files the server may show.
        pid: process that guards the server.
        owned: True when this call started it; only then does `stop` stop it.
    """

    url: str
    token: str = field(repr=False)
    email: str
    password: str = field(repr=False)
    folder: Path
    documents: Path
    pid: int
    owned: bool
    _guard: ChildProcess | None = field(default=None, repr=False)

    def is_running(self) -> bool:
        """True while the server process is there (or answers, where this call found it running)."""
        if self._guard is not None:
            return self._guard.is_running()
        return _answers(self.url, self.token)

    def stop(self) -> None:
        """Stop the server and everything it started; nothing happens when it was found running."""
        if self._guard is None:
            return
        self._guard.stop(ask="close", wait_s=STOP_S + 5, group=True)
        (self.folder / "server.json").unlink(missing_ok=True)

    def __enter__(self) -> StudioServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(url: str, token: str) -> bool:
    request = urllib.request.Request(f"{url}/api/current-user/whoami", headers={"Authorization": f"Token {token}"})
    # a proxy of the environment must not stand between this machine and itself
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _running(folder: Path, credentials: dict[str, str]) -> dict[str, Any] | None:
    """What `server.json` says, when a server that takes our token really answers there."""
    try:
        note = json.loads((folder / "server.json").read_text())
        return note if _answers(note["url"], credentials["token"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _log_tail(log: Path, lines: int = 8) -> str:
    return "\n".join(read_log(log).splitlines()[-lines:])


def start_studio(
    folder: Path, *, port: int | None = None, timeout_s: float = 900, home: Path | None = None
) -> StudioServer:
    """Start Label Studio for a folder, or find the one that already runs for it.

    It ends with `stop`, at the end of a `with` block, and when the calling process dies in whatever way.

    Args:
        folder: where it keeps everything; made when missing, mode 0700.
        port: on 127.0.0.1; None takes a free one.
        timeout_s: how long the start may take in seconds; the first one makes the database (about 30 s).
        home: where Label Studio is installed; see `installation.find_home`.

    Returns:
        The server, ready to answer.

    Raises:
        BadInput: it is not installed, the port is taken, the folder cannot be used or is that of a newer version.
        Unavailable: it did not start; the message ends with its log.
    """
    from filelock import FileLock

    folder = folder.resolve()
    if not is_installed(home):
        raise BadInput(
            f"Label Studio {STUDIO_VERSION} is not installed at {studio_command(home)}; run `relaionet review install`."
        )
    credentials = read_credentials(folder)
    (folder / "documents").mkdir(exist_ok=True)
    with FileLock(folder / "server.lock"):
        note = _running(folder, credentials)
        if note is not None:
            if port is not None and not note["url"].endswith(f":{port}"):
                raise BadInput(f"a server for {folder} already runs at {note['url']}; stop it or leave out the port.")
            return _server(folder, credentials, note["url"], int(note["pid"]), None)
        return _launch(folder, credentials, port or _free_port(), timeout_s, home)


def stop_studio(folder: Path) -> str | None:
    """Stop the server that runs for a folder, whoever started it; its address, or None where none runs.

    Raises:
        Unavailable: it does not end.
    """
    folder = folder.resolve()
    if not (folder / "server.json").exists():
        return None
    note = _running(folder, read_credentials(folder))
    if note is None:
        return None
    os.kill(int(note["pid"]), signal.SIGTERM)
    end = time.monotonic() + STOP_S + 5
    while _answers(note["url"], read_credentials(folder)["token"]):
        if time.monotonic() > end:
            raise Unavailable(f"the server at {note['url']} (process {note['pid']}) does not end; end it by hand.")
        time.sleep(_POLL_S)
    (folder / "server.json").unlink(missing_ok=True)
    return str(note["url"])


def find_studio(folder: Path) -> str | None:
    """Address of the server that runs for a folder; None where none does."""
    if not (folder / "server.json").exists():
        return None
    note = _running(folder, read_credentials(folder))
    return str(note["url"]) if note else None


def _server(folder: Path, credentials: dict[str, str], url: str, pid: int, guard: ChildProcess | None) -> StudioServer:
    return StudioServer(
        url=url, folder=folder, documents=folder / "documents", pid=pid, owned=guard is not None, _guard=guard,
        **credentials,
    )  # fmt: skip


def _launch(folder: Path, credentials: dict[str, str], port: int, timeout_s: float, home: Path | None) -> StudioServer:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"port {port} of 127.0.0.1 is taken; name another one or none.")
    url = f"http://127.0.0.1:{port}"
    log = folder / "label-studio.log"
    command = [
        str(studio_command(home)), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port),
        "--enable-legacy-api-token",
    ]  # fmt: skip
    prepare_folder(folder)
    _copy_database(folder / "data", home)
    with log.open("ab") as out:
        guard = start_child(
            guarded(command), output=out, errors="output", folder=folder,
            environment=server_environment(folder, credentials), own_group=True,
        )  # fmt: skip
    server = _server(folder, credentials, url, guard.pid, guard)
    try:
        _wait_ready(server, log, timeout_s)
        note_version(folder)
        (folder / "server.json").write_text(json.dumps({"pid": guard.pid, "url": url}))
    except BaseException:
        server.stop()
        raise
    return server


def _copy_database(data: Path, home: Path | None) -> None:
    target, empty = data / "label_studio.sqlite3", empty_database(home)
    if empty.exists() and not target.exists():
        data.mkdir(mode=0o700, exist_ok=True)
        with replacing(target) as part:
            shutil.copyfile(empty, part)


def _wait_ready(server: StudioServer, log: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server._guard is not None and not server._guard.is_running():
            raise Unavailable(f"Label Studio ended while starting; its log {log} says:\n{_log_tail(log)}")
        if _answers(server.url, server.token):
            return
        time.sleep(_POLL_S)
    raise Unavailable(f"Label Studio was not ready after {timeout_s:.0f} s; its log {log} says:\n{_log_tail(log)}")
