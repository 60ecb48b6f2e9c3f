"""Requests and resumable sampling."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from relaionet.evaluators.generators.protocol import Generated, Info, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests, make_seed
from relaionet.evaluators.sampling.sample import SamplingConfig, sample_generator
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import SAMPLES, check_table
from tests.depth import deep
from tests.waiting import wait_until

LABELS = read_labels()


def split_of(count: int) -> pl.DataFrame:
    labels = [LABELS[(37 * i) % 1000] for i in range(count)]
    return pl.DataFrame(
        {
            "candidate_id": [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)],
            "wnid": [label.wnid for label in labels],
            "class_index": [label.class_index for label in labels],
        },
        schema_overrides={"class_index": pl.Int32},
    )


def requests_of(count: int, **options):
    return make_requests(split_of(count), base_seed=1, split_name="s", **options)


class Odd:
    """Seeded noise; misbehaves for the samples it is told to."""

    def __init__(self, faults=(), fault="", size=6):
        self.info = Info(name="odd", native_size_px=size, guidance="two_pass")
        self.faults, self.fault, self.calls = set(faults), fault, 0

    def generate(self, batch, settings):
        self.calls += 1
        size = self.info.native_size_px
        images = np.stack([np.random.default_rng(r.seed).integers(0, 256, (size, size, 3), np.uint8) for r in batch])
        bad = [place for place, request in enumerate(batch) if request.sample_id in self.faults]
        nfe = [settings.steps] * len(batch)
        if bad and self.fault == "raises":
            raise RuntimeError("out\n of luck " + "x" * 1000)
        if bad and self.fault == "few":
            images = images[:-1]
        if bad and self.fault == "size":
            images = np.repeat(images, 2, axis=1)
        if bad and self.fault == "nan":
            images = images.astype(np.float32)
            images[bad] = np.nan
        if bad and self.fault == "float":
            images = images.astype(np.float32)
        if self.fault == "black":
            images[bad] = 0
        if self.fault == "flat":
            images[bad] = 9
        return Generated(images=images, nfe=nfe)


def test_a_seed_is_the_hash_of_run_split_and_sample():
    digest = hashlib.sha256(b"7|val|abc").hexdigest()
    assert make_seed(7, "val", "abc") == int(digest[:16], 16) >> 1 < 2**63


def test_requests_follow_the_rows():
    requests = requests_of(5, prompt="a photo of a {class}, {x}", per_row=2)
    ids = split_of(5)["candidate_id"]
    assert [r.sample_id for r in requests][:3] == [ids[0], f"{ids[0]}-1", ids[1]]
    assert requests[2].prompt == f"a photo of a {LABELS[37].name}, {{x}}"
    assert len({r.seed for r in requests}) == 10
    assert requests_of(5, prompt="a photo of a {class}, {x}")[1] == requests[2]


@given(st.permutations(range(12)), st.integers(1, 12))
@hypothesis_settings(deadline=None, max_examples=deep(20))
def test_limit_takes_the_same_rows_in_any_order(order, limit):
    chosen = {r.sample_id for r in make_requests(split_of(12)[list(order)], base_seed=3, split_name="s", limit=limit)}
    assert chosen == {r.sample_id for r in make_requests(split_of(12), base_seed=3, split_name="s", limit=limit)}
    assert len(chosen) == limit


def test_bad_splits_are_refused():
    with pytest.raises(BadInput, match="missing column wnid"):
        make_requests(split_of(2).drop("wnid"), base_seed=1, split_name="s")
    with pytest.raises(BadInput, match="has class_index"):
        make_requests(split_of(2).with_columns(class_index=pl.lit(3)), base_seed=1, split_name="s")
    with pytest.raises(BadInput, match="at least 1"):
        requests_of(2, limit=0)


def bytes_of(folder):
    frame, images = read_samples(folder)
    return frame, images[:]


@pytest.mark.parametrize(("shard_size", "batch_size"), [(7, 1), (7, 3), (7, 16), (20, 1), (20, 16), (64, 64)])
def test_shards_and_batches_change_nothing(tmp_path, shard_size, batch_size):
    requests = requests_of(20)
    seen = []
    rows = sample_generator(
        Odd(),
        requests,
        Settings(steps=3),
        tmp_path,
        SamplingConfig(shard_size=shard_size, batch_size=batch_size),
        progress=seen.append,
    )
    frame, images = bytes_of(tmp_path)
    check_table(rows, SAMPLES)
    assert rows.equals(frame)
    assert rows["sample_id"].to_list() == [r.sample_id for r in requests]
    assert rows["nfe"].to_list() == [3] * 20
    assert np.array_equal(images, Odd().generate(requests, Settings(steps=3)).images)
    assert sum(seen) == 20


def test_a_second_run_changes_nothing(tmp_path):
    requests, first, second = requests_of(20), Odd(), Odd()
    sample_generator(first, requests, Settings(), tmp_path, SamplingConfig(shard_size=8))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.*")}
    sample_generator(second, requests, Settings(), tmp_path, SamplingConfig(shard_size=8))
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.*")} == before
    assert (first.calls, second.calls) == (3, 0)


def test_other_settings_or_fewer_requests_replace_what_was_there(tmp_path):
    sample_generator(Odd(), requests_of(20), Settings(), tmp_path, SamplingConfig(shard_size=8))
    sample_generator(Odd(), requests_of(10), Settings(steps=2), tmp_path, SamplingConfig(shard_size=8))
    frame, images = bytes_of(tmp_path)
    assert frame["nfe"].to_list() == [2] * 10
    assert len(images) == 10
    assert json.loads((tmp_path / "sampling.json").read_text())["settings"]["steps"] == 2


def test_a_lost_or_changed_shard_is_noticed(tmp_path):
    sample_generator(Odd(), requests_of(20), Settings(), tmp_path, SamplingConfig(shard_size=8))
    shard = tmp_path / "images" / "00001.npy"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"x")
    with pytest.raises(Corrupt, match=r"00001\.npy"):
        read_samples(tmp_path)
    shard.unlink()
    again = Odd()
    sample_generator(again, requests_of(20), Settings(), tmp_path, SamplingConfig(shard_size=8))
    assert again.calls == 1
    assert shard.read_bytes() == whole


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raises", "RuntimeError: out of luck"),
        ("few", "0 images"),
        ("size", "expected [6, 6, 3]"),
        ("nan", "NaN"),
        ("float", "float32, expected uint8"),
        ("black", "black"),
        ("flat", "one flat colour"),
    ],
)
def test_a_fault_is_told_by_id_and_stops_nobody_else(tmp_path, fault, reason):
    requests = requests_of(9)
    faulty = {requests[2].sample_id, requests[7].sample_id}
    rows = sample_generator(
        Odd(faulty, fault), requests, Settings(), tmp_path, SamplingConfig(shard_size=4, batch_size=1)
    )
    failed = rows.filter(pl.col("status") == "failed")
    assert set(failed["sample_id"]) == faulty
    assert all(reason in text and len(text) <= 200 and "\n" not in text for text in failed["reason"])
    assert failed["row"].null_count() == failed["nfe"].null_count() == 2
    _, images = read_samples(tmp_path)
    good = rows.filter(pl.col("status") == "ok")
    wanted = {r.sample_id: Odd().generate([r], Settings()).images[0] for r in requests}
    for sample_id, row in good.select("sample_id", "row").iter_rows():
        assert np.array_equal(images[row], wanted[sample_id])
    assert json.loads((tmp_path / "sampling.json").read_text())["counts"] == {"ok": 7, "failed": 2}


@pytest.mark.parametrize("fault", ["raises", "few"])
def test_a_batch_that_fails_is_asked_for_one_by_one(tmp_path, fault):
    requests = requests_of(9)
    rows = sample_generator(
        Odd({requests[4].sample_id}, fault), requests, Settings(), tmp_path, SamplingConfig(batch_size=9)
    )
    assert rows["status"].to_list() == ["ok"] * 4 + ["failed"] + ["ok"] * 4


def test_what_cannot_be_run_is_refused_before_anything_is_written(tmp_path):
    requests = requests_of(3)
    with pytest.raises(BadInput, match="takes 0"):
        sample_generator(load_generator("miniature-noise"), requests, Settings(steps=4), tmp_path / "a")
    with pytest.raises(BadInput, match="knows 20 classes and not"):
        sample_generator(load_generator("miniature-world"), requests, Settings(steps=0), tmp_path / "a")
    with pytest.raises(BadInput, match="stands twice"):
        sample_generator(Odd(), requests * 2, Settings(), tmp_path / "a")
    with pytest.raises(BadInput, match="batch_size"):
        sample_generator(Odd(), requests, Settings(), tmp_path / "a", SamplingConfig(batch_size=0))
    assert not (tmp_path / "a").exists()
    with pytest.raises(BadInput, match="holds no samples"):
        read_samples(tmp_path / "a")


def test_images_are_read_by_row(tmp_path):
    sample_generator(Odd(), requests_of(20), Settings(), tmp_path, SamplingConfig(shard_size=8))
    frame, images = read_samples(tmp_path)
    whole = images[:]
    assert images.shape == whole.shape == (20, 6, 6, 3)
    assert np.array_equal(images[[19, 0, 8, 8]], whole[[19, 0, 8, 8]])
    assert np.array_equal(images[frame["row"]], whole)
    assert np.array_equal(images[5:17:4], whole[5:17:4])
    assert images[[]].shape == (0, 6, 6, 3)
    with pytest.raises(IndexError):
        images[20]


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_sample import Odd, SamplingConfig, requests_of, Settings, sample_generator
class Slow(Odd):
    def generate(self, batch, settings):
        time.sleep(0.05)
        return super().generate(batch, settings)
sample_generator(Slow(), requests_of(200), Settings(), Path({out!r}), SamplingConfig(shard_size=8, batch_size=2))
"""


def test_sigkill_then_resume_gives_the_same_bytes(tmp_path):
    from pathlib import Path

    code = SLOW.format(tests=str(Path(__file__).parent), out=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code])
    folder = tmp_path / "killed" / "samples"
    wait_until(lambda: len(list(folder.glob("*.receipt.json"))) >= 2, process, every_s=0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list((tmp_path / "killed" / "samples").glob("*.receipt.json")))
    assert 2 <= done < 25
    resumed = Odd()
    sample_generator(
        resumed, requests_of(200), Settings(), tmp_path / "killed", SamplingConfig(shard_size=8, batch_size=2)
    )
    assert resumed.calls == 4 * (25 - done)
    sample_generator(
        Odd(), requests_of(200), Settings(), tmp_path / "straight", SamplingConfig(shard_size=8, batch_size=64)
    )
    for path in (tmp_path / "straight").rglob("*.npy"):
        assert path.read_bytes() == (tmp_path / "killed" / path.relative_to(tmp_path / "straight")).read_bytes()
    assert bytes_of(tmp_path / "killed")[0].equals(bytes_of(tmp_path / "straight")[0])
    assert not list(tmp_path.rglob("*.part*"))
