import hashlib

import pytest

from relaionet.annotations.agreement.decisions import read_answer, read_classes
from relaionet.annotations.simulated_reviewers import simulate_answer
from relaionet.annotations.tasks.page import runner_up_choices, shown_choices
from relaionet.manifests.labels import find_label

A, B, C = "n02012849", "n03126707", "n01440764"


def data(number):
    return {
        "candidate_id": hashlib.sha256(str(number).encode()).hexdigest(),
        "wnid": A,
        "runner_ups": runner_up_choices([find_label(B)]),
        "shown_classes": shown_choices(find_label(A), [find_label(B)]),
    }


@pytest.mark.parametrize(
    ("truth", "answer"),
    [
        (A, ("yes", None)),
        (B, ("other", B)),
        (C, ("other", C)),
        ("drawing", ("drawing", None)),
        (None, ("unsure", None)),
    ],
)
def test_a_perfect_reviewer_says_the_truth_in_the_pages_words(truth, answer):
    result, seconds = simulate_answer(data(1), truth, "simulated-1", 1.0, 0)
    assert read_answer(result, A) == answer
    assert 1.5 <= seconds <= 6


@pytest.mark.parametrize("truth", [A, B, "several"])
def test_mistakes_come_at_the_stated_rate_and_never_vary(truth):
    right = 0
    for number in range(2000):
        first = simulate_answer(data(number), truth, "simulated-1", 0.9, 0)
        assert simulate_answer(data(number), truth, "simulated-1", 0.9, 0) == first
        said = read_answer(first[0], A)
        right += said == {A: ("yes", None), B: ("other", B), "several": ("several", None)}[truth]
    assert right / 2000 == pytest.approx(0.9, abs=0.025)


def test_reviewers_err_independently():
    said = [[read_answer(simulate_answer(data(n), A, who, 0.8, 0)[0], A) for n in range(1500)] for who in "ab"]
    both = sum(one != ("yes", None) and two != ("yes", None) for one, two in zip(*said, strict=True))
    assert both / 1500 == pytest.approx(0.04, abs=0.02)


@pytest.mark.parametrize("truth", [(A, B), (B, A), (A, C), (B, C), (A, B, C)])
def test_several_classes_are_named_by_tick_and_by_search(truth):
    result, _ = simulate_answer(data(1), truth, "simulated-1", 1.0, 0)
    assert read_answer(result, A) == ("several", None)
    assert read_classes(result) == sorted(truth)
    wrong = [simulate_answer(data(n), truth, "simulated-1", 0.5, 0)[0] for n in range(400)]
    right = sum(read_classes(one) == sorted(truth) for one in wrong)
    assert right / 400 == pytest.approx(0.5, abs=0.1)
    mistakes = {read_answer(one, A).choice for one in wrong if read_classes(one) != sorted(truth)}
    assert mistakes == ({"yes", "several"} if A in truth else {"yes"})
