"""Networks of flow maps: a backbone named by an entry, built to its settings, filled with published weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.generators.flow_maps.backbones.dit_dh import DiTDH, DiTDHConfig
from relaionet.evaluators.generators.flow_maps.backbones.imf_dit import ImfDiT, ImfDiTConfig
from relaionet.evaluators.generators.flow_maps.backbones.unet import UNet, UNetConfig
from relaionet.manifests.errors import BadInput, nearest_name

Config = DiTConfig | DiTDHConfig | ImfDiTConfig | UNetConfig


BACKBONES: dict[str, tuple[type[torch.nn.Module], type]] = {
    "dit": (DiT, DiTConfig),
    "dit_dh": (DiTDH, DiTDHConfig),
    "imf_dit": (ImfDiT, ImfDiTConfig),
    "unet": (UNet, UNetConfig),
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


def fill_network(backbone: str, network: Mapping[str, Any], where: str) -> Config:
    """The backbone's config from an entry's table [network].

    Raises:
        BadInput: the backbone or a key is unknown.
    """
    if backbone not in BACKBONES:
        raise BadInput(f"{where}: backbone '{backbone}' is unknown.{nearest_name(backbone, BACKBONES)}")
    config: Config = _fill(BACKBONES[backbone][1], network, f"{where}, [network]")
    return config
