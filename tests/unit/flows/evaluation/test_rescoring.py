"""A set is scored on some of its requests as if they were all, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaionet.evaluators.scoring.measure import measure_set
from relaionet.flows.evaluation import rescoring as module
from relaionet.flows.evaluation.rescoring import KEPT, rescoring
from tests.unit.evaluators.scoring.test_score import make_set


def test_a_part_is_scored_as_if_it_were_all_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, real = tmp_path / "set", tmp_path / "reference"
    stored = {ours: make_set(seed=1, noise=1.3), real: make_set(seed=2)}
    ours.mkdir()
    monkeypatch.setattr(module, "read_feature_set", lambda folder, _protocol: stored[folder])
    protocol, ids = stored[ours].protocol, frozenset(stored[ours].ids[10:160])
    found = rescoring({"a": (ours, real)}, protocol)("a", ids)
    by_hand = measure_set(stored[ours].take(range(10, 160)), stored[real].take(range(10, 160))).estimates
    assert set(found.ids) == ids
    assert {name: one.value for name, one in found.estimates.items()} == pytest.approx(
        {name: by_hand[name].value for name in found.estimates}, rel=1e-9
    )
    (file,) = (ours / KEPT).iterdir()
    with monkeypatch.context() as kept:
        kept.setattr(module, "measure_set", lambda *_, **__: pytest.fail("scored again"))
        again = rescoring({"b": (ours, real)}, protocol)("b", ids)
    assert again.label == "b"
    assert {name: one.value for name, one in again.estimates.items()} == {
        name: one.value for name, one in found.estimates.items()
    }
    file.write_bytes(file.read_bytes()[:100])  # cut short
    assert rescoring({"a": (ours, real)}, protocol)("a", ids).estimates.keys() == found.estimates.keys()
    rescoring({"a": (ours, real)}, protocol)("a", frozenset(stored[ours].ids[:150]))
    assert len(list((ours / KEPT).iterdir())) == 2
