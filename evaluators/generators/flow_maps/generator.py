"""A class-conditional torch backbone with its weights, sampler and codec: the generator that is made of a file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from relaionet.evaluators.generators.flow_maps.checkpoints import CheckpointConfig, find_weights, load_weights
from relaionet.evaluators.generators.flow_maps.codecs import Codec, CodecConfig, load_codec, quantise
from relaionet.evaluators.generators.flow_maps.networks import BACKBONES, Config, _fill, fill_network
from relaionet.evaluators.generators.flow_maps.sampler import sample_padded
from relaionet.evaluators.generators.flow_maps.spec import FlowMapSpec, make_grid
from relaionet.evaluators.generators.protocol import (
    Generated,
    Info,
    Request,
    Settings,
    by_steps,
    check_settings,
    make_info,
)
from relaionet.manifests.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class FlowMapGenerator:
    """A backbone and how it is sampled.

    Attributes:
        info: what it is.
        network: backbone in evaluation mode, called as `flow_map.Network`.
        spec: sampler.
        spec_by_steps: number of steps -> sampler, where it is another one.
        codec: makes pixels of what is sampled.
        weak: the weaker network of autoguidance.
        state_shape: (C, H, W) of what is sampled.
        label_of: class_index -> label of the network.
        null_label: label of the unconditional pass.
        chunk_size: rows of every forward call, whatever the caller's batch.
        device: where the network is.
    """

    info: Info
    network: torch.nn.Module
    spec: FlowMapSpec
    codec: Codec
    weak: torch.nn.Module | None
    state_shape: tuple[int, int, int]
    label_of: Mapping[int, int]
    null_label: int
    chunk_size: int
    device: str
    spec_by_steps: Mapping[int, FlowMapSpec] = dataclasses.field(default_factory=dict)

    def spec_at(self, steps: int) -> FlowMapSpec:
        """The sampler at a number of steps."""
        return self.spec_by_steps.get(steps, self.spec)

    @torch.inference_mode()
    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Make one image for each request; the same bytes for any batch.

        Raises:
            BadInput: a setting or class the generator does not have.
            ValueError: the network gave pixels that are not finite.
        """
        check_settings(self.info, settings)
        unknown = [request.class_index for request in batch if request.class_index not in self.label_of]
        if unknown:
            raise BadInput(f"generator '{self.info.name}' has no class {unknown[0]}.")
        spec = self.spec_at(settings.steps)
        states, nfe = sample_padded(
            self.network, spec, labels=[self.label_of[request.class_index] for request in batch],
            seeds=[request.seed for request in batch], chunk_size=self.chunk_size, shape=self.state_shape,
            null_label=self.null_label, steps=settings.steps, guidance=settings.guidance, device=self.device,
            weak=self.weak,
        )  # fmt: skip
        return Generated(images=self._decode(states, spec), nfe=nfe)

    def _decode(self, states: torch.Tensor, spec: FlowMapSpec) -> NDArray[np.uint8]:
        """Chunk by chunk, filled up, as the network is run: the autoencoder's bytes depend on no batch either."""
        images = []
        for start in range(0, len(states), self.chunk_size):
            part = states[start : start + self.chunk_size]
            full = torch.cat([part, part[-1:].expand(self.chunk_size - len(part), *part.shape[1:])])
            images.append(quantise(self.codec.decode(full)[: len(part)].cpu(), spec.quantise).numpy())
        return np.concatenate(images)

    def describe(self, settings: Settings) -> dict[str, Any]:
        """The realised grid, the sampler, precision and size, for the record."""
        spec = self.spec_at(settings.steps)
        return {
            "noise_levels": make_grid(spec, settings.steps),
            "sampler": dataclasses.asdict(spec),
            "codec": dataclasses.asdict(self.codec.config) | {"source": self.codec.source},
            "precision": "float32",
            "chunk_size": self.chunk_size,
            "parameters_count": sum(parameter.numel() for parameter in self.network.parameters()),
        }


def _load_network(
    backbone: str, config: Config, weights: str, checkpoint: CheckpointConfig, base: Path, where: str, device: str
) -> tuple[torch.nn.Module, str]:
    """A backbone with its weights, and in words where they come from."""
    path, source = find_weights(weights, base, where)
    model = BACKBONES[backbone][0](config)
    load_weights(model, path, checkpoint, where)
    return model.eval().requires_grad_(False).to(device), source


@dataclass(frozen=True, kw_only=True)
class FlowMapPlan:
    """A generator's file, checked, before any weights are read.

    Attributes:
        where: names the generator in errors.
        backbone: name of the backbone.
        spec: sampler.
        spec_by_steps: number of steps -> sampler, where it is another one.
        checkpoint: how weights are read.
        config: the backbone's size.
        codec: how states become pixels.
        indices: ImageNet class of each network label.
        info: what the generator is, but for its weights.
    """

    where: str
    backbone: str
    spec: FlowMapSpec
    checkpoint: CheckpointConfig
    config: Config
    codec: CodecConfig
    indices: tuple[int, ...]
    info: Info
    spec_by_steps: Mapping[int, FlowMapSpec]

    def spec_at(self, steps: int) -> FlowMapSpec:
        """The sampler at a number of steps."""
        return self.spec_by_steps.get(steps, self.spec)


def _read_samplers(
    sampler: Mapping[str, Any], changes: Mapping[str, Any], where: str
) -> tuple[FlowMapSpec, dict[int, FlowMapSpec]]:
    """The sampler, and those of the numbers of steps where some of its fields are others."""
    spec: FlowMapSpec = _fill(FlowMapSpec, sampler, f"{where}, [sampler]")
    others: dict[int, FlowMapSpec] = {}
    for steps, own in by_steps(changes, dict, f"{where}, [sampler_by_steps]"):
        place = f"{where}, [sampler_by_steps.{steps}]"
        others[steps] = _fill(FlowMapSpec, {**sampler, **own}, place)
        if others[steps].guidance != spec.guidance:
            raise BadInput(f"{place}: guidance cannot be of another kind than at other steps.")
    return spec, others


def plan_flow_map(
    *,
    name: str,
    network: Mapping[str, Any],
    sampler: Mapping[str, Any],
    sampler_by_steps: Mapping[str, Any] | None = None,
    backbone: str = "dit",
    checkpoint: Mapping[str, Any] | None = None,
    codec: Mapping[str, Any] | None = None,
    class_indices: Sequence[int] | None = None,
    **about: Any,
) -> FlowMapPlan:
    """Check all of a generator's file that can be checked without weights.

    Args:
        name: as it stands in tables.
        network: fields of the backbone's config.
        sampler: fields of `FlowMapSpec`.
        sampler_by_steps: number of steps -> fields of it that are others there.
        backbone: name of the backbone.
        checkpoint: fields of `CheckpointConfig`.
        codec: fields of `CodecConfig`; pixels where None.
        class_indices: ImageNet class of each network label; None where they are the 1000 in order.
        **about: further fields of `protocol.Info`: guidance_range, natural_guidance, steps, licence.

    Returns:
        The file, checked.

    Raises:
        BadInput: an unknown key or name, or fields that contradict each other.
    """
    where = f"generator '{name}'"
    spec, others = _read_samplers(sampler, sampler_by_steps or {}, where)
    read: CheckpointConfig = _fill(CheckpointConfig, checkpoint or {}, f"{where}, [checkpoint]")
    config = fill_network(backbone, network, where)
    indices = tuple(range(config.num_classes) if class_indices is None else class_indices)
    if len(indices) != config.num_classes:
        raise BadInput(f"{where}: {len(indices)} class_indices for {config.num_classes} network labels.")
    pixels: CodecConfig = _fill(CodecConfig, codec or {}, f"{where}, [codec]")
    info = make_info(
        {"guidance_range": (1.0, math.inf), **about}, name=name, guidance=spec.guidance,
        native_size_px=pixels.image_size_px or config.input_size,
        class_indices=None if indices == tuple(range(1000)) else indices,
    )  # fmt: skip
    return FlowMapPlan(
        where=where, backbone=backbone, spec=spec, checkpoint=read, config=config, codec=pixels, indices=indices,
        info=info, spec_by_steps=others,
    )  # fmt: skip


def load_flow_map(
    plan: FlowMapPlan, weights: str, guide: Mapping[str, Any] | None, *, chunk_size: int, device: str, base: Path
) -> FlowMapGenerator:
    """Read the weights of a planned generator.

    Args:
        plan: its file, checked.
        weights: file relative to `base`, or `hf://owner/name/path[@revision]`.
        guide: `weights` and `network` of the weaker network of autoguidance.
        chunk_size: rows of every forward call.
        device: torch device.
        base: folder of the generator's file.

    Raises:
        BadInput: missing weights, or weights that do not fit.
        Unavailable: the Hub does not answer.
    """
    where, config = plan.where, plan.config
    decoder = load_codec(plan.codec, config.in_channels, device, base, where)
    model, source = _load_network(plan.backbone, config, weights, plan.checkpoint, base, where, device)
    weak, weak_source = _load_guide(plan, guide, base, device)
    info = dataclasses.replace(plan.info, weights="; ".join(filter(None, [source, weak_source, decoder.source])))
    return FlowMapGenerator(
        info=info, network=model, spec=plan.spec, codec=decoder, weak=weak,
        state_shape=(config.in_channels, config.input_size, config.input_size),
        label_of={index: label for label, index in enumerate(plan.indices)}, null_label=config.num_classes,
        chunk_size=chunk_size, device=device, spec_by_steps=plan.spec_by_steps,
    )  # fmt: skip


def _load_guide(
    plan: FlowMapPlan, guide: Mapping[str, Any] | None, base: Path, device: str
) -> tuple[torch.nn.Module | None, str]:
    where = plan.where
    if (plan.spec.guidance == "autoguidance") != (guide is not None):
        raise BadInput(f"{where}: a [guide] and guidance = 'autoguidance' belong together; one is missing.")
    if guide is None:
        return None, ""
    unknown = [key for key in guide if key not in ("weights", "network")]
    if unknown or len(guide) < 2:
        raise BadInput(f"{where}, [guide]: expected weights and network, found {', '.join(guide) or 'nothing'}.")
    where = f"{where}, [guide]"
    config = fill_network(plan.backbone, guide["network"], where)
    weak, source = _load_network(plan.backbone, config, guide["weights"], plan.checkpoint, base, where, device)
    return weak, f"guide {source}"
