"""Class-conditional torch backbones with a sampler spec and safetensors weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from relaionet.evaluators.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.backbones.unet import UNet, UNetConfig
from relaionet.evaluators.flow_map import FlowMapSpec, make_grid, quantise, sample_padded
from relaionet.evaluators.generators import Generated, Info, Request, Settings, check_settings
from relaionet.manifests.errors import BadInput, Corrupt, nearest_name
from relaionet.manifests.store import file_sha256

BACKBONES: dict[str, tuple[type[torch.nn.Module], type]] = {"dit": (DiT, DiTConfig), "unet": (UNet, UNetConfig)}
CHUNK_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class FlowMapGenerator:
    """A backbone and how it is sampled.

    Attributes:
        info: what it is.
        network: backbone in evaluation mode, called as `flow_map.Network`.
        spec: sampler.
        state_shape: (C, H, W) of what is sampled.
        label_of: class_index -> label of the network.
        null_label: label of the unconditional pass.
        chunk_size: rows of every forward call, whatever the caller's batch.
        device: where the network is.
    """

    info: Info
    network: torch.nn.Module
    spec: FlowMapSpec
    state_shape: tuple[int, int, int]
    label_of: Mapping[int, int]
    null_label: int
    chunk_size: int
    device: str

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
        states, nfe = sample_padded(
            self.network, self.spec, labels=[self.label_of[request.class_index] for request in batch],
            seeds=[request.seed for request in batch], chunk_size=self.chunk_size, shape=self.state_shape,
            null_label=self.null_label, steps=settings.steps, guidance=settings.guidance, device=self.device,
        )  # fmt: skip
        return Generated(images=quantise(states.cpu(), self.spec.quantise).numpy(), nfe=nfe)

    def describe(self, settings: Settings) -> dict[str, Any]:
        """The realised grid, the sampler, precision and size, for the record."""
        return {
            "noise_levels": make_grid(self.spec, settings.steps),
            "sampler": dataclasses.asdict(self.spec),
            "precision": "float32",
            "chunk_size": self.chunk_size,
            "parameters_count": sum(parameter.numel() for parameter in self.network.parameters()),
        }


def _fill(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a TOML table; an unknown key names the nearest known one."""
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    filled = {}
    for name, value in values.items():
        if name not in known:
            raise BadInput(f"{where}: unknown key '{name}'.{nearest_name(name, known)}")
        filled[name] = tuple(value) if isinstance(value, list) else value
        expected = (int, float) if isinstance(known[name], float) else type(known[name])
        if known[name] is not None and not isinstance(filled[name], expected):
            raise BadInput(f"{where}: {name} = {value!r} is no {type(known[name]).__name__}; as in {known[name]!r}.")
    return kind(**filled)


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Load safetensors into a network; float16 is widened to the network's own type.

    Raises:
        BadInput: the file is missing, or its keys or shapes are not the network's.
        Corrupt: the file is no safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise BadInput(f"weights {path} do not exist.")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise Corrupt(f"weights {path} cannot be read: {error}.") from None
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items() if name != "pos_embed"}  # it is fixed
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise BadInput(
            f"weights {path}: {len(differing)} tensors do not fit the backbone, the first is '{name}': expected "
            f"{wanted.get(name, 'none')}, found {found.get(name, 'none')}. Check the backbone's size."
        )
    network.load_state_dict({name: state[name] for name in wanted})


def _make_network(
    name: str, backbone: str, network: Mapping[str, Any]
) -> tuple[torch.nn.Module, DiTConfig | UNetConfig]:
    """The backbone of a name with its config, weights not loaded yet."""
    if backbone not in BACKBONES:
        raise BadInput(f"generator '{name}': backbone '{backbone}' is unknown.{nearest_name(backbone, BACKBONES)}")
    kind, config_kind = BACKBONES[backbone]
    config: DiTConfig | UNetConfig = _fill(config_kind, network, f"generator '{name}', [network]")
    if config.in_channels != 3:
        raise BadInput(f"generator '{name}': a state of {config.in_channels} channels needs a codec; only 3 is pixels.")
    return kind(config), config


def make_flow_map(
    *,
    name: str,
    weights: str,
    network: Mapping[str, Any],
    sampler: Mapping[str, Any],
    backbone: str = "dit",
    class_indices: Sequence[int] | None = None,
    guidance_range: Sequence[float] = (1.0, math.inf),
    steps: Sequence[int] | None = None,
    chunk_size: int = CHUNK_SIZE,
    licence: str = "unknown",
    device: str = "cpu",
    base: Path | None = None,
) -> FlowMapGenerator:
    """A generator from a backbone, its weights and a sampler spec.

    Args:
        name: as it stands in tables.
        weights: safetensors file, relative to the TOML file.
        network: fields of the backbone's config.
        sampler: fields of `FlowMapSpec`.
        backbone: name of the backbone.
        class_indices: ImageNet class of each network label; None where they are the 1000 in order.
        guidance_range: smallest and largest scale it was made for.
        steps: numbers of steps it can take; None is any from 1.
        chunk_size: rows of every forward call.
        licence: of the weights.
        device: torch device.
        base: folder of the TOML file.

    Returns:
        The generator.

    Raises:
        BadInput: an unknown key or name, missing weights, or weights that do not fit.
    """
    model, config = _make_network(name, backbone, network)
    spec: FlowMapSpec = _fill(FlowMapSpec, sampler, f"generator '{name}', [sampler]")
    indices = tuple(range(config.num_classes) if class_indices is None else class_indices)
    if len(indices) != config.num_classes:
        raise BadInput(f"generator '{name}': {len(indices)} class_indices for {config.num_classes} network labels.")
    path = (base or Path()) / weights
    load_weights(model, path)
    info = Info(
        name=name, native_size_px=config.input_size, guidance=spec.guidance,
        guidance_range=(float(guidance_range[0]), float(guidance_range[1])),
        steps=None if steps is None else tuple(steps), class_indices=indices, licence=licence,
        weights=f"{path.name} sha256:{file_sha256(path)}",
    )  # fmt: skip
    return FlowMapGenerator(
        info=info, network=model.eval().requires_grad_(False).to(device), spec=spec,
        state_shape=(config.in_channels, config.input_size, config.input_size),
        label_of={index: label for label, index in enumerate(indices)}, null_label=config.num_classes,
        chunk_size=chunk_size, device=device,
    )  # fmt: skip
