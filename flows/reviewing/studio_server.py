"""The run's own Label Studio: installed, served, stopped, upgraded."""

from __future__ import annotations

import time
from pathlib import Path

from relaionet.annotations.label_studio.installation import STUDIO_VERSION
from relaionet.annotations.label_studio.server import find_studio, stop_studio
from relaionet.annotations.label_studio.upgrade import DATABASE, prepare_folder, read_version, save_database
from relaionet.flows.reviewing.studio import install_here, start_here
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput


def install_local_studio() -> None:
    """Install Label Studio's own environment."""
    reporter = Reporter()
    reporter.say(f"Label Studio: {install_here(reporter)}")


def serve_studio(root: Path, port: int | None) -> None:
    """Start the run's own Label Studio and keep it until Ctrl-C or `stop`."""
    reporter = Reporter()
    install_here(reporter)
    folder = root / "studio"
    is_new = not (folder / "credentials.json").exists()
    last = read_version(folder)
    if last not in (None, STUDIO_VERSION):
        reporter.say(f"Label Studio {last} ran here last; its database is saved before {STUDIO_VERSION} changes it …")
    reporter.say("Starting Label Studio …")
    with start_here(reporter, folder, port=port) as server:
        if not server.owned:
            raise BadInput(f"a Label Studio for {root} already runs at {server.url}.")
        reporter.say(f"\nLabel Studio: {server.url}", f"Log in as:    {server.email}")
        if is_new:
            reporter.say(f"Password:     {server.password}", f"API token:    {server.token}", reveal=True)
            reporter.say(f"Both are shown this once; they are kept in {folder / 'credentials.json'}.")
        else:
            reporter.say(f"Password:     shown at the first start; kept in {folder / 'credentials.json'}")
        reporter.say(f"\nCtrl-C or `relaionet review stop --run {root}` stops it; nothing is lost.")
        while server.is_running():
            time.sleep(1)
    reporter.say("Label Studio has stopped.")


def stop_server(root: Path) -> None:
    """Stop the run's own Label Studio, wherever it was started."""
    url = stop_studio(root / "studio")
    Reporter().say(f"stopped {url}" if url else f"no Label Studio runs for {root}")


def upgrade_studio(root: Path) -> None:
    """Bring a run's Label Studio to the version this project pins: database saved, migrated, checked by starting it.

    Raises:
        BadInput: it runs, it was never served, or it belongs to a newer version.
    """
    reporter = Reporter()
    folder = root / "studio"
    if not (folder / DATABASE).exists():
        raise BadInput(f"{root} has no Label Studio of its own; `relaionet review serve --run {root}` starts one.")
    if find_studio(folder) is not None:
        raise BadInput(f"Label Studio runs for {root}; stop it first: `relaionet review stop --run {root}`.")
    last = read_version(folder)
    if last == STUDIO_VERSION:
        reporter.say(f"Label Studio {STUDIO_VERSION} ran here last; there is nothing to upgrade.")
        return
    saved = prepare_folder(folder) or save_database(folder, "unknown")
    reporter.say(f"database saved as {saved}")
    install_here(reporter)
    with start_here(reporter, folder, timeout_s=600) as server:
        reporter.say(f"Label Studio {last or 'of an unknown version'} -> {STUDIO_VERSION}; it started at {server.url}.")
