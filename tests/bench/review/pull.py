"""[pull]: pulling 20,000 annotations into decisions, against the bare SDK's export of the same project as JSON."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.projects import make_project
from relaionet.annotations.label_studio.pull import AnswerPull
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.annotations.tasks.page import label_config
from relaionet.annotations.tasks.tasks import task_data
from relaionet.manifests.labels import read_labels
from tests.bench.review.push import make
from tests.bench.row import Row

TASKS_COUNT, ANSWERS, ROUNDS = 5_000, 4, 2
RESULT = [{"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["yes"]}}]


def fill(client: StudioClient, tasks: pl.DataFrame) -> int:
    """A project whose tasks come with their answers; its id."""
    project = make_project(client, "pull", 1, label_config(read_labels()), ANSWERS)
    for batch in tasks.iter_slices(1000):
        data = [
            {
                "data": {**task_data(row), "image": "http://127.0.0.1/a.jpg", "reference": ""},
                "annotations": [{"result": RESULT, "lead_time": 2.5 + k} for k in range(ANSWERS)],
            }
            for row in batch.to_dicts()
        ]
        client.request("POST", f"/api/projects/{project.id}/import", json=data)
    return project.id


def pull_ours(client: StudioClient, tasks: pl.DataFrame) -> float:
    """Seconds of a first pull, which reads everything, into the decisions table."""
    started = time.perf_counter()
    decisions = read_decisions(AnswerPull(client, "pull"), tasks)
    seconds = time.perf_counter() - started
    if decisions.height != TASKS_COUNT * ANSWERS:
        raise RuntimeError(f"{decisions.height} answers were pulled")
    return seconds


def export_bare(server: StudioServer, project: int) -> float:
    """Seconds of the SDK's export and of parsing its JSON."""
    from label_studio_sdk import LabelStudio

    sdk = LabelStudio(base_url=server.url, api_key=server.token, timeout=900)
    started = time.perf_counter()
    chunks = sdk.projects.exports.download_sync(project, export_type="JSON", download_all_tasks=False)
    found = sum(len(task["annotations"]) for task in json.loads(b"".join(chunks)))
    seconds = time.perf_counter() - started
    if found != TASKS_COUNT * ANSWERS:
        raise RuntimeError(f"{found} answers were exported")
    return seconds


def measure() -> list[Row]:
    """Best of two each, taken in turns."""
    tasks = make(TASKS_COUNT, "pull")
    ours, bare = [], []
    with TemporaryDirectory() as folder, start_studio(Path(folder), timeout_s=600) as server:
        client = connect_studio(server.url, server.token, timeout_s=900)
        project = fill(client, tasks)
        for _ in range(ROUNDS):
            ours.append(pull_ours(client, tasks))
            bare.append(export_bare(server, project))
    unit = "s for 20,000 annotations, SDK's exports.download_sync"
    return [Row(name="pull", ours=min(ours), peer=min(bare), goal="<=1.3", unit=unit)]
