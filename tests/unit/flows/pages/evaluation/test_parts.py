"""Tables of pairs, of metrics and of classes: signs, directions and counts that could be wrong."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from relaionet.evaluators.set_labels import add_labels
from relaionet.flows.pages.charts.spread import draw_spread
from relaionet.flows.pages.evaluation.classes import find_extremes, list_classes, pick_metrics
from relaionet.flows.pages.evaluation.leaderboard import make_leaderboard
from relaionet.flows.pages.evaluation.pairs import compare_pairs, measure_agreement
from relaionet.flows.pages.evaluation.ranks import rank_sets, say_rank
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, shape_table

WNIDS = [f"n{number:08d}" for number in (1440764, 1443537, 1484850, 1491361, 1494475)]


def make_scores(values: dict[str, list[float]]) -> pl.DataFrame:
    """One set for each place of the lists, named a, b, c, …"""
    rows = [
        (chr(97 + place), "s", "paper", 1, 1.0, 1.0, metric, value, value - 1, value + 1, 9, "m", "d")
        for metric, column in values.items()
        for place, value in enumerate(column)
    ]
    return shape_table(pl.DataFrame(rows, schema=list(SCORES.columns), orient="row"), SCORES)


def make_differences(scores: pl.DataFrame, p_holm: float) -> pl.DataFrame:
    rows = []
    for metric in scores["metric"].unique(maintain_order=True):
        own = add_labels(scores.filter(metric=metric)).select("label", "value").rows()
        for (one, first), (other, second) in itertools.combinations(own, 2):
            apart = first - second
            rows.append(("s", "paper", metric, one, other, apart, apart - 1, apart + 2, p_holm / 2, p_holm, 9))
    return shape_table(pl.DataFrame(rows, schema=list(DIFFERENCES.columns), orient="row"), DIFFERENCES)


@pytest.mark.parametrize(("metric", "best"), [("FID", "c"), ("IS", "b")])
def test_a_pair_reads_the_same_from_both_sides(metric: str, best: str) -> None:
    scores = make_scores({metric: [3.0, 5.0, 1.0]})
    (table,) = compare_pairs(make_differences(scores, 0.01), scores, {}, [metric, "KID"])
    assert table.labels[0].startswith(best)
    assert (table.clear, table.total) == (3, 3)
    for one, two in itertools.combinations(range(3), 2):
        above, below = table.cells[one][two], table.cells[two][one]
        assert above is not None
        assert below is not None
        assert (above.verdict, below.verdict) == ("better", "worse")  # labels are best first
        assert above.text.lstrip("+−") == below.text.lstrip("+−")
        assert {above.text[0], below.text[0]} == {"+", "−"}
    assert all(table.cells[place][place] is None for place in range(3))
    first = table.cells[0][1]
    assert first is not None
    assert first.text[0] == ("−" if metric == "FID" else "+")
    assert "p = 0.010" in first.detail


def test_ends_of_an_interval_turn_with_the_pair() -> None:
    scores = make_scores({"FID": [3.0, 5.0]})
    (table,) = compare_pairs(make_differences(scores, 0.01), scores, {}, ["FID"])
    above, below = table.cells[0][1], table.cells[1][0]
    assert above is not None
    assert below is not None
    assert above.detail.startswith("−3.00 to 0.000,")
    assert below.detail.startswith("0.000 to 3.00,")


def test_what_cannot_be_told_apart_is_no_win_and_ties_the_best() -> None:
    scores = make_scores({"FID": [3.0, 5.0, 1.0]})
    unclear = make_differences(scores, 0.3)
    (table,) = compare_pairs(unclear, scores, {}, ["FID"])
    assert table.clear == 0
    assert {cell.verdict for row in table.cells for cell in row if cell} == {"unclear"}
    best = table.labels[0]
    assert rank_sets(scores, "FID", {}, unclear).ties == set(table.labels) - {best}
    assert rank_sets(scores, "FID", {}, make_differences(scores, 0.04)).ties == set()


def test_ranks_are_no_finer_than_what_was_told_apart() -> None:
    scores = make_scores({"FID": [3.0, 5.0, 1.0, 4.0]})
    labels = rank_sets(scores, "FID", {}).order
    values = {"one": [labels[0], labels[0], labels[0], labels[1], labels[1], labels[2]]}
    values["other"] = [labels[1], labels[2], labels[3], labels[2], labels[3], labels[3]]
    rows = make_differences(scores, 0.5).head(6).with_columns(
        pl.Series("one", values["one"]), pl.Series("other", values["other"]),
        p_holm=pl.Series([0.2, 0.01, 0.01, 0.3, 0.01, 0.6]),
    )  # fmt: skip
    found = rank_sets(scores, "FID", {}, rows)
    assert [say_rank(found.ranks[label]) for label in labels] == ["1–2", "1–3", "2–4", "3–4"]
    assert (found.best, found.ties) == (labels[0], {labels[1]})
    # where nobody compared them, intervals that do not meet tell sets apart
    apart = scores.with_columns(low=pl.col("value") - 0.1, high=pl.col("value") + 0.1)
    assert [say_rank(rank_sets(apart, "FID", {}).ranks[label]) for label in labels] == ["1", "2", "3", "4"]
    wide = scores.with_columns(low=pl.col("value") - 9, high=pl.col("value") + 9)
    assert {say_rank(rank) for rank in rank_sets(wide, "FID", {}).ranks.values()} == {"1–4"}


def test_a_set_that_lacks_images_is_neither_best_nor_ranked() -> None:
    scores = make_scores({"FID": [3.0, 5.0, 1.0]})
    best = rank_sets(scores, "FID", {}).best
    fewer = scores.with_columns(n=pl.when(pl.col("value") == 1.0).then(pl.col("n") - 1).otherwise("n"))
    found = rank_sets(fewer, "FID", {})
    assert best not in {found.best, *found.ties, *found.ranks}
    board = make_leaderboard(fewer, {})
    assert {row.label: (row.rank, row.missing) for row in board.rows}[best] == ("–", 1)
    assert [row.label for row in board.rows if any(cell and cell.is_best for cell in row.cells)] == [found.best]


def test_bounds_stand_in_no_pair_and_large_tables_say_what_they_leave_out() -> None:
    scores = make_scores({"FID": [float(place) for place in range(20)]})
    (table,) = compare_pairs(make_differences(scores, 0.01), scores, {"a": "upper bound"}, ["FID"])
    assert (len(table.labels), table.left_out) == (16, 3)
    assert not table.labels[0].startswith("a,")
    assert table.total == 16 * 15 // 2


def test_agreement_is_of_better_with_better() -> None:
    values = {"FID": [1.0, 2.0, 3.0, 4.0], "IS": [9.0, 8.0, 7.0, 6.0], "CLIP Score": [1.0, 2.0, 3.0, 4.0]}
    found = measure_agreement(make_scores(values), {}, list(values))
    assert found is not None
    assert found.n == 4
    assert np.allclose(np.array(found.taus, float), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    mixed = measure_agreement(make_scores(values).sample(fraction=1, shuffle=True, seed=1), {}, list(values))
    assert mixed == found
    assert measure_agreement(make_scores({"FID": [1.0, 2.0, 3.0], "IS": [1.0, 2.0, 3.0]}), {}, ["FID", "IS"]) is None
    constant = measure_agreement(make_scores({"FID": [1.0, 2.0, 3.0, 4.0], "IS": [1.0] * 4}), {}, ["FID", "IS"])
    assert constant is not None
    assert constant.taus[0][1] is None


def make_class_scores(values: dict[str, list[float]], metric: str) -> pl.DataFrame:
    rows = [
        (name, "s", "paper", 1, 1.0, "class", wnid, metric, value, value - 1.5, value + 1.5, 9, "m")
        for name, column in values.items()
        for wnid, value in zip(WNIDS, column, strict=True)
    ]
    return add_labels(shape_table(pl.DataFrame(rows, schema=list(CLASS_SCORES.columns), orient="row"), CLASS_SCORES))


@pytest.mark.parametrize(("metric", "worst"), [("CLIP Score", WNIDS[0]), ("FD", WNIDS[4])])
def test_worst_and_best_follow_the_direction(metric: str, worst: str) -> None:
    rows = make_class_scores({"a": [1.0, 2.0, 3.0, 4.0, 5.0]}, metric)
    found = find_extremes(rows, metric, "a, 1 step, guidance 1", 4)
    assert found is not None
    assert found.worst[0].wnid == worst
    assert len(found.worst) == len(found.best) == 2  # no class is both
    assert not {cell.wnid for cell in found.worst} & {cell.wnid for cell in found.best}
    assert (found.apart, found.total) == (2, 5)  # of 1 to 5 with mean 3, only 1 and 5 lie more than 1.5 away
    assert [cell.is_apart for cell in (*found.worst, *found.best)] == [True, False, True, False]
    assert find_extremes(rows, metric, "another", 4) is None


def test_classes_are_listed_hardest_first_with_the_sets_at_the_ends() -> None:
    rows = make_class_scores({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": [7.0, 1.0, 3.5, 4.0, 9.0]}, "CLIP Score")
    listed = list_classes(rows, "CLIP Score")
    assert [row.mean for row in listed] == [1.5, 3.25, 4.0, 4.0, 7.0]
    assert (listed[0].best, listed[0].worst) == ("a, 1 step, guidance 1", "b, 1 step, guidance 1")
    assert listed[0].spread == 1.0
    easiest = list_classes(rows.with_columns(metric=pl.lit("FD")), "FD")
    assert [row.mean for row in easiest] == [7.0, 4.0, 4.0, 3.25, 1.5]
    assert easiest[-1].best == "b, 1 step, guidance 1"
    assert pick_metrics(rows) == ["CLIP Score"]


def test_a_spread_holds_its_classes_in_order() -> None:
    rows = make_class_scores({"a": [1.0, 2.0, 3.0, 4.0, 50.0], "b": [2.0] * 5}, "CLIP Score")
    chart = draw_spread(rows, "CLIP Score", ["b, 1 step, guidance 1", "not there", "a, 1 step, guidance 1"])
    assert chart is not None
    assert [row.label for row in chart.rows] == ["b, 1 step, guidance 1", "a, 1 step, guidance 1"]
    for row in chart.rows:
        assert chart.left <= row.whiskers[0] <= row.box[0] <= row.median <= row.box[1] <= row.whiskers[1] <= chart.right
    assert [text for _, text in chart.rows[1].dots] == ["tench 1.00", "hammerhead shark 50.00"]
    assert chart.rows[0].dots == []
    assert draw_spread(rows.filter(pl.col("part").is_in(WNIDS[:2])), "CLIP Score", ["a, 1 step, guidance 1"]) is None
