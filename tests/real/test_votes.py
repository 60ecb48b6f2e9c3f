"""ReaL's real votes, settled by `settle_votes`: as good as the published decisions, better than any one rater."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from relaionet.annotations.agreement.reviewer_quality import rate_reviewers
from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.agreement.votes import read_votes
from tests.measure.real_votes import FOLDER, gold_halves, halves, read_real_votes, real_tables, settle_real
from tests.measure.votes import Setting, accepted, find_setting, intervals, majority, mcnemar, reference_decisions

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/real"),
]

SEED = 0


@pytest.fixture(scope="module")
def votes():
    return read_real_votes()


@pytest.fixture(scope="module")
def measured(votes):
    """(setting found on one half of the images, its labels on the other half, pairs of that half)."""
    first, second = halves(votes, SEED)
    some = np.random.default_rng(SEED).permutation(first)[:30_000]
    setting, _ = find_setting(votes, np.sort(some))
    return setting, settle_real(votes, setting.config(), second), second


def test_the_best_setting_of_one_half_agrees_with_the_published_decisions_on_the_other(votes, measured):
    setting, verdicts, pairs = measured
    assert isinstance(setting, Setting)
    assert verdicts.height == pairs.size > 90_000
    assert (accepted(verdicts) == votes.decision[pairs]).mean() >= 0.95


def test_settled_labels_beat_the_best_single_rater_and_plain_majority_on_expert_gold(votes, measured):
    setting, _, _ = measured
    controls, other = gold_halves(votes, SEED)
    rater, plain = reference_decisions(votes)
    ours = accepted(settle_real(votes, setting.config()))[votes.gold_pair]
    (value, low, high), over_rater, over_majority = intervals(votes, ours, [rater, plain])
    assert low < value < high
    assert value > (rater == votes.gold).mean()
    assert value > max(
        (majority(votes, kind)[votes.gold_pair] == votes.gold).mean() for kind in ("yes", "half", "maybe")
    )
    assert over_majority[1] > 0, "the interval of the gain over plain majority leaves out zero"
    assert over_rater[0] > 0
    assert mcnemar(votes, ours, plain) < 0.05
    # half of the expert pairs as hidden controls: no worse on the other half
    helped = accepted(settle_real(votes, setting.config(), controls=controls))[votes.gold_pair[other]]
    assert (helped == votes.gold[other]).mean() >= (ours[other] == votes.gold[other]).mean() - 0.005


def test_a_real_spammer_is_found_and_nobody_else(votes):
    """Rater 145 said yes 1,936 times of 1,952; the published decision was yes for 19 % of those pairs."""
    decisions, tasks = real_tables(votes)
    flagged = rate_reviewers(read_votes(decisions, tasks)).filter(pl.col("flags").list.len() > 0)
    assert flagged.select("reviewer", "flags").rows() == [("r145", ["same"])]


def test_the_defaults_agree_too(votes, measured):
    """With people's rule that two answers must support a label; ReaL's maybe, unlike our unsure, is half a yes."""
    pairs = measured[2][:40_000]
    usual = replace(AgreementConfig(), votes_needed=5, votes_max=5)
    assert (accepted(settle_real(votes, usual, pairs)) == votes.decision[pairs]).mean() >= 0.95
