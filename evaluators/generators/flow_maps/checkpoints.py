"""Weights of a network: where they lie, what their keys are called, and whether they fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.evaluators.generators.weights import read_tensors
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import file_sha256
from relaionet.manifests.places import check_place
from relaionet.pipeline.hub import HubAddress, fetch_snapshot

if TYPE_CHECKING:
    import torch

HUB = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)/(?P<file>[^@]+)(@(?P<revision>.+))?")


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """How a published checkpoint is read.

    Attributes:
        key: of the file's own table that holds the weights, such as `ema` or `ema_model`; a file that is such a table
            itself, of tensors alone, needs none.
        prefix: what every key begins with.
        drop: beginnings of keys that are not loaded: parts for training alone, and what is computed.
        rename: pieces of keys -> what stands in their place.
        sha256: of the file, where it is known; empty checks nothing.
    """

    key: str = ""
    prefix: str = ""
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] | None = None
    sha256: str = ""


def find_weights(weights: str, base: Path, where: str) -> tuple[Path, str]:
    """The file of weights, fetched and checked where it is on the Hub.

    Args:
        weights: a path relative to `base`, or `hf://owner/name/path/in/it[@revision]`.
        base: folder of the generator's file.
        where: names the generator in errors.

    Returns:
        The file, and what it is in words.

    Raises:
        BadInput: it is not there.
        Unavailable: the Hub does not answer.
        Corrupt: the file is not what the Hub lists.
    """
    check_place(weights, "weights", f"{where}: weights")
    found = HUB.fullmatch(weights)
    if found is None:
        path = base / weights
        if not path.is_file():
            raise BadInput(
                f"{where}: weights {path} do not exist. `relaionet generators show NAME` says where they are; name the "
                'file in the recipe: options = { weights = "…" }.'
            )
        return path, f"{path.name} sha256:{file_sha256(path)}"
    address = HubAddress(kind="model", repo_id=found["repo"], revision=found["revision"])
    folder = fetch_snapshot(address, names=(found["file"],))
    path = folder / found["file"]
    if not path.is_file():
        raise BadInput(f"{where}: {found['repo']} has no file {found['file']}.")
    return path, f"{found['repo']}@{folder.name}/{found['file']}"


def pick_state(state: Mapping[str, Any], config: CheckpointConfig, where: str) -> dict[str, torch.Tensor]:
    """The weights of a file under the names the network has for them.

    Raises:
        BadInput: the file has no such key.
    """
    import torch

    if config.key and not all(isinstance(value, torch.Tensor) for value in state.values()):
        held = state.get(config.key)
        if not isinstance(held, Mapping):
            raise BadInput(f"{where}: the checkpoint has no '{config.key}'; it has {', '.join(list(state)[:8])}.")
        state = held
    picked = {}
    for name, value in state.items():
        if not isinstance(value, torch.Tensor) or not name.startswith(config.prefix):
            continue
        name = name.removeprefix(config.prefix)
        for old, new in (config.rename or {}).items():
            name = name.replace(old, new)
        if not name.startswith(config.drop or ("\0",)):
            picked[name] = value
    return picked


def load_weights(network: torch.nn.Module, path: Path, config: CheckpointConfig, where: str) -> None:
    """Load a file's weights into a network; float16 is widened to the network's own type.

    Raises:
        BadInput: its keys or shapes are not the network's.
        Corrupt: it cannot be read, or is not the file that was meant.
    """
    if config.sha256 and (found := file_sha256(path)) != config.sha256:
        raise Corrupt(f"{where}: weights {path} have sha256 {found[:12]}…, expected {config.sha256[:12]}….")
    state = pick_state(read_tensors(path, where), config, where)
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items() if name != "pos_embed"}  # it is fixed
    differing = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
    if differing:
        name = differing[0]
        raise BadInput(
            f"{where}: {len(differing)} tensors of {path.name} do not fit the backbone, the first is '{name}': "
            f"expected {wanted.get(name, 'none')}, found {given.get(name, 'none')}. Check the backbone's size and "
            "[checkpoint]."
        )
    network.load_state_dict({name: state[name] for name in wanted})
