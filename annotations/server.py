"""A local Label Studio on loopback: started, found again and stopped by the project.

Everything it keeps is in one folder: its SQLite database, its log, `credentials.json` (mode 0600: the administrator's
password and token, made at random) and `documents/` (the only files it may serve). It calls nobody: analytics,
crash reports, version checks and sign-up without an invitation are off.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaionet.annotations.guard import STOP_S
from relaionet.annotations.installation import (
    STUDIO_VERSION,
    empty_database,
    install_studio,
    is_installed,
    studio_command,
)
from relaionet.manifests.errors import BadInput, Unavailable

ADMIN_EMAIL = "admin@localhost"
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
    _guard: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def is_running(self) -> bool:
        """True while the server process is there (or answers, where this call found it running)."""
        if self._guard is not None:
            return self._guard.poll() is None
        return _answers(self.url, self.token)

    def stop(self) -> None:
        """Stop the server and everything it started; nothing happens when it was found running."""
        if self._guard is None:
            return
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            self._guard.wait(timeout=STOP_S + 5)
        except subprocess.TimeoutExpired:
            _kill_group(self._guard.pid, signal.SIGKILL)
            self._guard.wait()
        (self.folder / "server.json").unlink(missing_ok=True)

    def __enter__(self) -> StudioServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def read_credentials(folder: Path) -> dict[str, str]:
    """Login of the folder's administrator, made at random the first time: email, password, token.

    Raises:
        BadInput: the file is not readable or is no JSON.
    """
    path = folder / "credentials.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not path.exists():
            made = {"email": ADMIN_EMAIL, "password": secrets.token_urlsafe(18), "token": secrets.token_hex(20)}
            part = path.with_suffix(".part")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(made, file)
            part.replace(path)
        found = json.loads(path.read_text())
        return {name: str(found[name]) for name in ("email", "password", "token")}
    except OSError as error:
        raise BadInput(f"cannot use {folder} for Label Studio: {error}.") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is no credentials file; move {folder} away to start anew.") from None


def _environment(folder: Path, credentials: dict[str, str]) -> dict[str, str]:
    """Only what the server needs: names such as HOST or DEBUG in the caller's environment would change it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    studio = {
        "BASE_DATA_DIR": str(folder / "data"),
        "USERNAME": credentials["email"],
        "PASSWORD": credentials["password"],
        "USER_TOKEN": credentials["token"],
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(folder / "documents"),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "CORS_ALLOW_ALL_ORIGINS": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "FEATURE_FLAGS_OFFLINE": "true",
        "LOG_LEVEL": "WARNING",
        # SQLite with a write-ahead log: readers do not wait for writers, and an answer costs fewer flushes
        "AZURE_MOUNT_FIX": "true",
    }
    named = {f"LABEL_STUDIO_{name}": value for name, value in studio.items()}
    # some of these are read without the prefix only
    plain = {"SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "COLLECT_ANALYTICS": "false", "DO_NOT_TRACK": "1"}
    return {**kept, **named, **plain, "HOME": str(folder), "OMP_NUM_THREADS": "1"}


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
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def start_studio(
    folder: Path, *, port: int | None = None, timeout_s: float = 120, home: Path | None = None
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
        BadInput: it is not installed, the port is taken or the folder cannot be used.
        Unavailable: it did not start; the message ends with its log.
    """
    from filelock import FileLock

    folder = folder.resolve()
    if not is_installed(home):
        raise BadInput(
            f"Label Studio {STUDIO_VERSION} is not installed at {studio_command(home)}; "
            "run `python -m relaionet.annotations.server --install`."
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


def _server(
    folder: Path, credentials: dict[str, str], url: str, pid: int, guard: subprocess.Popen[bytes] | None
) -> StudioServer:
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
    _copy_database(folder / "data", home)
    with log.open("ab") as out:
        guard = subprocess.Popen(
            [sys.executable, "-m", "relaionet.annotations.guard", *command],
            stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=folder, env=_environment(folder, credentials),
            start_new_session=True,
        )  # fmt: skip
    server = _server(folder, credentials, url, guard.pid, guard)
    try:
        _wait_ready(server, log, timeout_s)
        (folder / "server.json").write_text(json.dumps({"pid": guard.pid, "url": url}))
    except BaseException:
        server.stop()
        raise
    return server


def _copy_database(data: Path, home: Path | None) -> None:
    target, empty = data / "label_studio.sqlite3", empty_database(home)
    if empty.exists() and not target.exists():
        data.mkdir(mode=0o700, exist_ok=True)
        part = target.with_suffix(".part")
        shutil.copyfile(empty, part)
        part.replace(target)


def _wait_ready(server: StudioServer, log: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server._guard is not None and server._guard.poll() is not None:
            raise Unavailable(f"Label Studio ended while starting; its log {log} says:\n{_log_tail(log)}")
        if _answers(server.url, server.token):
            return
        time.sleep(_POLL_S)
    raise Unavailable(f"Label Studio was not ready after {timeout_s:.0f} s; its log {log} says:\n{_log_tail(log)}")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: list[str] | None = None) -> int:
    """`--install` makes Label Studio's own environment and prints the path of its command."""
    parser = argparse.ArgumentParser(prog="python -m relaionet.annotations.server")
    parser.add_argument("--install", action="store_true", required=True, help="make Label Studio's own environment")
    parser.parse_args(arguments)
    try:
        sys.stdout.write(f"{install_studio(progress=_tell)}\n")
    except (BadInput, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
