"""State dicts of the published layouts, whole: every name and shape, and that each loads.

`layouts.tsv` lists what the authors' own modules hold: SiT (willisma/SiT 947f95b), SoFlow's DiT (zlab-princeton/SoFlow
3b60d60), iMF (Lyy-iiis/imeanflow, branch torch) and RAE's DiTwDDTHead (bytetriper/RAE a4d18c4), made once, by hand, at
8 x 8 latents (RAE: 4 x 4 of 12 channels), width 32, ten classes. MeanFlow's, which is flax's, is in
test_flax_checkpoints.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from relaionet.evaluators.generators.flow_maps.checkpoints import CheckpointConfig, load_weights
from relaionet.evaluators.generators.flow_maps.networks import BACKBONES, fill_network
from relaionet.evaluators.generators.registry import read_definition
from relaionet.manifests.errors import BadInput

LINES = [line.split("\t") for line in Path(__file__).with_name("layouts.tsv").read_text().splitlines()[1:]]
SMALL = {"input_size": 8, "patch_size": 2, "hidden_size": 32, "num_heads": 2, "num_classes": 10}
NETWORKS = {
    "sit": ("sit-xl2", {**SMALL, "depth": 2, "out_channels": 8}),
    "soflow": ("soflow-xl2", {**SMALL, "depth": 2, "second_time": True}),
    "imf": ("imf-xl2", {**SMALL, "depth": 3, "head_depth": 1}),
    "rae": ("rae-ditdh-xl", {"input_size": 4, "in_channels": 12, "hidden_size": [32, 64], "depth": [3, 2],
                             "num_heads": [2, 4], "num_classes": 10}),
}  # fmt: skip


def published(name: str) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    shapes = {key: [int(one) for one in shape.split("x") if one] for which, key, shape in LINES if which == name}
    return {key: torch.randn(shape, generator=source) for key, shape in shapes.items()}


def network_of(name: str) -> tuple[torch.nn.Module, CheckpointConfig]:
    entry, size = NETWORKS[name]
    options = read_definition(entry).options
    about = {key: tuple(v) if isinstance(v, list) else v for key, v in options.get("checkpoint", {}).items()}
    backbone = options["backbone"]
    return BACKBONES[backbone][0](fill_network(backbone, size, name)), CheckpointConfig(**about)


def saved(name: str, state: dict[str, torch.Tensor], config: CheckpointConfig, path: Path) -> None:
    """As it is published: under the table and the prefix that the catalogue's entry names."""
    whole = {config.prefix + key: value for key, value in state.items()}
    if config.key:
        torch.save({config.key: whole, "step": 1}, path)
    else:
        save_file(whole, path)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_whole_published_state_is_loaded_by_the_catalogue_s_entry(name, tmp_path):
    state = published(name)
    assert len(state) > 30
    network, config = network_of(name)
    path = tmp_path / ("weights.pt" if config.key else "weights.safetensors")
    saved(name, state, config, path)
    load_weights(network, path, config, name)
    taken = {value.flatten()[0].item() for value in network.state_dict().values()}
    left = {key for key, value in state.items() if value.flatten()[0].item() not in taken}
    fixed = {"pos_embed"} | {key for key in state if key.endswith((".freqs_cos", ".freqs_sin"))}
    heads = {key for key in state if key.startswith(("v_heads.", "v_final_layer."))}
    assert left <= fixed | heads, "only what is computed, or for training, may be left out"
    state.pop(next(key for key in state if ".attn." in key))
    saved(name, state, config, path)
    with pytest.raises(BadInput, match="1 tensors of weights"):
        load_weights(network, path, config, name)
