"""Answers from Label Studio become the run's decisions; what was seen is remembered, so that the next pull is short."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio.client import StudioClient
from relaionet.annotations.label_studio.pull import AnswerPull, read_seen, write_seen
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, read_json, write_json
from relaionet.manifests.tables import DECISIONS, TASKS

PULLED = Path("studio") / "pulled.json"


def pull_decisions(run: Run, name: str, client: StudioClient) -> pl.DataFrame:
    """Every answer there is, added to those known before; only what changed since the last pull is read.

    Args:
        run: the run.
        name: of its review.
        client: of the Label Studio that holds it.
    """
    started = time.perf_counter()
    known, tasks = run.store.read_all(DECISIONS), run.store.read_all(TASKS)
    pull = AnswerPull(client, name, read_seen(_last_pull(run)))
    decisions = read_decisions(pull, tasks, known, salt=review_salt(run.root))
    if run.store.receipt(DECISIONS.name) is None or not decisions.equals(known):
        seconds = time.perf_counter() - started
        run.store.write(decisions, DECISIONS, digest_of(name), seconds=seconds)
        run.made.add(DECISIONS.name)
    # last, so that a pull that is cut off is done again
    write_json(run.root / PULLED, {"digest": _pull_digest(run), "seen": write_seen(pull.seen)})
    new = decisions.height - known.height
    run.reporter.say(f"  {DECISIONS.name:<12}{decisions.height:>7,} = {known.height:,} known + {new:,} new")
    for note in pull.notes:
        run.reporter.say(f"  note: {note}")
    return decisions


def _last_pull(run: Run) -> dict[str, Any]:
    """What the last pull saw; nothing where the tables are not those it left."""
    try:
        noted = read_json(run.root / PULLED)
        return dict(noted["seen"]) if noted["digest"] == _pull_digest(run) else {}
    except (BadInput, Corrupt, KeyError, TypeError, ValueError):
        return {}


def _pull_digest(run: Run) -> str:
    return digest_of([receipt.sha256 for table in (DECISIONS, TASKS) for receipt in run.store.receipts(table)])


def review_salt(root: Path) -> str:
    """Secret of the review's pseudonyms, made once and kept with the run, readable by its owner alone."""
    path = root / "studio" / "pseudonyms.salt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(16))
    return path.read_text()
