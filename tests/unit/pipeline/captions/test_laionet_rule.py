"""LAIONet's rule against a plain loop of it (tests/bench/candidates/laionet_loop.py)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import labels_by_wnid
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.stream import read_candidates
from relaionet.pipeline.captions.laionet_rule import OUR_WNIDS, find_laionet_lemmas, laionet_lemmas, laionet_wnids
from relaionet.pipeline.captions.lemma_match import name_classes
from tests.bench.candidates.laionet_loop import loop_matches, made_captions, unique_lemmas
from tests.unit.pipeline.candidates.test_judge import source_file, url

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


# "husky" is a lemma of another class, and no longest match is sought: a Siberian husky is always one of two
THEIRS = [
    ("a Siberian husky", ["n02109961", "n02112837"]), ("Siberian husky-crane", ["n02012849", "n02109961", "n02112837"]),
    ("crane", ["n02012849"]), ("a crane, flying", ["n02012849"]), ("a tench", ["n01440764"]), ("husky", ["n02109961"]),
    ("Crane", []), ("siberian husky", ["n02109961"]),
]  # fmt: skip


@pytest.mark.parametrize(("caption", "wnids"), THEIRS)
def test_laionets_own_table_is_followed_where_asked(caption: str, wnids: list[str]) -> None:
    """Read from the code published with LAIONet at a19edd0: two of its 1,825 entries are not ImageNet's."""
    row = name_classes(pl.Series([caption]), "laionet", laionet_table=True).row(0, named=True)
    assert (row["other_wnids"] or [row["wnid"]] if row["lemma"] else []) == wnids
    row = name_classes(pl.Series([caption]), "laionet").row(0, named=True)
    ours = sorted(OUR_WNIDS.get(wnid, wnid) for wnid in wnids if wnid != "n02012849")
    assert (row["other_wnids"] or [row["wnid"]] if row["lemma"] else []) == ours


def test_the_two_tables_differ_in_two_entries() -> None:
    ours, theirs = laionet_wnids(), laionet_wnids(published=True)
    differing = {lemma for lemma in theirs if theirs[lemma] != ours.get(lemma)}
    assert differing == {"crane", "Siberian husky"}
    assert len(theirs) == len(ours) + 1
    assert {wnid for wnid in theirs.values() if wnid not in labels_by_wnid()} == set(OUR_WNIDS)
    assert labels_by_wnid()[OUR_WNIDS["n02112837"]].name == "Siberian Husky"


def test_their_table_is_part_of_their_rule_alone() -> None:
    with pytest.raises(BadInput, match="laionet_table is of rule = 'laionet'"):
        name_classes(pl.Series(["a crane"]), laionet_table=True)
    with pytest.raises(BadInput, match="laionet_table is of rule = 'laionet'"):
        CandidatesConfig(laionet_table=True)


def test_a_runs_rows_hold_imagenets_classes_under_their_table_too(tmp_path: Path) -> None:
    captions = ["a Siberian husky", "a crane", "a Siberian husky and a crane", "nothing"]
    path = source_file(tmp_path / "s.parquet", [(url(row), text, 640, 480, 0, 0) for row, text in enumerate(captions)])
    theirs = CandidatesConfig(rule="laionet", laionet_table=True)
    found = read_candidates(path, theirs).sort("source_row")
    assert found["wnid"].to_list() == [None, "n02012849", None, None]
    husky = ["n02109961", "n02110185"]
    assert found["other_wnids"].to_list() == [husky, [], ["n02012849", *husky], []]
    assert digest_of(CandidatesConfig(rule="laionet")) != digest_of(theirs)


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
