"""A real Label Studio killed with SIGKILL in mid-push and mid-pull and started again: nothing is lost, nothing twice.

It dies once in each of two pushes and two pulls; in `make nightly` many times.
"""

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from collections import Counter
from functools import partial

import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio import projects
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.projects import list_projects, read_tasks
from relaionet.annotations.label_studio.pull import AnswerPull
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.label_studio.server import start_studio
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.errors import Unavailable
from relaionet.manifests.labels import read_labels
from tests.depth import deep
from tests.waiting import WATCHDOG_S, wait_until

pytestmark = [pytest.mark.studio, pytest.mark.slow]

KILLS = deep(1)
PER_KILL = 40  # tasks
BATCH = 8
WNID = read_labels()[0].wnid


class Mortal:
    """A server that can be killed and comes back at the same address."""

    def __init__(self, folder):
        self.folder, self.deaths = folder, 0
        self.server = start_studio(folder, timeout_s=WATCHDOG_S)
        self.url, self.token = self.server.url, self.server.token

    def kill(self):
        """Kill it and all it started, then start it again."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server._guard.wait(WATCHDOG_S)
        self.deaths += 1
        port = int(self.url.rpartition(":")[2])
        self.server = start_studio(self.folder, port=port, timeout_s=WATCHDOG_S)


@pytest.fixture
def mortal(tmp_path):
    made = Mortal(tmp_path / "studio")
    try:
        yield made
    finally:
        made.server.stop()


def make(count, photos):
    photos.mkdir()
    Image.new("RGB", (32, 24), "teal").save(photos / "a.png")
    rows = [
        {"candidate_id": hashlib.sha256(f"kill {i}".encode()).hexdigest(), "wnid": WNID, "top_wnids": [WNID],
         "path": "a.png", "caption": None}
        for i in range(count)
    ]  # fmt: skip
    return make_tasks(pl.DataFrame(rows, schema_overrides={"caption": pl.String}), overlap=2)


def until_done(work):
    """Do it again for as long as the server is away, as a user would."""

    def again():
        with contextlib.suppress(Unavailable):
            return [work()]

    return wait_until(again, every_s=0.5)[0]


@pytest.mark.parametrize("patience_s", [120, 0], ids=["waits", "gives_up"])
def test_killed_in_mid_push_and_mid_pull(mortal, tmp_path, patience_s, monkeypatch):
    tasks = make(PER_KILL * KILLS, tmp_path / "photos")
    page = label_config(page_labels(tasks))
    config = PushConfig(documents=mortal.server.documents, batch_count=BATCH)
    rng = random.Random(patience_s)
    dying = []

    def die_soon():
        """While the next request is under way."""
        dying.append(threading.Thread(target=lambda: (time.sleep(rng.random() * 0.08), mortal.kill())))
        dying[-1].start()

    def push(moments):
        """One push; the server dies after each of the batches named."""
        client = connect_studio(mortal.url, mortal.token, patience_s=patience_s)

        def watch(count):
            done.append(count)
            if moments and len(done) >= moments[0]:
                moments.pop(0)
                die_soon()

        done = []
        return push_tasks(client, "kill", tasks, tmp_path / "photos", page, config, progress=watch)

    moments = [1 + k * PER_KILL // BATCH for k in range(KILLS)] if patience_s else [1] * KILLS
    until_done(lambda: push(moments))
    for one in dying:
        one.join()
    assert (mortal.deaths, moments) == (KILLS, [])
    client = connect_studio(mortal.url, mortal.token, patience_s=120)
    until_done(lambda: push([]))
    made = list_projects(client, "kill")
    there = Counter(task["data"]["candidate_id"] for one in made for task in read_tasks(client, one.id))
    assert sorted(there) == sorted(tasks["candidate_id"])
    assert set(there.values()) == {1}

    # now the answers, one pull after the other, each cut off once
    monkeypatch.setattr(projects, "PAGE_COUNT", 10)
    result = [{"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["yes"]}}]
    answered = [task["id"] for task in read_tasks(client, made[0].id)][: 12 * KILLS]
    decisions, seen = None, None
    for turn in range(KILLS):
        for task in answered[12 * turn :][:12]:
            client.request("POST", f"/api/tasks/{task}/annotations/", json={"result": result, "lead_time": 1.0})
        cut = CutOff(mortal, patience_s)
        decisions, seen = until_done(partial(cut.pull, tasks, decisions, seen))
        cut.dying.join()
        assert decisions["annotation_id"].n_unique() == decisions.height == 12 * (turn + 1)
    assert mortal.deaths == 2 * KILLS


class CutOff:
    """Pulls; the server dies once, while the answers come."""

    def __init__(self, mortal, patience_s):
        self.mortal, self.patience_s, self.dying = mortal, patience_s, None

    def pull(self, tasks, known, seen):
        puller = AnswerPull(
            connect_studio(self.mortal.url, self.mortal.token, patience_s=self.patience_s), "kill", seen
        )
        return read_decisions(self.watch(puller), tasks, known), puller.seen

    def watch(self, puller):
        for number, answer in enumerate(puller):
            if number == 3 and self.dying is None:
                self.dying = threading.Thread(target=self.mortal.kill)
                self.dying.start()
                time.sleep(0.05)
            yield answer
