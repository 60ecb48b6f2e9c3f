"""[push]: tasks pushed per second, against a bare label_studio_sdk import of the same tasks into the same server."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import polars as pl

from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.projects import list_projects, make_project, read_tasks
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.label_studio.server import StudioServer, start_studio
from relaionet.annotations.tasks.page import label_config
from relaionet.annotations.tasks.tasks import make_tasks, task_data
from relaionet.manifests.labels import read_labels
from tests.bench.review.picture_place import serve_picture
from tests.bench.row import Row

TASKS_COUNT, ROUNDS, BATCH = 5_000, 3, 1000
WNIDS = [label.wnid for label in read_labels()]


def make(count: int, name: str) -> pl.DataFrame:
    """Tasks as a review has them: four classes each, a caption of a usual length."""
    rows = [
        {
            "candidate_id": hashlib.sha256(f"{name} {i}".encode()).hexdigest(), "wnid": WNIDS[i % 1000],
            "top_wnids": [WNIDS[(i + k) % 1000] for k in range(4)], "path": f"{i}.jpg",
            "caption": f"a photo with the number {i} and what people write below a photo",
        }
        for i in range(count)
    ]  # fmt: skip
    return make_tasks(pl.DataFrame(rows))


def push_ours(client: StudioClient, name: str, tasks: pl.DataFrame, page: str, address: str) -> float:
    """Seconds of our push; the pictures are under an address, so that both send tasks alone."""
    config = PushConfig(pictures=address, batch_count=BATCH)
    started = time.perf_counter()
    result = push_tasks(client, name, tasks, Path(), page, config)
    seconds = time.perf_counter() - started
    if result.pushed_count != tasks.height:
        raise RuntimeError(f"{result.pushed_count} of {tasks.height} tasks were pushed")
    return seconds


def push_bare(server: StudioServer, client: StudioClient, name: str, tasks: pl.DataFrame, page: str) -> float:
    """Seconds of the SDK's own import of the same data, in requests of the same size."""
    from label_studio_sdk import LabelStudio

    sdk = LabelStudio(base_url=server.url, api_key=server.token, timeout=600)
    data = [
        {"data": {**task_data(row), "image": f"http://127.0.0.1/{row['candidate_id']}.jpg", "reference": ""}}
        for row in tasks.to_dicts()
    ]
    project = make_project(client, name, 1, page, 3)
    started = time.perf_counter()
    for start in range(0, len(data), BATCH):
        sdk.projects.import_tasks(project.id, request=data[start:][:BATCH])
    seconds = time.perf_counter() - started
    if len(read_tasks(client, project.id)) != tasks.height:
        raise RuntimeError("the SDK did not import all tasks")
    return seconds


def measure() -> list[Row]:
    """The rate of pushing 5,000 tasks with a page of 1000 classes; medians of three, taken in turns."""
    page = label_config(read_labels())
    ours, bare = [], []
    with (
        TemporaryDirectory() as folder,
        start_studio(Path(folder), timeout_s=600) as server,
        serve_picture() as address,
    ):
        client = connect_studio(server.url, server.token)
        for turn in range(ROUNDS):
            tasks = make(TASKS_COUNT, f"push {turn}")
            for who in ("ours", "bare") if turn % 2 else ("bare", "ours"):
                if who == "ours":
                    ours.append(TASKS_COUNT / push_ours(client, f"ours {turn}", tasks, page, address))
                else:
                    bare.append(TASKS_COUNT / push_bare(server, client, f"bare {turn}", tasks, page))
            for name in (f"ours {turn}", f"bare {turn}"):
                for project in list_projects(client, name):
                    client.request("DELETE", f"/api/projects/{project.id}/")
    unit = "tasks/s, SDK's import_tasks in requests of 1000"
    return [Row(name="push", ours=median(ours), peer=median(bare), goal=">=0.8", unit=unit)]
