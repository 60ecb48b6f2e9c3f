"""Tables of strangers become the rows and the reasons they should; those of the metadata of embeddings too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attempts.attempt import Attempt
from tests.attempts.tables import ATTEMPTS


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: f"{attempt.kind}: {attempt.name}")
def test_every_strange_table_becomes_what_it_should(attempt: Attempt, tmp_path: Path) -> None:
    assert attempt.run(tmp_path) == attempt.expected
