"""Sampling in processes of their own: one for each device, ended where an image takes too long or brings one down.

Each process loads the generator once and is given one shard after the other; shards are files, so nothing but small
messages passes between them. The bytes are those of `sampling.sample_generator`.
"""

from __future__ import annotations

import multiprocessing as mp
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.evaluators.generators.ask import check_requests, describe_generator, prepare_generator
from relaionet.evaluators.generators.protocol import GeneratorDied, Info, Request, Settings
from relaionet.evaluators.sampling.sample import (
    Progress,
    SamplingConfig,
    Shard,
    make_shard,
    plan_shards,
    write_record,
)
from relaionet.evaluators.sampling.shards import drop_others
from relaionet.manifests.errors import BadInput, Corrupt, ReLAIONetError, Unavailable
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SAMPLES
from relaionet.pipeline.machine import largest, peak_memory_bytes

LOADING_LIMIT_S = 3600.0
ALONE = ""  # an id that was in a batch that hung: asked for alone, to find out which it is


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every process is told when it starts.

    Attributes:
        spec: name of the generator, as for `registry.load_generator`.
        options: of its factory.
        settings: steps and guidance.
        requests: all of them, for generators that prepare.
        out: folder of the run.
        config: how sampling is cut up.
    """

    spec: str
    options: Mapping[str, Any]
    settings: Settings
    requests: Sequence[Request]
    out: Path
    config: SamplingConfig


@dataclass(kw_only=True)
class _Worker:
    """One process, seen from outside."""

    device: str
    process: Any
    pipe: Connection
    info: Info | None = None
    shard: Shard | None = None
    asked: tuple[str, ...] = ()
    since: float = field(default_factory=time.monotonic)
    counted: int = 0


def run_worker(job: Job, device: str, pipe: Connection) -> None:
    """Body of a process: load, then make the shards that come through the pipe until None comes."""
    from relaionet.evaluators.generators.registry import load_generator

    try:
        generator = load_generator(job.spec, device=device, **job.options)
        check_requests(generator, job.requests)
        prepare_generator(generator, job.requests)
        pipe.send(("info", generator.info))
        store = Store(job.out)
        while (order := pipe.recv()) is not None:
            shard, watched = order
            made = make_shard(
                generator, job.settings, store, shard, job.config, lambda count: pipe.send(("done", count)),
                watched=watched, asking=lambda ids: pipe.send(("asking", tuple(ids))),
            )  # fmt: skip
            pipe.send(("made", made))
        pipe.send(("end", (describe_generator(generator, job.settings), peak_memory_bytes())))
    except (ReLAIONetError, GeneratorDied) as error:
        pipe.send(("error", (type(error).__name__, str(error))))
    except (EOFError, BrokenPipeError):  # the run was stopped
        return


class _Workers:
    """The processes of one run."""

    def __init__(self, job: Job, devices: Sequence[str], time_limit_s: float, progress: Progress | None) -> None:
        self.job, self.time_limit_s, self.progress = job, time_limit_s, progress
        self.watched: dict[str, str] = {}
        self.waiting: deque[Shard] = deque()
        self.counted: dict[str, int] = {}
        self.made = False
        self.realised: dict[str, Any] = {}
        self.peaks: list[dict[str, int]] = []
        self.context = mp.get_context("spawn")
        self.workers = [self.start(device) for device in devices]

    def start(self, device: str) -> _Worker:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=run_worker, args=(self.job, device, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(device=device, process=process, pipe=ours)

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def first_info(self) -> Info:
        """What the generator is, as soon as one process has loaded it."""
        while True:
            for worker in self.workers:
                if worker.info is not None:
                    return worker.info
            self.listen()

    def run(self, shards: Sequence[Shard]) -> None:
        """Make all shards."""
        self.waiting.extend(shards)
        left = len(shards)
        for worker in self.workers:
            self.give(worker)
        while left:
            left -= self.listen()

    def give(self, worker: _Worker) -> None:
        if worker.info is None or worker.shard is not None or not self.waiting:
            return
        shard = self.waiting.popleft()
        watched = {one.sample_id for one in shard.requests} & self.watched.keys()
        worker.shard, worker.asked, worker.counted, worker.since = shard, (), 0, time.monotonic()
        worker.pipe.send((shard, {one: self.watched[one] for one in watched}))

    def listen(self) -> int:
        """Take what the processes say for up to half a second; the number of shards that became ready."""
        ready = 0
        for pipe in wait([worker.pipe for worker in self.workers], timeout=0.5):
            worker = next(one for one in self.workers if one.pipe is pipe)
            try:
                kind, what = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self.replace(worker, "the process ended while it was made")
                continue
            ready += self.take(worker, kind, what)
        for worker in list(self.workers):
            limit = LOADING_LIMIT_S if worker.info is None else self.time_limit_s
            is_busy = worker.info is None or worker.shard is not None
            if limit and is_busy and time.monotonic() - worker.since > limit:
                self.replace(worker, f"no answer within {limit:g} s")
        return ready

    def take(self, worker: _Worker, kind: str, what: Any) -> int:
        worker.since = time.monotonic()
        if kind == "error":
            raise _error(*what)
        if kind == "info":
            worker.info = what
            self.give(worker)
        elif kind == "asking":
            worker.asked = what
        elif kind == "done":
            worker.counted += what
            self.count(worker)
        elif kind == "end":
            self.realised = what[0]
            self.peaks.append(what[1])
        elif kind == "made":
            self.made |= what
            worker.shard, worker.asked = None, ()
            self.give(worker)
            return 1
        return 0

    def count(self, worker: _Worker) -> None:
        """Report progress once for every image, also where a shard is begun again."""
        name = worker.shard.name if worker.shard is not None else ""
        new = worker.counted - self.counted.get(name, 0)
        if new > 0:
            self.counted[name] = worker.counted
            if self.progress is not None:
                self.progress(new)

    def replace(self, worker: _Worker, why: str) -> None:
        """End a process and begin its shard in a new one, the images it was at asked for alone, or no more."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        if worker.info is None:
            raise GeneratorDied(f"generator '{self.job.spec}' on {worker.device}: the process ended while loading")
        if worker.shard is not None:
            if not worker.asked:
                raise GeneratorDied(f"generator '{self.job.spec}' on {worker.device}: {why}, before it was asked")
            is_one = len(worker.asked) == 1
            self.watched |= dict.fromkeys(worker.asked, why if is_one else ALONE)
            self.waiting.appendleft(worker.shard)
        self.workers[self.workers.index(worker)] = self.start(worker.device)

    def finish(self) -> None:
        """Let the processes end and say what they did."""
        left = [worker for worker in self.workers if worker.info is not None]
        for worker in left:
            worker.pipe.send(None)
        end = time.monotonic() + 60
        while left and time.monotonic() < end:
            for pipe in wait([worker.pipe for worker in left], timeout=0.2):
                worker = next(one for one in left if one.pipe is pipe)
                try:
                    self.take(worker, *worker.pipe.recv())
                except (EOFError, ConnectionResetError):
                    left.remove(worker)


def _error(kind: str, text: str) -> Exception:
    kinds = {one.__name__: one for one in (BadInput, Unavailable, Corrupt, GeneratorDied)}
    return kinds.get(kind, GeneratorDied)(text)


def sample_in_processes(
    spec: str, requests: Sequence[Request], settings: Settings, out: Path, devices: Sequence[str],
    config: SamplingConfig | None = None, *, options: Mapping[str, Any] | None = None, time_limit_s: float = 0.0,
    progress: Progress | None = None,
) -> pl.DataFrame:  # fmt: skip
    """`sampling.sample_generator` in one process for each device: the same bytes, whatever their number.

    Args:
        spec: name of the generator, as for `registry.load_generator`.
        requests: what is asked for; each sample_id once.
        settings: steps and guidance.
        out: folder of this run.
        devices: torch devices, one process each; a device may stand there twice.
        config: how it is cut up.
        options: of the generator's factory.
        time_limit_s: for one call of the generator, seconds; 0 sets none. Past it the process is ended; the images
            of that call are asked for alone, and one that hangs alone is failed.
        progress: called with the number of requests just dealt with.

    Returns:
        Table SAMPLES.

    Raises:
        BadInput: from loading the generator, or it cannot honour the settings.
        GeneratorDied: it cannot be loaded, or cannot go on.
    """
    if not devices or time_limit_s < 0:
        raise BadInput("devices: name at least one; time_limit_s must not be negative.")
    config = config or SamplingConfig()
    job = Job(
        spec=spec, options=dict(options or {}), settings=settings, requests=requests, out=out, config=config
    )  # fmt: skip
    workers = _Workers(job, devices, time_limit_s, progress)
    try:
        info = workers.first_info()
        shards = plan_shards(info, requests, settings, config.shard_size)
        store = Store(out)
        drop_others(store, [shard.name for shard in shards])
        workers.run(shards)
        if not workers.made and (out / "sampling.json").exists():
            return store.read_all(SAMPLES)
        workers.finish()
        realised = {"devices": list(devices), **workers.realised}
        return write_record(store, info, settings, realised, largest(workers.peaks))
    finally:
        workers.stop()
