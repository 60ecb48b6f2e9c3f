"""An evaluation keeps what its protocol chose, such as the seed its images were shuffled by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relaionet.evaluators.protocols import PROTOCOLS
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.flows.evaluation.stored_sets import read_sets, write_sets
from relaionet.manifests.files import digest_of, read_json, write_json


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_choices_of_every_protocol_are_stored_and_read_back(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with = PROTOCOLS[name]
    write_sets(tmp_path, EvaluateRecipe(split=tmp_path / "gone", generators=(), protocol=name), "s", "0" * 64, [])
    assert read_json(tmp_path / "sets.json")["protocol_choices"]["is_seed"] == 2020
    # a later version that shuffles otherwise changes nothing about what was done
    monkeypatch.setitem(PROTOCOLS, name, replace(made_with, is_seed=1, version="99"))
    assert read_sets(tmp_path).choices == made_with
    assert digest_of(read_sets(tmp_path).choices) == digest_of(made_with)


def test_an_evaluation_of_an_earlier_version_has_those_of_its_protocols_name(tmp_path: Path) -> None:
    write_sets(tmp_path, EvaluateRecipe(split=tmp_path / "gone", generators=(), protocol="paper"), "s", "0" * 64, [])
    stored = read_json(tmp_path / "sets.json")
    del stored["protocol_choices"]
    write_json(tmp_path / "sets.json", stored)
    assert read_sets(tmp_path).choices == PROTOCOLS["paper"]
