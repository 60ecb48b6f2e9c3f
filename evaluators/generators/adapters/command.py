"""A generator that runs as a command of its own, in the environment its code needs.

One run of the command makes many images, as loading a model takes minutes. It is given a folder with `job.json` and
`requests.jsonl` and leaves `out/<sample_id>.png` (or `out/images.npy` with `out/ids.json`) and `out/meta.json`. It
never needs this project in its environment. docs/guides/generators.md shows a whole one.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.dry_run import DryRun, info_fields
from relaionet.evaluators.generators.job import Made, Place, check_ids, job_of, read_made, write_job
from relaionet.evaluators.generators.protocol import (
    Generated,
    GeneratorDied,
    Info,
    Request,
    Settings,
    check_settings,
    make_info,
)
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, file_sha256
from relaionet.pipeline.child_process import environment_with, read_log, start_child

VERSION = "1"
VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")
READ = re.compile(r"""environ\[["']([A-Z][A-Z0-9_]*)["']\]""")
WANTED = {
    "RELAIONET_PYTHON": "the interpreter of the environment its code needs",
    "RELAIONET_CODE": "a checkout of its code",
    "RELAIONET_WEIGHTS": "its file of weights",
    "RELAIONET_SCRIPT": "your script around its code; `relaionet generators script` writes one to start from",
}
LOG_TAIL_CHARS = 600
KILL_AFTER_S = 10.0


@dataclass(kw_only=True)
class CommandGenerator:
    """Runs a command for the requests that are needed next, and hands out what it made.

    Attributes:
        info: what it is.
        command: program and arguments; `{job}` is the job's folder, `{base}` that of the generator's file.
        folder: where it is run.
        environment: added to this process's environment.
        images_per_run: images asked for in one run of the command.
        tries: runs after which ids that are still missing count as failed.
        time_limit_s: for one run of the command, in seconds; it is ended with all its children.
        logs: where what the command printed is kept.
        planned: all requests, in order, filled by `prepare`.
        made: where the images are that were made and not handed out yet.
        failed: requests that no run made an image for.
        meta: what the last run said of itself.
    """

    info: Info
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    images_per_run: int
    tries: int
    time_limit_s: float
    logs: Path
    planned: list[Request] = field(default_factory=list)
    made: dict[tuple[Settings, Request], tuple[Place, int | None]] = field(default_factory=dict)
    failed: set[tuple[Settings, Request]] = field(default_factory=set)
    meta: dict[str, Any] = field(default_factory=dict)
    runs_count: int = 0
    _jobs: list[tempfile.TemporaryDirectory[str]] = field(default_factory=list)

    def prepare(self, requests: Sequence[Request]) -> None:
        """Remember what will be asked for, so that one run of the command makes the images of many batches."""
        check_ids(requests)
        self.planned = list(requests)
        self.failed.clear()
        self._forget()

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Images of a batch; runs the command where they are not made yet.

        Raises:
            BadInput: a setting it does not have, or an image nobody asked for.
            LookupError: the command made no image for a request, in `tries` runs.
            GeneratorDied: the command fails, or runs past its time, without making anything.
        """
        check_settings(self.info, settings)
        missing = [one for one in batch if not self._is_known(one, settings)]
        if missing:
            self._drop_old(batch, settings)
            self._run_until_made(self._next(missing, settings), settings)
        lost = [one.sample_id for one in batch if (settings, one) in self.failed]
        if lost:
            raise LookupError(f"the command made no image for {lost[0]} in {self.tries} runs; see {self.logs}")
        found = [self.made[settings, one] for one in batch]
        images = [place.read() for place, _ in found]
        if len({image.shape for image in images}) > 1:
            raise ValueError("the images of this batch differ in size")
        return Generated(images=np.stack(images), nfe=[nfe for _, nfe in found])

    def describe(self, settings: Settings) -> dict[str, Any]:
        """What the command said of itself in `meta.json`, and how it is run."""
        return {"command": list(self.command), "images_per_run": self.images_per_run, "said": self.meta}

    def _forget(self) -> None:
        self.made.clear()
        for job in self._jobs:
            job.cleanup()
        self._jobs.clear()

    def _drop_old(self, batch: Sequence[Request], settings: Settings) -> None:
        """A new run begins: of earlier ones the last is kept, for batches asked twice, and what this batch needs."""
        keys = [(settings, one) for one in batch]
        needed = {self.made[key][0].path.parent.parent for key in keys if key in self.made}
        old = [job for job in self._jobs[:-1] if Path(job.name) not in needed]
        names = {Path(job.name) for job in old}
        self.made = {key: found for key, found in self.made.items() if found[0].path.parent.parent not in names}
        self._jobs = [job for job in self._jobs if job not in old]
        for job in old:
            job.cleanup()

    def _is_known(self, request: Request, settings: Settings) -> bool:
        return (settings, request) in self.made or (settings, request) in self.failed

    def _next(self, missing: Sequence[Request], settings: Settings) -> list[Request]:
        """The missing requests and those planned after them, as many as one run makes."""
        check_ids(missing)
        wanted = {one.sample_id: one for one in missing}
        places = [place for place, one in enumerate(self.planned) if one.sample_id in wanted]
        after = self.planned[max(places) + 1 :] if places else []
        for one in after:
            if len(wanted) >= self.images_per_run:
                break
            if not self._is_known(one, settings):
                wanted.setdefault(one.sample_id, one)
        return list(wanted.values())

    def _run_until_made(self, requests: Sequence[Request], settings: Settings) -> None:
        left = list(requests)
        for attempt in range(1, self.tries + 1):
            made, trouble = self._run(left, settings)
            for one in left:
                if one.sample_id in made.images:
                    self.made[settings, one] = made.images[one.sample_id], made.nfe.get(one.sample_id)
            left = [one for one in left if one.sample_id not in made.images]
            self.meta = dict(made.meta) or self.meta
            if not left:
                return
            if trouble and not made.images and attempt == self.tries:
                raise GeneratorDied(f"generator '{self.info.name}': {trouble}")
        self.failed |= {(settings, one) for one in left}

    def _run(self, requests: Sequence[Request], settings: Settings) -> tuple[Made, str]:
        """One run of the command: what it made, and what went wrong, empty where nothing did."""
        self.runs_count += 1
        self._jobs.append(tempfile.TemporaryDirectory(prefix="relaionet-job-"))
        job = Path(self._jobs[-1].name)
        write_job(job, job_of(self.info.name, requests, settings))
        log = self.logs / f"run-{self.runs_count:04d}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        trouble = self._call(job, log)
        ids = [one.sample_id for one in requests]
        return read_made(job / "out", ids, f"generator '{self.info.name}'"), trouble

    def _call(self, job: Path, log: Path) -> str:
        arguments = [part.replace("{job}", str(job)).replace("{base}", str(self.folder)) for part in self.command]
        with log.open("wb") as stream:
            try:
                # a group of its own, so that its children end with it
                child = start_child(
                    arguments, held=False, output=stream, errors="output", folder=self.folder,
                    environment=environment_with(self.environment), own_group=True,
                )  # fmt: skip
            except OSError as error:
                raise BadInput(
                    f"generator '{self.info.name}': {arguments[0]} cannot be run: {error.strerror}."
                ) from None
            try:
                code = child.wait(self.time_limit_s)
            finally:
                child.stop(wait_s=KILL_AFTER_S, group=True)
        if code is None:
            return f"the command ran longer than {self.time_limit_s:g} s and was ended; see {log}"
        if code == 0:
            return ""
        return f"the command ended with code {code}: {_tail(log)} (all of it in {log})"


def _tail(log: Path) -> str:
    return " ".join(read_log(log)[-LOG_TAIL_CHARS:].split()) or "it printed nothing"


def make_command(
    *, name: str, command: str | Sequence[str], folder: str = ".", environment: Mapping[str, str] | None = None,
    images_per_run: int = 1024, tries: int = 2, time_limit_s: float = 6 * 3600, identity: Sequence[str] = (),
    weights: str = "see the command", logs: str = "", device: str = "cpu", base: Path | None = None, **about: Any,
) -> CommandGenerator:  # fmt: skip
    """A generator from a command.

    Args:
        name: as it stands in tables.
        command: program and arguments, as one string or a list; `{job}` stands for the job's folder and `{base}` for
            the folder it is run in.
        folder: where it is run, relative to the TOML file.
        environment: added to this process's environment; no secrets, as it is kept with the results.
        images_per_run: images asked for in one run of the command.
        tries: runs after which ids that are still missing count as failed.
        time_limit_s: for one run of the command, seconds.
        identity: files whose bytes belong to what the generator is (its script, its weights), relative to the TOML
            file: when one changes, samples are made anew.
        weights: where they come from.
        logs: where what the command printed is kept; a folder of the system's temporary one where empty.
        device: set as RELAIONET_DEVICE for the command.
        base: folder of the TOML file.
        **about: fields of `generators.Info`, `native_size_px` at least.

    Raises:
        BadInput: no such program or folder, or a number makes no sense.
    """
    parts = shlex.split(command) if isinstance(command, str) else list(command)
    where = ((base or Path()) / folder).resolve()
    if not parts or not any("{job}" in part for part in parts):
        raise BadInput(f"generator '{name}': command must hold {{job}}, where the requests are and the images go.")
    if not where.is_dir():
        raise BadInput(f"generator '{name}': folder {where} does not exist.")
    program = parts[0].replace("{base}", str(where))
    if shutil.which(program, path=os.environ.get("PATH")) is None and not (where / program).is_file():
        raise BadInput(f"generator '{name}': the program {program} is not there; name it by its path.")
    if images_per_run < 1 or tries < 1 or time_limit_s <= 0:
        raise BadInput(f"generator '{name}': images_per_run, tries and time_limit_s must be above 0.")
    missing = [one for one in identity if not ((base or Path()) / one).is_file()]
    if missing:
        raise BadInput(f"generator '{name}': identity names {missing[0]}, which is no file.")
    files = [file_sha256((base or Path()) / one) for one in identity]
    digest = digest_of(VERSION, parts, dict(environment or {}), files)
    info = make_info(about, name=name, weights=f"{weights} (command sha256:{digest})")
    place = Path(logs) if logs else Path(tempfile.gettempdir()) / "relaionet-logs" / digest[:16]
    return CommandGenerator(
        info=info, command=parts, folder=where, environment={"RELAIONET_DEVICE": device, **(environment or {})},
        images_per_run=images_per_run, tries=tries, time_limit_s=time_limit_s, logs=place,
    )  # fmt: skip


def _look_at_command(found: Definition) -> DryRun:
    """A command: the variables that it and its script need must be set, and its program must be there."""
    options, base = found.options, found.path.parent
    command = options["command"]
    texts = [command] if isinstance(command, str) else list(command)
    names = [name for text in texts for name in VARIABLE.findall(text)]
    scripts = [base / one for one in options.get("identity", ()) if one.endswith(".py") and (base / one).is_file()]
    names += [name for script in scripts for name in READ.findall(script.read_text(encoding="utf-8"))]
    known = {**os.environ, **options.get("environment", {})}
    missing = [
        f"set {name}: {WANTED.get(name, 'its command needs it')}"
        for name in dict.fromkeys(names)
        if not known.get(name)
    ]
    info = make_info(info_fields(make_command, found), name=options["name"])
    try:
        info = make_command(**options, base=base).info
    except BadInput as error:
        missing.append(str(error))
    return DryRun(info=info, kind=found.kind, about=found.about, missing=tuple(missing))


ADAPTER = GeneratorAdapter(
    kind="command",
    about="a script in the environment the model's own code needs",
    factory=make_command,
    look=_look_at_command,
    order=30,
)
