"""Sampling in several real processes: the same bytes, and no image that hangs or kills its process stops the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relaionet.evaluators.generators.protocol import GeneratorDied, Settings
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.sampling.processes import sample_in_processes
from relaionet.evaluators.sampling.sample import SamplingConfig, read_record, sample_generator
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.manifests.errors import BadInput
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SAMPLES
from tests.unit.evaluators.sampling.test_sample import Odd, split_of
from tests.waiting import wait_until

MODEL = """
import os, time
import numpy as np
from relaionet.evaluators.generators.protocol import Generated, Info

class Odd:
    def __init__(self, fault="", classes=(), device="cpu"):
        if fault == "loading":
            os._exit(3)
        self.info = Info(name="odd", native_size_px=6, guidance="two_pass")
        self.fault, self.classes, self.device = fault, set(classes), device
    def generate(self, batch, settings):
        if self.classes & {one.class_index for one in batch}:
            if self.fault == "hangs":
                time.sleep(600)
            if self.fault == "dies":
                os._exit(9)
        if self.fault == "slow":
            time.sleep(0.1)
        images = np.stack([np.random.default_rng(one.seed).integers(0, 256, (6, 6, 3), np.uint8) for one in batch])
        return Generated(images=images, nfe=[settings.steps] * len(batch))
    def describe(self, settings):
        return {"pid": os.getpid()}
"""
CONFIG = SamplingConfig(shard_size=8, batch_size=3)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_odd_process.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield "my_odd_process:Odd"
    sys.modules.pop("my_odd_process", None)


def requests_of(count: int):
    return make_requests(split_of(count), base_seed=1, split_name="s")


def whole(out: Path) -> dict[str, bytes]:
    kinds = ("*.npy", "*.parquet")
    return {path.relative_to(out).as_posix(): path.read_bytes() for kind in kinds for path in out.rglob(kind)}


def test_one_or_two_processes_give_the_bytes_of_none(tmp_path, model, monkeypatch):
    # what this process holds says nothing about those at work
    monkeypatch.setattr("relaionet.evaluators.sampling.sample.peak_memory_bytes", lambda: {"process": 1})
    requests = requests_of(30)
    sample_generator(Odd(), requests, Settings(steps=2), tmp_path / "here", CONFIG)
    for devices in (["cpu"], ["cpu", "cpu"]):
        seen: list[int] = []
        out = tmp_path / str(len(devices))
        rows = sample_in_processes(model, requests, Settings(steps=2), out, devices, CONFIG, progress=seen.append)
        assert rows["sample_id"].to_list() == [one.sample_id for one in requests]
        assert whole(out) == whole(tmp_path / "here")
        assert sum(seen) == 30
        record = read_record(out)
        assert record["realised"]["devices"] == devices
        assert record["peak_memory_bytes"]["process"] > 10 << 20
        spent = sum(receipt.seconds for receipt in Store(out).receipts(SAMPLES))
        assert record["seconds"] == pytest.approx(spent, abs=2e-3)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    sample_in_processes(model, requests, Settings(steps=2), out, ["cpu", "cpu"], CONFIG)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.*")} == before


KILLED = """
import sys
from pathlib import Path
from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.sampling.sample import SamplingConfig
from relaionet.evaluators.sampling.processes import sample_in_processes
from tests.unit.evaluators.sampling.test_processes import CONFIG, requests_of
if __name__ == "__main__":
    sample_in_processes({model!r}, requests_of(160), Settings(), Path({out!r}), ["cpu", "cpu"], CONFIG,
                        options={{"fault": "slow"}})
"""


def test_killed_in_two_processes_and_gone_on_with_in_one_gives_the_same_bytes(tmp_path, model):
    code, killed = tmp_path / "killed.py", tmp_path / "killed"
    code.write_text(KILLED.format(model=model, out=str(killed)))
    root = Path(__file__).resolve().parents[4]
    path = f"{os.environ['PYTHONPATH']}:{root}"
    process = subprocess.Popen([sys.executable, str(code)], env={**os.environ, "PYTHONPATH": path})

    def done() -> int:
        return len(list((killed / "samples").glob("*.receipt.json")))

    wait_until(lambda: done() >= 3, process, every_s=0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    at_the_kill = done()
    assert 3 <= at_the_kill < 20
    sample_in_processes(model, requests_of(160), Settings(), killed, ["cpu"], CONFIG)
    sample_generator(Odd(), requests_of(160), Settings(), tmp_path / "straight", CONFIG)
    assert whole(killed) == whole(tmp_path / "straight")
    record = read_record(killed)
    assert record["images_per_s"] == pytest.approx(160 / record["seconds"], rel=0.01)
    assert record["seconds"] > at_the_kill * 3 * 0.1, "what was made before the kill counts"


@pytest.mark.parametrize(("fault", "why"), [("hangs", "no answer within 1.5 s"), ("dies", "the process ended while")])
def test_what_hangs_or_kills_is_named_and_the_others_are_made(tmp_path, model, fault, why):
    requests = requests_of(16)
    bad = requests[4]
    rows = sample_in_processes(
        model, requests, Settings(), tmp_path, ["cpu", "cpu"], CONFIG, time_limit_s=1.5,
        options={"fault": fault, "classes": [bad.class_index]},
    )  # fmt: skip
    failed = rows.filter(status="failed")
    assert failed["sample_id"].to_list() == [bad.sample_id]
    assert why in failed["reason"][0]
    images, good = read_samples(tmp_path)[1], rows.filter(status="ok")
    for request, row in zip([one for one in requests if one != bad], good["row"], strict=True):
        assert np.array_equal(images[row], np.random.default_rng(request.seed).integers(0, 256, (6, 6, 3), np.uint8))


def test_what_cannot_be_loaded_is_said(tmp_path, model):
    with pytest.raises(GeneratorDied, match="ended while loading"):
        sample_in_processes(model, requests_of(3), Settings(), tmp_path, ["cpu"], options={"fault": "loading"})
    with pytest.raises(BadInput, match=r"unknown key 'falt'\. Did you mean 'fault'"):
        sample_in_processes(model, requests_of(3), Settings(), tmp_path, ["cpu"], options={"falt": 1})
    with pytest.raises(BadInput, match="1 or more"):
        sample_in_processes(model, requests_of(3), Settings(steps=0), tmp_path, ["cpu"])
    assert not list(tmp_path.glob("images"))


def test_failed_images_are_tried_again_when_asked_to(tmp_path, model):
    requests = requests_of(16)
    bad = {requests[2].sample_id, requests[9].sample_id}
    first = sample_generator(Odd(bad, "raises"), requests, Settings(), tmp_path, CONFIG)
    assert set(first.filter(status="failed")["sample_id"]) == bad
    again = Odd(bad, "raises")
    sample_generator(again, requests, Settings(), tmp_path, CONFIG)
    assert again.calls == 0
    cured = Odd()
    rows = sample_generator(cured, requests, Settings(), tmp_path, SamplingConfig(shard_size=8, retry_failed=True))
    assert rows["status"].unique().to_list() == ["ok"]
    assert cured.calls == 2
    sample_generator(Odd(), requests, Settings(), tmp_path / "straight", CONFIG)
    assert whole(tmp_path / "straight") == {
        name: data for name, data in whole(tmp_path).items() if not name.startswith(("straight", "code"))
    }
