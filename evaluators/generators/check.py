"""Tries a generator before hours are spent on it: is it what it says, and what does it lack?

Four requests are run in two batch sizes and two orders, and the bytes compared; forward calls, size, classes, guidance,
memory and time are measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.ask import Sample, ask_generator, ask_whole, prepare_generator
from relaionet.evaluators.generators.protocol import Generator, GeneratorDied, Info, Request, Settings, check_settings
from relaionet.evaluators.generators.requests import make_seed
from relaionet.evaluators.set_labels import count_steps
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.machine import peak_memory_bytes

COUNT = 4
Verdict = Literal["ok", "note", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what.
        verdict: `problem`, where its scores could not be trusted or a run would fail; `note`; or `ok`.
        found: what was found.
        to_do: what to do about it.
    """

    about: str
    verdict: Verdict
    found: str
    to_do: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A generator that was tried.

    Attributes:
        info: what it says it is.
        settings: what it was run at.
        findings: in the order they were made.
        images: what it made, `[4, H, W, 3]` uint8; None where it made nothing.
    """

    info: Info
    settings: Settings
    findings: Sequence[Finding]
    images: NDArray[np.uint8] | None

    @property
    def is_sound(self) -> bool:
        """True where nothing is a problem."""
        return all(finding.verdict != "problem" for finding in self.findings)


def make_trial_requests(info: Info, prompt: str = "a photo of a {class}") -> list[Request]:
    """Four requests of different classes the generator knows; two where it knows one class only differ by seed."""
    labels = read_labels()
    known = info.class_indices or tuple(range(0, 1000, 1000 // COUNT))
    chosen = [labels[known[(place * len(known)) // COUNT % len(known)]] for place in range(COUNT)]
    return [
        Request(
            sample_id=f"trial-{place}", class_index=label.class_index, wnid=label.wnid, class_name=label.name,
            prompt=prompt.replace("{class}", label.name), seed=make_seed(0, "trial", f"trial-{place}"),
        )
        for place, label in enumerate(chosen)
    ]  # fmt: skip


def default_settings(info: Info) -> Settings:
    """The fewest steps it takes, at its natural guidance."""
    steps = min(info.steps) if info.steps else 1
    return Settings(steps=steps, guidance=info.natural_at(steps))


def check_generator(
    generator: Generator, settings: Settings | None = None, progress: Callable[[int], None] | None = None
) -> Trial:
    """Try a generator.

    Args:
        generator: from `registry.load_generator`.
        settings: what to run it at; its fewest steps and natural guidance where None.
        progress: called with the number of images made, of about 14.

    Raises:
        BadInput: it cannot honour the settings.
    """
    info = generator.info
    settings = settings or default_settings(info)
    check_settings(info, settings)
    requests = make_trial_requests(info)

    def ask(some: Sequence[Request], how: Settings = settings) -> list[Sample]:
        made = ask_generator(generator, some, how)
        if progress is not None:
            progress(len(some))
        return made

    try:
        prepare_generator(generator, requests)
        started = time.monotonic()
        whole, batch = _ask_first(generator, requests, settings)
        seconds = time.monotonic() - started
    except GeneratorDied as error:
        died = Finding(about="images", verdict="problem", found=str(error), to_do="see its log")
        return Trial(info=info, settings=settings, findings=[died], images=None)
    if progress is not None:
        progress(len(requests))
    findings = [*_look_at_images(whole), *batch]
    if not all(sample.reason is None for sample in whole):
        return Trial(info=info, settings=settings, findings=findings, images=None)
    findings += [_count_calls(whole, settings), _weigh(seconds), *_compare_orders(info, requests, whole, ask)]
    findings += [_change_seed(requests, whole, ask), *_change_guidance(info, requests, whole, settings, ask)]
    findings += _read_card(info)
    return Trial(info=info, settings=settings, findings=findings, images=_stack(whole))


Ask = Callable[..., list[Sample]]


def _ask_first(
    generator: Generator, requests: Sequence[Request], settings: Settings
) -> tuple[list[Sample], list[Finding]]:
    """The first batch, and what is wrong with it as a whole: asked for one by one, as a run does then, hides that."""
    try:
        return ask_whole(generator, requests, settings), []
    except (BadInput, GeneratorDied):
        raise
    except Exception as error:  # noqa: BLE001  a generator is foreign code and may raise anything
        found = f"{len(requests)} requests at once fail ({type(error).__name__}: {error})"
    to_do = "give one image of its own for each request of a batch; else every image is asked for alone"
    wrong = Finding(about="batch", verdict="problem", found=found, to_do=to_do)
    return ask_generator(generator, requests, settings), [wrong]


def _stack(samples: Sequence[Sample]) -> NDArray[np.uint8]:
    return np.stack([sample.image for sample in samples if sample.image is not None])


def _same(left: Sequence[Sample], right: Sequence[Sample]) -> float:
    """Share of the images that are the same, byte for byte."""
    pairs = list(zip(left, right, strict=True))
    return sum(np.array_equal(a.image, b.image) for a, b in pairs if a.image is not None) / len(pairs)  # type: ignore[arg-type]


def _look_at_images(whole: Sequence[Sample]) -> list[Finding]:
    failed = [sample.reason for sample in whole if sample.reason is not None]
    if failed:
        return [
            Finding(
                about="images", verdict="problem", found=f"{len(failed)} of {len(whole)} failed: {failed[0]}",
                to_do="return uint8 RGB images [N, H, W, 3] of native_size_px, one per request",
            )
        ]  # fmt: skip
    shape = whole[0].image.shape if whole[0].image is not None else ()
    return [Finding(about="images", verdict="ok", found=f"{len(whole)} of {len(whole)}, {shape[0]} x {shape[1]} RGB")]


def _count_calls(whole: Sequence[Sample], settings: Settings) -> Finding:
    counts = sorted({sample.nfe for sample in whole}, key=str)
    if None in counts:
        return Finding(
            about="forward calls", verdict="note", found="not counted",
            to_do="count the network's forward calls per image, so that its cost can be compared",
        )  # fmt: skip
    told = f"{', '.join(map(str, counts))} per image at {count_steps(settings.steps)}"
    if not settings.steps or set(counts) <= {settings.steps, 2 * settings.steps}:
        return Finding(about="forward calls", verdict="ok", found=told)
    return Finding(
        about="forward calls", verdict="note", found=told,
        to_do="make n calls at n steps, 2n with guidance: n steps lie between n + 1 points of a grid",
    )  # fmt: skip


def _weigh(seconds: float) -> Finding:
    memory = ", ".join(f"{size / 2**30:.2f} GiB ({place})" for place, size in peak_memory_bytes().items())
    return Finding(
        about="cost", verdict="ok", found=f"{seconds / COUNT:.3g} s per image in a first batch; peak {memory}"
    )


def _compare_orders(info: Info, requests: Sequence[Request], whole: Sequence[Sample], ask: Ask) -> list[Finding]:
    """The same four requests one by one, and backwards in one batch."""
    alone = [sample for request in requests for sample in ask([request])]
    backwards = ask(list(reversed(requests)))[::-1]
    findings = []
    for about, other in (("batch size", alone), ("order", backwards)):
        share = _same(whole, other)
        if share == 1:
            findings.append(Finding(about=about, verdict="ok", found="changes no byte"))
            continue
        verdict: Verdict = "problem" if info.deterministic else "note"
        findings.append(
            Finding(
                about=about, verdict=verdict, found=f"changes {1 - share:.0%} of the images",
                to_do="draw each image's noise from a generator seeded with request.seed, and give the network batches "
                "of one fixed size; or set deterministic = false, and results will depend on how it was run",
            )
        )  # fmt: skip
    return findings


def _change_seed(requests: Sequence[Request], whole: Sequence[Sample], ask: Ask) -> Finding:
    other = [replace(request, seed=request.seed ^ 1) for request in requests]
    share = _same(whole, ask(other))
    if share == 0:
        return Finding(about="seed", verdict="ok", found="another seed gives another image")
    return Finding(
        about="seed", verdict="problem" if share == 1 else "note", found=f"does not change {share:.0%} of the images",
        to_do="use request.seed; images that repeat make every distance too good or too bad",
    )  # fmt: skip


def _change_guidance(
    info: Info, requests: Sequence[Request], whole: Sequence[Sample], settings: Settings, ask: Ask
) -> list[Finding]:
    """A scale that never reaches the network is the commonest fault of published benchmarks."""
    if info.guidance in ("none", "baked"):
        return [Finding(about="guidance", verdict="ok", found=f"{info.guidance}; only the scale 1 can be asked for")]
    low, high = info.guidance_range
    scales = [scale for scale in (1.0, 2.0, 4.0, 7.0, low, high) if low <= scale <= high and scale != settings.guidance]
    if not scales or not np.isfinite(scales[0]):
        return [Finding(about="guidance", verdict="note", found=f"{info.guidance}; one scale only, {low:g}")]
    share = _same(whole, ask(requests, replace(settings, guidance=scales[0])))
    if share < 1:
        return [Finding(about="guidance", verdict="ok", found=f"{info.guidance}; {scales[0]:g} changes the images")]
    return [
        Finding(
            about="guidance", verdict="problem",
            found=f"says '{info.guidance}', but {settings.guidance:g} and {scales[0]:g} give the same bytes",
            to_do="let the scale reach the network, or say guidance = 'none' or 'baked'",
        )
    ]  # fmt: skip


def _read_card(info: Info) -> list[Finding]:
    findings = []
    if info.class_indices is not None and len(info.class_indices) < 1000:
        found = f"knows {len(info.class_indices)} of 1000"
        findings.append(Finding(about="classes", verdict="note", found=found, to_do="score it on splits of these"))
    for about, value in (("licence", info.licence), ("weights", info.weights)):
        if value in ("unknown", "none", ""):
            findings.append(Finding(about=about, verdict="note", found=value or "empty", to_do=f"say the {about}"))
    return findings


def write_strip(images: NDArray[np.uint8], path: Path) -> None:
    """Write `[N, H, W, 3]` uint8 images side by side as one PNG."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(images), axis=1)).save(path, "PNG")
