"""Heads on embeddings: the published architecture against torch's own layers, and what does not fit."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.screens.heads import load_head


@dataclass
class Named:
    """As much of an encoder as a head asks about."""

    dim: int = 1024
    name: str = "ViT-H-14/laion2b_s32b_b79k"
    fingerprint: str = "a" * 64


class Published(nn.Module):
    """LAION's detector for ViT-H-14 as published: no activation between the last two layers."""

    def __init__(self, dim: int, outputs: int = 1) -> None:
        super().__init__()
        widths, layers = [dim, 1024, 2048, 1024, 256, 128], []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(128, 16), nn.Linear(16, outputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers(rows)


def rows(count: int, dim: int) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("outputs", [1, 5])
def test_the_published_detector_scores_as_torch_does(tmp_path: Path, outputs: int) -> None:
    torch.manual_seed(outputs)
    net = Published(1024, outputs).eval()
    for parameter in net.parameters():  # far from 0.5, so that a missing activation would show
        parameter.data *= 3
    save_file(net.state_dict(), tmp_path / "h14.safetensors")
    head = load_head(tmp_path / "h14.safetensors", Named(), outputs=() if outputs == 1 else (1, 3, 4))
    vectors = rows(40, 1024)
    with torch.inference_mode():
        logits = net(torch.from_numpy(vectors))
        wanted = torch.sigmoid(logits[:, 0]) if outputs == 1 else torch.softmax(logits, 1)[:, [1, 3, 4]].sum(1)
    assert np.ptp(wanted.numpy()) > 0.05
    assert head.score(vectors) == pytest.approx(wanted.numpy(), abs=1e-5)
    assert head.score(vectors.astype(np.float16)) == pytest.approx(wanted.numpy(), abs=0.02)


def test_named_layers_with_a_normalisation_as_the_detector_for_vit_l_14(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    widths = [768, 64, 512, 256, 1]
    tensors = {"norm.mean": rng.normal(size=768) / 30, "norm.variance": rng.uniform(0.5, 2, 768) / 768}
    for place, (before, after) in enumerate(itertools.pairwise(widths), 1):
        tensors[f"linear_{place}.weight"] = rng.normal(size=(after, before)) / before**0.5
        tensors[f"linear_{place}.bias"] = rng.normal(size=after) / 10
    np.savez(tmp_path / "l14.npz", **{name: values.astype(np.float32) for name, values in tensors.items()})
    vectors = rows(30, 768)
    values = (vectors - tensors["norm.mean"]) / np.sqrt(tensors["norm.variance"])
    for place in range(1, 5):
        values = values @ tensors[f"linear_{place}.weight"].T + tensors[f"linear_{place}.bias"]
        values = np.maximum(values, 0) if place < 4 else values
    head = load_head(tmp_path / "l14.npz", Named(768))
    assert head.score(vectors) == pytest.approx(1 / (1 + np.exp(-values[:, 0])), abs=1e-4)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    save_file(Published(64).state_dict(), tmp_path / "small.safetensors")
    with pytest.raises(BadInput, match="reads rows of 64 numbers; encoder 'ViT-H-14/laion2b_s32b_b79k' gives 1024"):
        load_head(tmp_path / "small.safetensors", Named())
    with pytest.raises(BadInput, match="reads rows of an encoder bbbb"):
        load_head(tmp_path / "small.safetensors", Named(64), fingerprint="b" * 64)
    with pytest.raises(BadInput, match="1 outputs"):
        load_head(tmp_path / "small.safetensors", Named(64), outputs=(3,))
    (tmp_path / "h.pt").write_bytes(b"x")
    with pytest.raises(BadInput, match="pickled weights are not read"):
        load_head(tmp_path / "h.pt", Named())
    (tmp_path / "bad.npz").write_bytes(b"PK no archive")
    with pytest.raises(BadInput, match="cannot be read"):
        load_head(tmp_path / "bad.npz", Named())
    with pytest.raises(BadInput, match="is no file"):
        load_head(tmp_path / "none.npz", Named())
    np.savez(tmp_path / "none2.npz", other=np.zeros(3, dtype=np.float32))
    with pytest.raises(BadInput, match="no linear layer; found other"):
        load_head(tmp_path / "none2.npz", Named())
    torn = {"layers.0.weight": torch.zeros(8, 1024), "layers.2.weight": torch.zeros(1, 9)}
    save_file(torn, tmp_path / "torn.safetensors")
    with pytest.raises(BadInput, match="do not fit each other"):
        load_head(tmp_path / "torn.safetensors", Named())
