"""The start of an id names its row, if it is long enough and there is one only."""

from __future__ import annotations

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.ids import check_one, check_start, find_starts

IDS = pl.Series(["aabbcc00", "aabbcc11", "aabbcc", "ff00ff00", "Lemon"])


@pytest.mark.parametrize(
    ("start", "found"),
    [("ff00ff", ["ff00ff00"]), ("FF00FF00", ["ff00ff00"]), ("aabbcc", ["aabbcc"]), ("aabbcc0", ["aabbcc00"]),
     ("Lemon", ["Lemon"]), ("aabb", []), ("123456", [])],
)  # fmt: skip
def test_an_id_goes_before_what_begins_like_it(start: str, found: list[str]) -> None:
    assert find_starts(IDS, start).to_list() == found


def test_several_and_too_short_are_said() -> None:
    with pytest.raises(BadInput, match="fits 2 rows: aabbcc00, aabbcc11"):
        check_one(IDS.head(2), "aabbcc")
    with pytest.raises(BadInput, match="too short: give at least 6 digits"):
        check_start("aabbc")
    check_start("aabbcc")
    check_one(pl.Series(["same", "same"]), "same00")
