"""Texts of strangers, in every place they go to."""

from __future__ import annotations

from tests.attempts.attempt import Attempt

ATTEMPTS: list[Attempt] = []
