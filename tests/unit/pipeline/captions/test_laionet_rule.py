"""LAIONet's rule against a plain loop of it (tests/bench/candidates/laionet_loop.py)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.labels import labels_by_wnid
from relaionet.pipeline.captions.laionet_rule import find_laionet_lemmas, laionet_lemmas
from relaionet.pipeline.captions.lemma_match import name_classes
from tests.bench.candidates.laionet_loop import loop_matches, made_captions, unique_lemmas

REAL_ROWS = Path(__file__).resolve().parents[5] / "shared" / "real" / "rows.parquet"
WORDS = ["the", "of", "and", "new", "with", "Photo", "by", "NEW", "2014", "great", "white", "Shop.com", "it's"]


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("a tench", ["tench"]),
        ("a Tench", []),  # case differs
        ("two goldfish(es), goldfish", ["goldfish"]),
        ("goldfishes", []),  # no plurals
        ("a tiger shark", ["tiger shark", "tiger"]),  # no longest match
        ("T-shirt, U-boat", []),  # lemmas with punctuation are never found
        ("T shirt", []),
        ("crane", []),  # a lemma of two classes
        ("tench\ngoldfish", []),  # only spaces and punctuation part words
        ("tench,goldfish", ["tench", "goldfish"]),
        ("great white. shark", []),
        ("great-white-shark", ["great white shark"]),
        ("goldfish’s", []),  # no ASCII punctuation
        ("nail", ["metal nail"]),
    ],
)
def test_rule(caption: str, names: list[str]) -> None:
    row = name_classes(pl.Series([caption]), "laionet").row(0, named=True)
    wnids = row["other_wnids"] or ([row["wnid"]] if row["wnid"] else [])
    assert sorted(labels_by_wnid()[wnid].name for wnid in wnids) == sorted(names)
    assert row["possible_wnids"] == []


def test_lemmas_are_those_of_one_class_without_punctuation() -> None:
    known = unique_lemmas()
    assert set(laionet_lemmas()) <= set(known)
    assert len(known) == 1824  # the published table has one more: crane, as it lacks the construction crane
    assert not {"crane", "maillot", "missile"} & set(known)


def check_same(captions: list[str | None]) -> int:
    column = pl.Series(captions, dtype=pl.String)
    found = find_laionet_lemmas(column)
    by_row = dict(found.group_by("row").agg("words").iter_rows())
    table = name_classes(column, "laionet")
    named_count = 0
    for place, (lemmas, wnids) in enumerate(loop_matches(captions)):
        assert set(by_row.get(place, [])) == lemmas, captions[place]
        assert table["wnid"][place] == (next(iter(wnids)) if len(wnids) == 1 else None)
        assert table["other_wnids"][place].to_list() == (sorted(wnids) if len(wnids) > 1 else [])
        named_count += bool(wnids)
    return named_count


def test_same_as_a_plain_loop_on_made_captions() -> None:
    assert check_same([None, "", *made_captions(4000, WORDS)]) > 1000


@pytest.mark.real
@pytest.mark.skipif(not REAL_ROWS.is_file(), reason="needs ../shared/real")
def test_same_as_a_plain_loop_on_real_alt_texts() -> None:
    assert check_same(pl.read_parquet(REAL_ROWS)["TEXT"].to_list()) > 500
