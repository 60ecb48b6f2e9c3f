"""Twenty thousand changed files in `make test`, a million in `make nightly`: no crash, no foreign error."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.depth import DEPTH, deep
from tests.fuzz.targets import TARGETS

INPUTS = deep(20_000 if DEPTH == 1 else 100_000)
MOST_KIB = 1 << 20


@pytest.mark.slow
@pytest.mark.timeout(6000)
@pytest.mark.parametrize("name", TARGETS)
def test_readers_answer_whatever_they_are_given(name: str) -> None:
    count = max(1, round(TARGETS[name].share * INPUTS))
    command = [sys.executable, "-m", "tests.fuzz.mutate", name, str(count), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    read, peak_kib = map(int, done.stdout.split())
    assert 0 < read < count
    assert peak_kib <= MOST_KIB


def test_the_shares_are_all_inputs() -> None:
    assert abs(sum(one.share for one in TARGETS.values()) - 1) < 1e-9
