"""Checkpoints as training scripts write them: weights beside an optimizer and the settings, and nothing is run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from relaionet.evaluators.generators.catalogue import read_entry
from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT
from relaionet.evaluators.generators.flow_maps.checkpoints import CheckpointConfig, load_weights
from relaionet.evaluators.generators.flow_maps.networks import fill_network
from relaionet.evaluators.generators.weights import read_tensors
from relaionet.manifests.errors import BadInput, Corrupt

SIZE = {"input_size": 4, "patch_size": 2, "hidden_size": 16, "depth": 1, "num_heads": 2, "out_channels": 8}
SIT = CheckpointConfig(**read_entry("sit-xl2").options["checkpoint"])
# the arguments of SiT's train.py, of every kind it has
ARGUMENTS = {
    "data_path": "/data/imagenet/train", "results_dir": "results", "model": "SiT-XL/2", "image_size": 256, "ckpt": None,
    "global_batch_size": 256, "cfg_scale": 4.0, "wandb": False, "path_type": "Linear", "train_eps": None,
    "betas": [0.9, 0.999], "nested": argparse.Namespace(vae="ema", sizes=(1, 2)),
}  # fmt: skip


def make_network(seed: int) -> DiT:
    torch.manual_seed(seed)
    network = DiT(fill_network("dit", SIZE, "test"))  # type: ignore[arg-type]
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def write_training(path: Path, *, older: bool = False, **more: Any) -> DiT:
    """A checkpoint as SiT's train.py writes one; the network whose weights are the averaged ones."""
    trained, averaged = make_network(1), make_network(2)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-4)
    sum(parameter.sum() for parameter in trained.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    state = {
        "model": trained.state_dict(), "ema": averaged.state_dict(), "opt": optimizer.state_dict(),
        "args": argparse.Namespace(**ARGUMENTS), **more,
    }  # fmt: skip
    torch.save(state, path, _use_new_zipfile_serialization=not older)
    return averaged


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
def test_a_checkpoint_of_sits_train_py_gives_its_averaged_weights(tmp_path: Path, older: bool) -> None:
    path = tmp_path / "0400000.pt"
    averaged, network = write_training(path, older=older), make_network(3)
    load_weights(network, path, SIT, "generator 'SiT'")
    assert same(network, averaged)
    settings = read_tensors(path, "test")["args"]
    assert vars(settings) == ARGUMENTS


def test_the_authors_download_is_such_a_table_itself(tmp_path: Path) -> None:
    path, published, network = tmp_path / "SiT-XL-2-256.pt", make_network(4), make_network(5)
    torch.save(published.state_dict(), path)
    load_weights(network, path, SIT, "generator 'SiT'")
    assert same(network, published)


def test_a_checkpoint_without_the_averaged_weights_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "0400000.pt"
    torch.save({"model": make_network(1).state_dict(), "args": argparse.Namespace(lr=1.0)}, path)
    with pytest.raises(BadInput, match="has no 'ema'; it has model, args"):
        load_weights(make_network(1), path, SIT, "generator 'SiT'")


class Runs:
    """Runs a command when it is read, were it read by pickle alone."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


class Settings(argparse.Namespace):
    """Somebody's own kind of settings, whose code would have to be imported."""


class Called:
    """A namespace that is made by a call with arguments, which none of `torch.save` is."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return argparse.Namespace, ("x",)


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
@pytest.mark.parametrize("place", ["beside", "inside"])
@pytest.mark.parametrize("kind", ["a command", "another class", "a call"])
def test_nothing_else_is_let_in_with_the_settings(tmp_path: Path, kind: str, place: str, older: bool) -> None:
    path, mark = tmp_path / "0400000.pt", tmp_path / "mark"
    held = {"a command": Runs(f"touch {mark}"), "another class": Settings(a=1), "a call": Called()}[kind]
    write_training(path, older=older, args=held if place == "beside" else argparse.Namespace(lr=1.0, held=held))
    with pytest.raises(Corrupt, match="which tensors do not need"):
        load_weights(make_network(3), path, SIT, "generator 'SiT'")
    assert not mark.exists()


def test_a_namespace_that_holds_itself_is_refused(tmp_path: Path) -> None:
    path, settings = tmp_path / "0400000.pt", argparse.Namespace(lr=1.0)
    settings.me = settings
    write_training(path, args=settings)
    with pytest.raises(Corrupt, match="hold themselves"):
        read_tensors(path, "test")


def test_what_is_let_in_stays_let_in_for_one_file_only(tmp_path: Path) -> None:
    """Other code of the process keeps torch's own list."""
    path = tmp_path / "0400000.pt"
    write_training(path)
    before = torch.serialization.get_safe_globals()
    read_tensors(path, "test")
    assert torch.serialization.get_safe_globals() == before
