"""Class-conditional torch backbones with a sampler spec and safetensors weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.evaluators.generators.adapter import GeneratorAdapter, Need
from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.dry_run import ADAPTIVE, DryRun, has_model, lacking
from relaionet.evaluators.generators.flow_maps.checkpoints import HUB
from relaionet.evaluators.generators.protocol import Settings
from relaionet.pipeline.hub import HubAddress, is_fetched

if TYPE_CHECKING:
    from relaionet.evaluators.generators.flow_maps.generator import FlowMapGenerator, FlowMapPlan

CHUNK_SIZE = 16
LOADED = ("weights", "guide", "chunk_size")
"""Keys of a file that matter only once weights are read."""


def make_flow_map(
    *,
    name: str,
    weights: str,
    network: Mapping[str, Any],
    sampler: Mapping[str, Any],
    sampler_by_steps: Mapping[str, Any] | None = None,
    backbone: str = "dit",
    checkpoint: Mapping[str, Any] | None = None,
    codec: Mapping[str, Any] | None = None,
    guide: Mapping[str, Any] | None = None,
    class_indices: Sequence[int] | None = None,
    chunk_size: int = CHUNK_SIZE,
    device: str = "cpu",
    base: Path | None = None,
    **about: Any,
) -> FlowMapGenerator:
    """A generator from a backbone, its weights and a sampler spec.

    Args:
        name: as it stands in tables.
        weights: file relative to the TOML file, or `hf://owner/name/path[@revision]`.
        network: fields of the backbone's config.
        sampler: fields of `FlowMapSpec`.
        sampler_by_steps: number of steps -> fields of it that are others there.
        backbone: name of the backbone.
        checkpoint: fields of `CheckpointConfig`.
        codec: fields of `CodecConfig`; pixels where None.
        guide: `weights` and `network` of the weaker network of autoguidance.
        class_indices: ImageNet class of each network label; None where they are the 1000 in order.
        chunk_size: rows of every forward call.
        device: torch device.
        base: folder of the TOML file.
        **about: further fields of `generators.Info`: guidance_range, natural_guidance, steps, licence.

    Returns:
        The generator.

    Raises:
        BadInput: an unknown key or name, missing weights, or weights that do not fit.
        Unavailable: the Hub does not answer.
    """
    from relaionet.evaluators.generators.flow_maps.generator import load_flow_map, plan_flow_map

    plan = plan_flow_map(
        name=name, network=network, sampler=sampler, sampler_by_steps=sampler_by_steps, backbone=backbone,
        checkpoint=checkpoint, codec=codec, class_indices=class_indices, **about,
    )  # fmt: skip
    return load_flow_map(plan, weights, guide, chunk_size=chunk_size, device=device, base=base or Path())


def plan_of(found: Definition) -> FlowMapPlan:
    """All of a generator's file that can be read without its weights.

    Args:
        found: the file.

    Raises:
        BadInput: an unknown key or name, or fields that contradict each other.
    """
    from relaionet.evaluators.generators.flow_maps.generator import plan_flow_map

    return plan_flow_map(**{key: value for key, value in found.options.items() if key not in LOADED})


def _look_at_flow_map(found: Definition) -> DryRun:
    """A backbone of ours: its file says all but the weights; its calls are counted with a network that does nothing."""
    options = found.options
    places = [str(options["weights"]), str((options.get("guide") or {}).get("weights", ""))]
    plan = plan_of(found)
    here: list[str] = []
    to_fetch: list[str] = []
    missing: list[str] = []
    for place in filter(None, places):
        hub = HUB.fullmatch(place)
        if hub is None:
            path = found.path.parent / place
            here += [str(path)] if path.is_file() else []
            missing += [] if path.is_file() else [f"{path.name}: {found.about.weights or 'it is not there'}"]
            continue
        address = HubAddress(kind="model", repo_id=hub["repo"], revision=hub["revision"])
        (here if is_fetched(address, hub["file"]) else to_fetch).append(place)
    if plan.codec.kind != "pixel":
        name = f"{plan.codec.subfolder}/config.json".lstrip("/")
        known = has_model(plan.codec.model, plan.codec.revision, name, found.path.parent)
        (here if known else to_fetch).append(plan.codec.model)
        missing += lacking("diffusers", "diffusers")
    return DryRun(
        info=plan.info, kind=found.kind, about=found.about, here=tuple(here), to_fetch=tuple(to_fetch),
        missing=tuple(missing), calls=lambda settings: _count_calls(plan.spec_at(settings.steps), settings),
    )  # fmt: skip


def _count_calls(spec: Any, settings: Settings) -> str:
    """Calls of the sampler itself, with a network that gives zeros, on one number."""
    from relaionet.evaluators.generators.flow_maps.sampler import sample_flow_map

    if spec.step_rule == "dopri5":
        return ADAPTIVE

    def nothing(x: Any, *_: Any) -> Any:
        return x * 0

    _, calls = sample_flow_map(
        nothing, spec, labels=[0], seeds=[0], shape=(1, 1, 1), null_label=1, steps=settings.steps,
        guidance=settings.guidance, weak=nothing,
    )  # fmt: skip
    return str(calls[0])


ADAPTER = GeneratorAdapter(
    kind="flow_map",
    about="a class-conditional torch backbone with one sampler whose behaviour is data",
    factory=make_flow_map,
    look=_look_at_flow_map,
    needs=(Need("diffusers", "diffusers", "for a codec other than `pixel`"),),
    order=60,
)
