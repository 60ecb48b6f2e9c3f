"""Answers that name several classes: what they support, which further classes a picture is settled with, agreement."""

import itertools
import random
from dataclasses import replace

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.annotations.agreement.class_sets import score_shown
from relaionet.annotations.agreement.krippendorff import masi_similarity, score_agreement
from relaionet.annotations.agreement.next_round import plan_answers
from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.annotations.agreement.status import selection_histogram
from relaionet.annotations.agreement.votes import read_votes
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.tables import DECISIONS, VERDICTS, check_table
from tests.depth import deep
from tests.unit.annotations.builders import A, B, C, key, make_decisions, make_tasks

ACCEPT = AgreementConfig(several="accept")
USUAL = AgreementConfig()


def settle(*votes, config=ACCEPT):
    rows = settle_votes(make_decisions([(0, f"r{n}", said) for n, said in enumerate(votes)]), make_tasks(1), config)
    return check_table(rows, VERDICTS).to_dicts()[0]


@pytest.mark.parametrize(
    ("votes", "status", "wnid", "wnids", "yes_count"),
    [
        (((A, B), (A, B)), "accept", A, [A, B], 2),
        (((A, B), (A, B), "yes"), "accept", A, [A, B], 3),
        (((A, B), "yes", "yes"), "accept", A, None, 3),  # one alone names B
        (((A, B), (A, C), "yes"), "accept", A, None, 3),
        (((A, B, C), (A, B), (A, C)), "accept", A, [A, B, C], 3),
        (((B, C), (B, C)), "accept", B, [B, C], 2),  # not what was proposed
        (((B, C), C, C), "accept", C, None, 3),  # the class most answers name
        (((A,), (A,)), "accept", A, None, 2),
        (("several", "several"), "reject", None, None, 2),  # nobody says which
        (("several", (A, B)), "again", None, None, 1),
        (("yes", "yes", B), "accept", A, None, 2),  # who calls it something else names no second class
        (("yes", B, (A, B)), "accept", A, [A, B], 2),
        (("yes", B), "again", None, None, 1),
    ],
)
def test_a_picture_is_taken_with_the_classes_that_are_settled(votes, status, wnid, wnids, yes_count):
    row = settle(*votes)
    assert (row["status"], row["wnid"], row["wnids"], row["yes_count"]) == (status, wnid, wnids, yes_count)
    assert row["selection_frac"] == pytest.approx(yes_count / len(votes))


@pytest.mark.parametrize(
    "votes",
    [((A, B), (A, B)), ((A, B), (A, B), "yes"), ((A, B), "yes", "yes"), ((B, C), "yes", B), ((A, B), "drawing", "yes")],
)
def test_by_default_they_are_refusals_whatever_they_name(votes):
    named = settle(*votes, config=USUAL)
    bare = settle(*("several" if isinstance(said, tuple) else said for said in votes), config=USUAL)
    same = set(named) - {"yes_count", "selection_frac"}
    assert {name: named[name] for name in same} == {name: bare[name] for name in same}
    if named["status"] == "accept":  # a class that is named among others was seen
        assert named["yes_count"] == sum(said == "yes" or named["wnid"] in said for said in votes)


def test_the_setting_is_one_of_two_and_counts_in_digests_only_where_it_is_set():
    with pytest.raises(BadInput, match=r"several = 'both': expected 'reject' or 'accept'"):
        AgreementConfig(several="both")
    assert digest_of(USUAL) != digest_of(ACCEPT)
    assert digest_of(replace(ACCEPT, several="reject")) == digest_of(USUAL)


def test_a_reviewer_who_names_a_control_among_others_saw_it():
    """He is no worse for it, under either setting, than one who says yes to a control."""
    votes = [(i, "r1", (A, B)) for i in range(1, 31)] + [(i, "r2", "yes") for i in range(1, 31)]
    for config in (USUAL, ACCEPT):
        read = read_votes(make_decisions(votes), make_tasks(1, controls=30), several=config.several)
        assert read["vote"].unique().to_list() == [A]
    wrong = make_tasks(1, controls=1, control_of={1: C})
    read = read_votes(make_decisions([(1, "r1", (B, C)), (1, "r2", (A, B))]), wrong, several="accept")
    assert read["vote"].to_list() == [C, A]


def test_who_names_everything_moves_no_set():
    """Ten pictures show A alone by four careful answers; one reviewer names B with every one of a hundred."""
    votes = [(i, f"r{n}", "yes") for i in range(100) for n in range(4)]
    votes += [(i, "r4", (A, B)) for i in range(100)]
    both = [(i, f"r{n}", (A, B)) for i in range(90, 100) for n in range(4)]
    rows = settle_votes(make_decisions(votes[:360] + votes[400:] + both), make_tasks(100), ACCEPT)
    assert rows["wnids"].to_list().count(None) == 90
    truly = {key(i) for i in range(90, 100)}
    assert set(rows.drop_nulls("wnids")["candidate_id"]) == truly


def test_an_answer_counts_by_how_reliable_its_reviewer_proved():
    """Equal counts of answers for and against B: with the careful for it, it is taken; with the careless, it is not."""
    rng = random.Random(5)
    votes = []
    for i in range(60):
        shows = (A, B) if i % 2 else "yes"
        votes += [(i, who, shows) for who in ("c1", "c2")]
        votes += [(i, who, rng.choice([(A, B), "yes"])) for who in ("w1", "w2")]
    votes += [(60, "c1", (A, B)), (60, "c2", (A, B)), (60, "w1", "yes"), (60, "w2", "yes")]
    votes += [(61, "w1", (A, B)), (61, "w2", (A, B)), (61, "c1", "yes"), (61, "c2", "yes")]
    rows = settle_votes(make_decisions(votes), make_tasks(62), ACCEPT)
    sets = dict(rows.select("candidate_id", "wnids").iter_rows())
    assert (sets[key(60)], sets[key(61)]) == ([A, B], None)


SAID = st.sampled_from(["yes", B, C, (A, B), (A, C), (B, C), (A, B, C), (A,), "several", "drawing", "unsure"])


@settings(max_examples=deep(40), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcde"), SAID), max_size=40), st.randoms())
def test_neither_order_nor_a_bare_answer_breaks_the_rules(votes, rng):
    decisions, tasks = make_decisions(votes), make_tasks(5, controls=1)
    for config in (USUAL, ACCEPT):
        rows = settle_votes(decisions, tasks, config)
        check_table(rows, VERDICTS)
        mixed = decisions.sample(fraction=1.0, shuffle=True, seed=rng.randrange(1000))
        assert settle_votes(mixed, tasks, config).equals(rows)
        for row in rows.drop_nulls("wnids").to_dicts():
            assert row["status"] == "accept"
            assert row["wnid"] in row["wnids"]
            assert row["wnids"] == sorted(set(row["wnids"]))
            assert len(row["wnids"]) > 1
        if config is USUAL:
            assert rows["wnids"].null_count() == rows.height
        assert (rows["yes_count"] <= rows["votes_count"]).all()
        plan_answers(rows, decisions, tasks, config)
    older = decisions.drop("wnids")
    bare = decisions.with_columns(wnids=pl.lit(None, DECISIONS.schema["wnids"]))
    assert settle_votes(older, tasks, ACCEPT).equals(settle_votes(bare, tasks, USUAL))


def test_each_class_named_is_a_question_of_its_own():
    said = [(0, "r1", (A, B)), (0, "r2", "several"), (0, "r3", "unsure"), (0, "r4", "drawing"), (0, "r5", C)]
    found = score_shown(
        read_votes(make_decisions([*said, (1, "r1", "yes"), (1, "r2", B)]), make_tasks(2), several="accept")
    )
    # the second picture is of one class: nobody says that it shows several
    assert found.select("candidate_id", "wnid", "named_count").rows() == [
        (key(0), A, 1),
        (key(0), B, 1),
        (key(0), C, 1),
    ]
    assert found["posterior"].is_between(0, 1).all()
    nothing = score_shown(read_votes(make_decisions([(0, "r1", "yes")]), make_tasks(1), several="accept"))
    assert nothing.height == 0


def test_two_who_name_one_class_each_do_not_contradict_who_name_both():
    """Of two classes that are there some name the one, some the other: no label beats the other, and none has to."""
    row = settle((A, B), (A, B), "yes", B, "yes", B)
    assert (row["status"], row["wnid"], row["wnids"], row["yes_count"]) == ("accept", A, [A, B], 4)
    # while nobody says that there are two, they contradict each other as ever
    for config in (USUAL, ACCEPT):
        assert settle("yes", "yes", "yes", B, B, B, config=config)["status"] == "reject"
    # nor do sets bring back what was settled as a refusal
    row = settle((A, B), "drawing", "drawing", "drawing", "drawing", "drawing")
    assert (row["status"], row["wnid"], row["wnids"]) == ("reject", None, None)


def test_controls_say_how_well_a_reviewer_sees_what_is_there():
    """One names B everywhere, on controls that do not show it too: his word for B is worth less."""
    votes = [(i, who, B if who == "loud" else "yes") for i in range(3, 43) for who in ("loud", "calm1", "calm2")]
    votes += [(0, who, (A, B)) for who in ("loud", "calm1")] + [(0, "calm2", "yes")]
    votes += [(1, who, (A, B)) for who in ("calm1", "calm2")] + [(1, "loud", "yes")]
    found = score_shown(read_votes(make_decisions(votes), make_tasks(3, controls=40), several="accept"))
    posterior = {(one, wnid): value for one, wnid, value, _ in found.iter_rows()}
    assert posterior[key(1), B] > posterior[key(0), B] + 0.05


def test_the_histogram_counts_who_saw_the_class():
    votes = make_decisions([(0, "r1", (A, B)), (0, "r2", "yes"), (1, "r1", (B, C)), (1, "r2", "yes")])
    for config in (USUAL, ACCEPT):
        found = selection_histogram(votes, make_tasks(2), config)
        assert found.filter(pl.col("count") > 0).select("low", "count").rows() == [(0.5, 1), (0.9, 1)]


def test_masi_is_the_published_distance():
    """The values of nltk's `masi_distance` examples, with its thirds unrounded."""
    assert masi_similarity({1, 2}, {1, 2, 3, 4}) == pytest.approx(2 / 3 / 2)
    assert masi_similarity({1, 2}, {3, 4}) == 0
    assert masi_similarity({1, 2}, {2, 3}) == pytest.approx(1 / 9)
    assert masi_similarity({1}, {1}) == 1


@pytest.mark.parametrize("seed", range(3))
def test_alpha_over_sets_equals_krippendorffs_package(seed):
    rng = random.Random(seed)
    words = ["yes", B, (A, B), (B, C), (A, B, C), (A,), "drawing", "unsure", "several"]
    votes = [(i, f"r{n}", rng.choice(words[i % 5 :])) for i in range(40) for n in range(4) if rng.random() < 0.8]
    found = score_agreement(make_decisions(votes), make_tasks(40), AgreementConfig(bootstrap_count=50))
    values = [{"yes": (A,), B: (B,)}.get(said, (said,) if isinstance(said, str) else said) for _, _, said in votes]
    numbers = {value: number for number, value in enumerate(sorted(set(values)))}
    table = np.full((4, 40), np.nan)
    for (i, who, _), value in zip(votes, values, strict=True):
        table[int(who[1]), i] = numbers[value]
    apart = np.array([[1 - masi_similarity(one, other) for other in numbers] for one in numbers])

    def distance(one, other, *_, **__):
        return apart[np.asarray(one, int), np.asarray(other, int)]

    expected = krippendorff.alpha(table, level_of_measurement=distance, value_domain=list(range(len(numbers))))
    assert found["alpha"] == pytest.approx(expected, abs=1e-9)
    assert found["low"] < found["alpha"] < found["high"]


def test_sets_that_share_classes_agree_more_than_strangers():
    near = [
        (i, who, said) for i in range(20) for who, said in (("a", (A, B) if i % 2 else C), ("b", A if i % 2 else C))
    ]
    far = [
        (i, who, said)
        for i in range(20)
        for who, said in (("a", (A, B) if i % 2 else C), ("b", "drawing" if i % 2 else C))
    ]
    alphas = [score_agreement(make_decisions(votes), make_tasks(20))["alpha"] for votes in (near, far)]
    assert alphas[0] > alphas[1] + 0.1


def test_pairs_of_sets_are_found_through_their_classes_alone():
    """Every subset of three classes beside one another: all overlaps are counted once."""
    sets = [some for size in (1, 2, 3) for some in itertools.combinations((A, B, C), size)]
    votes = [(0, f"r{n}", some) for n, some in enumerate(sets)] + [(1, f"r{n}", "yes") for n in range(len(sets))]
    found = score_agreement(make_decisions(votes), make_tasks(2), AgreementConfig(bootstrap_count=2))["alpha"]
    values = [*sets, *[(A,)] * len(sets)]
    apart = lambda some: [1 - masi_similarity(one, other) for one, other in itertools.permutations(some, 2)]  # noqa: E731
    inside = np.mean(apart(sets)) * len(sets) / len(values)
    assert found == pytest.approx(1 - inside / np.mean(apart(values)), abs=1e-9)
