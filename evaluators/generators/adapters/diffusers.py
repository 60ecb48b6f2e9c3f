"""A diffusers pipeline: by id or folder, with other components, LoRAs, scheduler, timesteps or sigmas where asked."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from relaionet.evaluators.generators.adapter import GeneratorAdapter, Need
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.diffusers_loading import Parts, load_pipeline, precision_of
from relaionet.evaluators.generators.dry_run import DryRun, has_model, info_fields, lacking
from relaionet.evaluators.generators.protocol import (
    Generated,
    Info,
    Request,
    Settings,
    by_steps,
    check_settings,
    make_info,
)
from relaionet.manifests.errors import BadInput, nearest_name

Table = Mapping[str, Any] | None
CONDITIONS = ("prompt", "class")
OURS = (
    "prompt",
    "class_labels",
    "generator",
    "num_inference_steps",
    "timesteps",
    "sigmas",
    "output_type",
    "batch_size",
)
NETWORKS = ("transformer", "unet")


@dataclass(kw_only=True)
class DiffusersGenerator:
    """A pipeline and how it is called.

    Attributes:
        info: what it is.
        pipeline: of diffusers, on its device.
        condition: what a request becomes: `prompt` or `class`.
        guidance_argument: the pipeline's argument that guidance goes to.
        call: further arguments of every call.
        call_by_steps: number of steps -> arguments that go before those.
        timesteps: number of steps -> explicit timesteps.
        sigmas: number of steps -> explicit noise levels.
        chunk_size: images of every call, whatever the caller's batch; the last call is filled up.
        network: the component whose forward calls are counted.
        precision: name of the weights' type.
        realised: number of steps -> timesteps and noise levels as the scheduler had them.
    """

    info: Info
    pipeline: Any
    condition: str
    guidance_argument: str
    call: Mapping[str, Any]
    call_by_steps: Mapping[int, Mapping[str, Any]]
    timesteps: Mapping[int, Sequence[float]]
    sigmas: Mapping[int, Sequence[float]]
    chunk_size: int
    network: str
    precision: str
    realised: dict[int, dict[str, Any]] = field(default_factory=dict)
    _rows: int = 0

    def __post_init__(self) -> None:
        getattr(self.pipeline, self.network).register_forward_pre_hook(self._count, with_kwargs=True)
        self.pipeline.set_progress_bar_config(disable=True)

    def _count(self, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A pass with guidance has two rows for each image, in one call of the network or in two."""
        inputs = [value for value in (*args, *kwargs.values()) if getattr(value, "ndim", 0) >= 3]
        self._rows += int(inputs[0].shape[0])

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Make one image for each request; with the same chunk size the same bytes for any batch.

        Raises:
            BadInput: a setting the pipeline does not have.
        """
        check_settings(self.info, settings)
        images, nfe = [], []
        for start in range(0, len(batch), self.chunk_size):
            part = list(batch[start : start + self.chunk_size])
            full = part + part[-1:] * (self.chunk_size - len(part))
            self._rows = 0
            made = self._call(full, settings)  # [chunk, H, W, 3] float, 0 to 1
            images.append(np.floor(made[: len(part)].astype(np.float64) * 255 + 0.5).clip(0, 255).astype(np.uint8))
            nfe += [self._rows // self.chunk_size] * len(part)
        return Generated(images=np.concatenate(images), nfe=nfe)

    def _call(self, batch: Sequence[Request], settings: Settings) -> np.ndarray:
        import torch

        # a scheduler that draws without the given generators draws from the global state
        torch.manual_seed(batch[0].seed)
        given: dict[str, Any] = {
            "generator": [torch.Generator().manual_seed(request.seed) for request in batch], "output_type": "np",
            "num_inference_steps": settings.steps, **self.call, **self.call_by_steps.get(settings.steps, {}),
        }  # fmt: skip
        if self.condition == "prompt":
            given["prompt"] = [request.prompt for request in batch]
        else:
            given |= {"class_labels": [request.class_index for request in batch], "batch_size": len(batch)}
        if self.info.guidance not in ("none", "baked"):
            given[self.guidance_argument] = settings.guidance
        for name, plans in (("timesteps", self.timesteps), ("sigmas", self.sigmas)):
            if settings.steps in plans:
                given[name] = list(plans[settings.steps])
                given.pop("num_inference_steps") if name == "timesteps" else None
        known = inspect.signature(type(self.pipeline).__call__).parameters
        with torch.inference_mode():
            images = self.pipeline(**{name: value for name, value in given.items() if name in known}).images
        self._note(settings.steps)
        found = np.asarray(images)
        if not np.isfinite(found).all():
            raise ValueError("the pipeline made NaN or infinite pixels")
        return found

    def _note(self, steps: int) -> None:
        """What the scheduler really did: what a number of steps means changes between versions of diffusers."""
        if steps not in self.realised:
            scheduler = self.pipeline.scheduler
            self.realised[steps] = {
                name: [round(float(value), 6) for value in getattr(scheduler, name)]
                for name in ("timesteps", "sigmas")
                if getattr(scheduler, name, None) is not None
            }

    def describe(self, settings: Settings) -> dict[str, Any]:
        """Pipeline, scheduler, realised timesteps and noise levels, precision, size, for the record."""
        import diffusers
        import transformers

        network = getattr(self.pipeline, self.network)
        return {
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "realised": self.realised.get(settings.steps, {}),
            "precision": self.precision,
            "chunk_size": self.chunk_size,
            "parameters_count": sum(parameter.numel() for parameter in network.parameters()),
            "versions": {"diffusers": diffusers.__version__, "transformers": transformers.__version__},
        }


def _plans(values: Mapping[str, Sequence[float]], name: str, key: str) -> dict[int, tuple[float, ...]]:
    try:
        return {int(steps): tuple(map(float, plan)) for steps, plan in values.items()}
    except (TypeError, ValueError):
        raise BadInput(
            f"generator '{name}': {key} is a table of lists by number of steps, such as 1 = [399]."
        ) from None


def _read_call(table: Any) -> dict[str, Any]:
    """Arguments of a call; TOML has no None, so "none" stands for it."""
    return {key: None if value == "none" else value for key, value in dict(table).items()}


def _check_call(pipeline: Any, condition: str, guidance: str, argument: str, given: Iterable[str], name: str) -> None:
    known = inspect.signature(type(pipeline).__call__).parameters
    given = list(given)
    if ours := [key for key in given if key in OURS]:
        raise BadInput(f"generator '{name}': [call] sets '{ours[0]}', which follows from the requests and settings.")
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    needed = ["prompt" if condition == "prompt" else "class_labels"]
    needed += [argument] if guidance not in ("none", "baked") else []
    for key in [*needed, *given]:
        if key not in known:
            kind = type(pipeline).__name__
            raise BadInput(f"generator '{name}': {kind} takes no argument '{key}'.{nearest_name(key, known)}")


def _check_asked(condition: str, chunk_size: int, name: str) -> None:
    if condition not in CONDITIONS:
        raise BadInput(f"generator '{name}': condition is '{condition}'.{nearest_name(condition, CONDITIONS)}")
    if chunk_size < 1:
        raise BadInput(f"generator '{name}': chunk_size is {chunk_size}; expected 1 or more.")


def _network_of(pipeline: Any, name: str) -> str:
    """Name of the part of a pipeline whose forward calls are counted."""
    found = next((one for one in NETWORKS if getattr(pipeline, one, None) is not None), None)
    if found is None:
        raise BadInput(f"generator '{name}': {type(pipeline).__name__} has neither {' nor '.join(NETWORKS)} to count.")
    return found


def make_diffusers(
    *, name: str, model: str, pipeline: str = "DiffusionPipeline", revision: str = "", condition: str = "prompt",
    precision: str = "auto", scheduler: Table = None, components: Mapping[str, Mapping[str, str]] | None = None,
    loras: Sequence[Mapping[str, Any]] = (), guidance_argument: str = "guidance_scale", call: Table = None,
    call_by_steps: Table = None, timesteps: Table = None, sigmas: Table = None, chunk_size: int = 1,
    offload: bool = False, device: str = "cpu", base: Path | None = None, **about: Any,
) -> DiffusersGenerator:  # fmt: skip
    """A generator from a diffusers pipeline.

    Args:
        name: as it stands in tables.
        model: `owner/name` on the Hub, or a folder relative to the TOML file.
        pipeline: class of diffusers; found from the model where it is `DiffusionPipeline`.
        revision: branch, tag or commit on the Hub; the commit found is recorded.
        condition: what a request becomes: `prompt` or `class` (its class_index, 0 to 999).
        precision: `float32`, `bfloat16`, `float16`, or `auto`: float32 on a CPU, bfloat16 on a GPU.
        scheduler: `class` of diffusers, and settings that replace those of the model's own.
        components: component -> `model` (and `subfolder`) to take it from, or `file` with weights for the one there.
        loras: each `model`, `file`, `scale`; fused in this order.
        guidance_argument: the pipeline's argument that guidance goes to.
        call: further arguments of every call, such as height and width; "none" is Python's None.
        call_by_steps: number of steps -> arguments that go before those of `call`.
        timesteps: number of steps -> explicit timesteps.
        sigmas: number of steps -> explicit noise levels.
        chunk_size: images of every call; belongs to the generator, as it can change bytes.
        offload: keep on the GPU only what is at work.
        device: torch device.
        base: folder of the TOML file.
        **about: fields of `generators.Info`, `native_size_px` at least.

    Raises:
        BadInput: an unknown class, key or file, or a model that is not there or that this machine may not read.
        Unavailable: the Hub does not answer.
    """
    _check_asked(condition, chunk_size, name)
    own = dict(by_steps(call_by_steps or {}, _read_call, f"generator '{name}': call_by_steps"))
    parts = Parts(
        name=name, model=model, revision=revision, pipeline=pipeline, precision=precision_of(precision, device, name),
        scheduler=dict(scheduler or {}), components=dict(components or {}), loras=tuple(loras), offload=offload,
        device=device, base=base or Path(),
    )  # fmt: skip
    loaded, weights = load_pipeline(parts)
    info = make_info(about, name=name, weights=weights)
    _check_call(loaded, condition, info.guidance, guidance_argument, chain(call or {}, *own.values()), name)
    return DiffusersGenerator(
        info=info, pipeline=loaded, condition=condition, guidance_argument=guidance_argument,
        call=_read_call(call or {}), call_by_steps=own,
        timesteps=_plans(timesteps or {}, name, "timesteps"), sigmas=_plans(sigmas or {}, name, "sigmas"),
        chunk_size=chunk_size, network=_network_of(loaded, name), precision=parts.precision,
    )  # fmt: skip


def _look_at_diffusers(found: Definition) -> DryRun:
    """A pipeline: the calls are those of a scheduler of first order, and are counted when it runs."""
    options = found.options
    model, revision, base = str(options["model"]), str(options.get("revision", "")), found.path.parent
    info = make_info(info_fields(make_diffusers, found), name=options["name"], weights=model)
    parts = [
        one["model"] for one in (*options.get("components", {}).values(), *options.get("loras", ())) if "model" in one
    ]
    fetched = has_model(model, revision, "model_index.json", base)
    others = tuple(dict.fromkeys(part for part in parts if not (base / part).is_dir()))

    def calls(settings: Settings) -> str:
        passes = 2 if info.guidance == "two_pass" and settings.guidance > 1 else 1
        return f"{settings.steps * passes}"

    return DryRun(
        info=info, kind=found.kind, about=found.about, here=(model,) if fetched else (),
        to_fetch=(() if fetched else (model,)) + others, missing=tuple(lacking("diffusers", "diffusers")), calls=calls,
    )  # fmt: skip


ADAPTER = GeneratorAdapter(
    kind="diffusers",
    about="a pipeline of diffusers by id or folder, with other parts, scheduler, timesteps or noise levels where asked",
    factory=make_diffusers,
    look=_look_at_diffusers,
    needs=(Need("diffusers", "diffusers"),),
    order=50,
)
