"""A row named by the start of its id, wherever one is asked for."""

from __future__ import annotations

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.words import say_count

SHORTEST_ID, SHOWN = 6, 5


def check_start(start: str) -> None:
    """Refuse the start of an id that is too short to mean one.

    Raises:
        BadInput: it has fewer than six digits.
    """
    if len(start) < SHORTEST_ID:
        raise BadInput(f"'{start}' is too short: give at least {SHORTEST_ID} digits of the id.")


def find_starts(ids: pl.Series, start: str) -> pl.Series:
    """The ids that begin so: the id itself alone where it is among them, none where the start is too short.

    Args:
        ids: candidate_id of all rows.
        start: an id, or the start of one in hexadecimal digits, in upper or lower case.
    """
    for whole in (start, start.lower()):
        if (ids == whole).any():
            return ids.filter(ids == whole)
    return ids.filter(ids.str.starts_with(start.lower())) if len(start) >= SHORTEST_ID else ids.clear()


def check_one(found: pl.Series, start: str) -> None:
    """Refuse the start of several ids.

    Raises:
        BadInput: there are several; the message names some.
    """
    if found.n_unique() > 1:
        shown = ", ".join(found.head(SHOWN))
        raise BadInput(f"'{start}' fits {say_count(found.n_unique(), 'row')}: {shown}. Give more digits.")
