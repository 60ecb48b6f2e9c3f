"""Tables of strangers, given to the readers of sources and of embeddings' metadata."""

from __future__ import annotations

from tests.attempts.attempt import Attempt
from tests.attempts.tables.columns import column_attempts
from tests.attempts.tables.texts import text_attempts

ATTEMPTS: list[Attempt] = [*(one.attempt() for one in text_attempts()), *column_attempts()]
