"""How sure an answer is, given how reliable those who gave it are: Dawid and Skene's estimate.

Each picture was asked about with one proposed class. Whether that class fits is hidden; a reviewer says *no*, *maybe*
or *yes* to it, with probabilities of his own for a class that fits and for one that does not (six numbers, two rows).
Who says no names what it is instead: another class, or nothing of the kind (a refusal). He knows it with probability
`naming`, and otherwise names whatever is commonly named. Where only no, maybe and yes are known, as in ReaL's votes,
this is Dawid and Skene's model with two true states and three answers, and nothing else.

Reviewers' numbers, the share of proposals that fit and the posteriors are found together by expectation maximisation.
The truth of controls is known, and each answer to a control counts `control_weight` times: answers to one picture
resemble each other more than the model believes, and only known truth shows what a reviewer's answers are worth.

Every reviewer starts from what reviewers do on average (`strength` answers' worth), so that one with few answers is
neither trusted nor damned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

NO, MAYBE, YES = 0, 1, 2
_TINY = 1e-10


@dataclass(frozen=True, kw_only=True)
class PosteriorConfig:
    """How reviewers are weighed.

    Attributes:
        alternatives_count: classes that are named by mistake, if all were equally common; the fewer, the less it proves
            that two reviewers name the same one.
        prior_right: right answers all reviewers together are credited with before the first is counted.
        prior_unsure: answers "cannot tell" likewise.
        prior_wrong: wrong answers likewise.
        strength: answers' worth of the average reviewer that each reviewer starts from.
        prevalence_prior: proposals that fit, and as many that do not, counted before the first picture.
        control_weight: how many times an answer to a control counts.
        rounds_max: rounds of expectation maximisation at most.
        tolerance: largest change of a posterior at which it ends, 0 to 1.
    """

    alternatives_count: int = 4
    prior_right: float = 40.0
    prior_unsure: float = 5.0
    prior_wrong: float = 5.0
    strength: float = 10.0
    prevalence_prior: float = 10.0
    control_weight: float = 10.0
    rounds_max: int = 200
    tolerance: float = 1e-6


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers as numbers; V answers of R reviewers to N pictures, for which M alternatives were named.

    Attributes:
        picture: [V] int64, 0 to N - 1, ascending.
        reviewer: [V] int64, 0 to R - 1.
        answer: [V] int64, NO, MAYBE or YES to the proposed class.
        named: [V] int64, 0 to M - 1: the alternative a NO names; -1 where none.
        alternative_picture: [M] int64, ascending: the picture an alternative belongs to.
        is_refusal: [M] bool: the alternative is no class.
        fits: [N] float64: 1 or 0 where the truth is known (a control), else nan.
        is_true: [M] bool: the alternative is the known truth of a control.
        reviewers_count: R.
    """

    picture: np.ndarray
    reviewer: np.ndarray
    answer: np.ndarray
    named: np.ndarray
    alternative_picture: np.ndarray
    is_refusal: np.ndarray
    fits: np.ndarray
    is_true: np.ndarray
    reviewers_count: int


@dataclass(frozen=True, kw_only=True)
class Posteriors:
    """What was found.

    Attributes:
        fits: [N] float64, 0 to 1: probability that the proposed class fits.
        alternative: [M] float64, 0 to 1: probability of each alternative.
        confusion: [R, 2, 3] float64: probability of no, maybe, yes where the class does not fit (row 0), does (row 1).
        naming: [R] float64: probability that a reviewer who says no knows what it is instead.
        prevalence: share of proposals that fit, 0 to 1.
        refusals_frac: share of refusals among what is named by those who do not know, 0 to 1.
        rounds: of expectation maximisation.
    """

    fits: np.ndarray
    alternative: np.ndarray
    confusion: np.ndarray
    naming: np.ndarray
    prevalence: float
    refusals_frac: float
    rounds: int


def estimate_posteriors(answers: Answers, config: PosteriorConfig | None = None) -> Posteriors:
    """Dawid and Skene's posteriors and what they say of each reviewer.

    Args:
        answers: of one review.
        config: priors and bounds.

    Returns:
        The posteriors; they depend on the set of answers, not on their order.

    Source: Dawid and Skene 1979, equations 2.3 to 2.5. With answers no and yes alone and priors of nothing it equals
    crowdkit.aggregation.DawidSkene (to 1e-9, tested).
    """
    config = config or PosteriorConfig()
    model = _Model(answers, config)
    fits, alternative = model.start()
    rounds = 0
    while rounds < config.rounds_max:
        model.learn(fits, alternative)
        before = fits
        fits, alternative = model.judge()
        rounds += 1
        if fits.size == 0 or np.abs(fits - before).max() < config.tolerance:
            break
    return Posteriors(
        fits=fits, alternative=alternative, confusion=model.confusion, naming=model.naming,
        prevalence=model.prevalence, refusals_frac=model.refusals_frac, rounds=rounds,
    )  # fmt: skip


def judge_as_learned(answers: Answers, learned: Posteriors, config: PosteriorConfig | None = None) -> Posteriors:
    """The posteriors of further questions, given what is known of the reviewers; nothing is learned from them.

    Args:
        answers: of reviewers numbered as in `learned`.
        learned: what `estimate_posteriors` found.
        config: the priors it was found with.
    """
    model = _Model(answers, config or PosteriorConfig())
    model.confusion, model.naming, model.prevalence = learned.confusion, learned.naming, learned.prevalence
    model.refusals_frac = learned.refusals_frac
    model.background = model.common_names()
    fits, alternative = model.judge()
    return replace(learned, fits=fits, alternative=alternative)


class _Model:
    """The parameters, and the two steps between which the estimate goes back and forth."""

    def __init__(self, answers: Answers, config: PosteriorConfig) -> None:
        self.answers, self.config = answers, config
        self.known = ~np.isnan(answers.fits)
        self.weight = np.where(self.known, config.control_weight, 1.0)
        self.cell = answers.reviewer * 3 + answers.answer  # [V] one of 3R
        self.cells = self._per_cell(self.weight)  # [R, 3]
        names = answers.named >= 0
        self.name, self.namer = answers.named[names], answers.reviewer[names]  # [W] the answers that name something
        self.name_picture = answers.picture[names]
        self.refusals_frac = self._count_refusals()
        self.background = self.common_names()
        self.naming = np.full(answers.reviewers_count, 0.5)
        self.confusion = np.zeros((answers.reviewers_count, 2, 3))
        self.prevalence = 0.5

    def _per_cell(self, per_picture: np.ndarray) -> np.ndarray:
        rows = self.answers.reviewers_count
        return np.bincount(self.cell, per_picture[self.answers.picture], rows * 3).reshape(rows, 3)

    def _count_refusals(self) -> float:
        refusals = float(self.answers.is_refusal[self.name].sum())
        prior = self.config.prevalence_prior
        return (refusals + prior) / max(self.name.size + 2 * prior, 1)

    def common_names(self) -> np.ndarray:
        """[M] how often an alternative is named by somebody who does not know: by the share of refusals among names."""
        other = (1 - self.refusals_frac) / max(1, self.config.alternatives_count - 1)
        return np.where(self.answers.is_refusal, self.refusals_frac, other)

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """What a plain vote says."""
        answers = self.answers
        count = np.bincount(answers.picture, minlength=answers.fits.size)
        fits = np.bincount(answers.picture, answers.answer / 2, answers.fits.size) / np.maximum(count, 1)
        share = np.bincount(self.name, minlength=self.background.size) / np.maximum(count, 1)[
            answers.alternative_picture
        ]  # fmt: skip
        return self._with_truth(fits, share)

    def _with_truth(self, fits: np.ndarray, alternative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = self.known[self.answers.alternative_picture]
        return np.where(self.known, self.answers.fits, fits), np.where(known, self.answers.is_true, alternative)

    def learn(self, fits: np.ndarray, alternative: np.ndarray) -> None:
        """What the posteriors say of the reviewers (the M step)."""
        config, given = self.config, self._credit()
        right = self._per_cell(fits * self.weight)
        for row, counts in enumerate((self.cells - right, right)):
            usual = counts.sum(0) + given[row]
            usual = usual / max(usual.sum(), _TINY)
            total = counts.sum(1, keepdims=True) + config.strength
            self.confusion[:, row] = (counts + config.strength * usual) / np.maximum(total, _TINY)
        unknown = fits[~self.known]
        prior = config.prevalence_prior
        self.prevalence = float((unknown.sum() + prior) / max(unknown.size + 2 * prior, 1)) if unknown.size else 0.5
        if self.name.size:
            self._learn_naming(fits, alternative)

    def _credit(self) -> np.ndarray:
        """[2, 3] answers no, maybe, yes credited to all reviewers together, where the class does not fit and does."""
        against = (self.config.prior_right, self.config.prior_unsure, self.config.prior_wrong)
        return np.array([against, against[::-1]])

    def _learn_naming(self, fits: np.ndarray, alternative: np.ndarray) -> None:
        config, rows = self.config, self.answers.reviewers_count
        known = self.naming[self.namer]
        by_knowing = known / (known + (1 - known) * self.background[self.name])
        weight = self.weight[self.name_picture]
        hits = np.bincount(self.namer, weight * alternative[self.name] * by_knowing, rows)
        tries = np.bincount(self.namer, weight * (1 - fits[self.name_picture]), rows)
        wrong = config.prior_wrong + config.prior_unsure
        usual = (hits.sum() + config.prior_right) / max(tries.sum() + config.prior_right + wrong, _TINY)
        found = (hits + config.strength * usual) / np.maximum(tries + config.strength, _TINY)
        self.naming = np.clip(found, 1e-3, 1 - 1e-3)

    def judge(self) -> tuple[np.ndarray, np.ndarray]:
        """What the reviewers' numbers say of each picture (the E step)."""
        answers, count = self.answers, self.answers.fits.size
        logs = np.log(np.maximum(self.confusion, _TINY))
        ratio = (logs[:, 1] - logs[:, 0]).ravel()[self.cell]
        prevalence = np.clip(self.prevalence, _TINY, 1 - _TINY)
        fit = np.log(prevalence / (1 - prevalence)) + np.bincount(answers.picture, ratio, count)
        if not self.name.size:
            return self._with_truth(1 / (1 + np.exp(-fit)), np.zeros(self.background.size))
        # per picture, relative to: it does not fit, and every name was a guess
        guess = np.bincount(self.name_picture, -np.log(1 - self.naming)[self.namer], count)
        known = self.naming[self.namer]
        common = self.background[self.name]
        gain = np.log((known + (1 - known) * common) / ((1 - known) * common))
        named = np.log(self.background) + np.bincount(self.name, gain, self.background.size)
        rest = 1 - np.bincount(answers.alternative_picture, self.background, count)
        unnamed = np.log(np.maximum(rest, 1e-3))
        fit = fit + guess
        top = np.maximum(fit, unnamed)
        np.maximum.at(top, answers.alternative_picture, named)
        weight = np.exp(named - top[answers.alternative_picture])
        fit_weight = np.exp(fit - top)
        total = fit_weight + np.exp(unnamed - top) + np.bincount(answers.alternative_picture, weight, count)
        return self._with_truth(fit_weight / total, weight / total[answers.alternative_picture])
