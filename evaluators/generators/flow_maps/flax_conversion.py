"""Weights of a flax checkpoint in the layout of our torch backbones, as a safetensors file.

What differs between the two: flax's dense kernels are [in, out] and its convolutions [height, width, in, out]; a list
of layers is named `layers_0`; the authors' wrapper modules stand in the names; MeanFlow's second time is `h_embedder`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.definition import Definition
from relaionet.evaluators.generators.flow_maps.checkpoints import CheckpointConfig
from relaionet.evaluators.generators.flow_maps.flax_checkpoints import Arrays, find_checkpoint, read_flax
from relaionet.manifests.errors import BadInput, Corrupt, nearest_name
from relaionet.manifests.replacing import replacing

VERSION = "1"
WRAPPERS = ("_flax_linear", "_flax_embedding")
NUMBERED = re.compile(r"(layers|shared_blocks|u_heads|v_heads)_(\d+)")
SEQUENCE = "layers"  # of flax's Sequential, which is a number alone in torch
LEAVES = {"kernel": "weight", "embedding": "weight"}
RENAME = {"dit": {"h_embedder": "s_embedder"}, "imf_dit": {}}
DROP = ("v_heads.", "v_final_layer.")  # heads that training alone uses
AXES = {2: (1, 0), 4: (3, 2, 0, 1)}  # of kernels, by their number of axes


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What came of a conversion.

    Attributes:
        source: the checkpoint that was read.
        path: the file written.
        tensors_count: tensors in it.
        parameters_count: numbers in it.
    """

    source: Path
    path: Path
    tensors_count: int
    parameters_count: int


def rename_flax(name: str, backbone: str) -> str:
    """The torch name of a flax parameter, such as `blocks.layers_3.attn.qkv._flax_linear.kernel`.

    Args:
        name: levels with dots between, without those above the network's own.
        backbone: name of the backbone, as in an entry.
    """
    *levels, leaf = name.split(".")
    parts: list[str] = []
    for level in levels:
        if found := NUMBERED.fullmatch(level):
            parts += [found[2]] if found[1] == SEQUENCE else [found[1], found[2]]
        elif level not in WRAPPERS:
            parts.append(RENAME[backbone].get(level, level))
    return ".".join([*parts, LEAVES.get(leaf, leaf)])


def turn_flax(name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """A flax parameter with its axes in torch's order.

    Args:
        name: flax's; only kernels are turned.
        value: `[in, out]` becomes `[out, in]`, `[height, width, in, out]` becomes `[out, in, height, width]`.
    """
    if not name.endswith("kernel") or value.ndim not in AXES:
        return value
    return np.ascontiguousarray(value.transpose(AXES[value.ndim]))


def convert_arrays(arrays: Arrays, backbone: str, tops: Collection[str]) -> Arrays:
    """All parameters of a network that sampling uses, under torch's names and with torch's axes.

    Args:
        arrays: of `flax_checkpoints.read_flax`.
        backbone: name of the backbone.
        tops: how names of the network's parts begin in torch; levels above them are left out.
    """
    while len(shared := {name.partition(".")[0] for name in arrays}) == 1 and not shared & set(tops):
        arrays = {name.partition(".")[2]: value for name, value in arrays.items()}
    named = {rename_flax(name, backbone): turn_flax(name, value) for name, value in arrays.items()}
    return {name: value for name, value in named.items() if not name.startswith(DROP)}


def convert_checkpoint(definition: Definition, source: Path, out: Path, tree: str = "ema_params") -> Converted:
    """Convert a flax checkpoint for a generator, so that its `weights` may be the file written.

    Args:
        definition: the generator's file: its backbone's size says what must be there, its [checkpoint] how the names
            begin.
        source: file or folder of a checkpoint, or a folder with several, of which the latest is taken.
        out: safetensors file to write; replaced where it is there.
        tree: of the checkpoint's state: `ema_params`, the averaged weights that the authors sample with, or `params`.

    Raises:
        BadInput: the generator has no backbone of flax, or the checkpoint is not one of it.
        Corrupt: the checkpoint cannot be read, or holds numbers that are not finite.
    """
    from safetensors.numpy import save_file

    backbone, wanted, prefix = _layout_of(definition)
    if out.suffix != ".safetensors":
        raise BadInput(f"{out}: the file to write ends with .safetensors.")
    source = find_checkpoint(source)
    arrays = convert_arrays(read_flax(source, tree), backbone, {name.partition(".")[0] for name in wanted})
    found = {name: tuple(value.shape) for name, value in arrays.items()}
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise BadInput(
            f"{source}: {len(differing)} tensors are not those of {definition.options['name']}, the first is '{name}': "
            f"expected {wanted.get(name, 'none')}, found {found.get(name, 'none')}. Is it of another size?"
        )
    broken = next((name for name, value in arrays.items() if not np.isfinite(value).all()), None)
    if broken:
        raise Corrupt(f"{source}: '{broken}' holds numbers that are not finite.")
    about = {"source": source.name, "tree": tree, "converter": f"relaionet {VERSION}"}
    with replacing(out) as part:
        save_file({prefix + name: value for name, value in arrays.items()}, part, metadata=about)
        part.chmod(0o644)  # safetensors leaves it to its owner alone; other machines and people read it
    return Converted(
        source=source, path=out, tensors_count=len(arrays), parameters_count=sum(one.size for one in arrays.values())
    )


def _layout_of(definition: Definition) -> tuple[str, dict[str, tuple[int, ...]], str]:
    """A generator's backbone, the names and shapes of its parameters, and how their names begin in its checkpoint."""
    import torch

    from relaionet.evaluators.generators.flow_maps.networks import BACKBONES, fill_network

    name = f"generator '{definition.options.get('name', definition.path.stem)}'"
    backbone = str(definition.options.get("backbone", "dit"))
    if definition.kind != "flow_map" or backbone not in RENAME:
        raise BadInput(f"{name} has no backbone that is published for flax; those are {' and '.join(RENAME)}.")
    about: Mapping[str, Any] = definition.options.get("checkpoint", {})
    known = [field.name for field in dataclasses.fields(CheckpointConfig)]
    for key in about:
        if key not in known:
            raise BadInput(f"{name}, [checkpoint]: unknown key '{key}'.{nearest_name(key, known)}")
    if about.get("key"):
        raise BadInput(f"{name} reads a table '{about['key']}' of torch's; its weights are published for torch.")
    config = fill_network(backbone, definition.options["network"], name)
    with torch.device("meta"):
        network = BACKBONES[backbone][0](config)
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return backbone, wanted, str(about.get("prefix", ""))
