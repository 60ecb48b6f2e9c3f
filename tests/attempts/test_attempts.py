"""No attempt is a way in, and the table in docs/reference/security.md says of each what became of it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.attempts.collected import attempt_modules, attempts_of
from tests.attempts.table import render_attempts
from tests.attempts.trial import CPU_S, PEAK_BYTES, try_module
from tests.docs_tables.pages import stored
from tests.docs_tables.parts import ATTEMPTS

pytestmark = [pytest.mark.slow]


@pytest.mark.parametrize("module", attempt_modules())
def test_nothing_gets_in(module: str) -> None:
    outcomes = try_module(module)
    assert [one.name for one in outcomes] == [one.name for one in attempts_of(module)]
    assert [f"{one.kind}: {one.name}: {one.happened}" for one in outcomes if one.way_in] == []
    assert max((one.peak_bytes for one in outcomes), default=0) <= PEAK_BYTES
    assert max((one.cpu_s for one in outcomes), default=0) <= CPU_S


def test_each_attempt_is_another() -> None:
    found = Counter((one.kind, one.name) for module in attempt_modules() for one in attempts_of(module))
    assert [name for name, count in found.items() if count > 1] == []


def test_the_table_says_what_became_of_each() -> None:
    assert stored(ATTEMPTS) == render_attempts().strip("\n"), "run `python -m tests.docs_tables`"
