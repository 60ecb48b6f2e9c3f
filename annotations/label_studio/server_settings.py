"""What a local Label Studio is started with: its administrator's login, made at random, and its environment."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from relaionet.annotations.tasks.page import SUBMIT_KEYS
from relaionet.manifests.errors import BadInput
from relaionet.manifests.replacing import replacing

ADMIN_EMAIL = "admin@localhost"
# of Label Studio's editor, for every user of the server; what Enter did before has a key nobody presses
_KEYMAP = {
    "annotation:submit": {**SUBMIT_KEYS, "description": "Submit annotation"},
    "region:focus": {"key": "alt+shift+f", "description": "Focus first focusable region"},
}


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
            with (
                replacing(path) as part,
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file,
            ):
                json.dump(made, file)
        found = json.loads(path.read_text())
        return {name: str(found[name]) for name in ("email", "password", "token")}
    except OSError as error:
        raise BadInput(f"cannot use {folder} for Label Studio: {error}.") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is no credentials file; move {folder} away to start anew.") from None


def server_environment(folder: Path, credentials: dict[str, str]) -> dict[str, str]:
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
        "EDITOR_KEYMAP": json.dumps(_KEYMAP),
        # SQLite with a write-ahead log: readers do not wait for writers, and an answer costs fewer flushes
        "AZURE_MOUNT_FIX": "true",
    }
    named = {f"LABEL_STUDIO_{name}": value for name, value in studio.items()}
    # some of these are read without the prefix only
    plain = {"SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "", "COLLECT_ANALYTICS": "false", "DO_NOT_TRACK": "1"}
    return {**kept, **named, **plain, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
