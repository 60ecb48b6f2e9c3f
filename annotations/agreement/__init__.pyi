from .class_sets import score_shown
from .dawid_skene import Answers, PosteriorConfig, Posteriors, estimate_posteriors
from .decisions import latest_decisions, pseudonym, read_classes, read_decisions
from .krippendorff import masi_similarity, score_agreement
from .next_round import plan_answers, settle_probability
from .reviewer_quality import FlagConfig, rate_reviewers, wilson_interval
from .settle import AgreementConfig, settle_votes
from .status import agreement_over_time, confused_pairs, review_status
from .votes import read_votes

__all__ = [
    "AgreementConfig",
    "Answers",
    "FlagConfig",
    "PosteriorConfig",
    "Posteriors",
    "agreement_over_time",
    "confused_pairs",
    "estimate_posteriors",
    "latest_decisions",
    "masi_similarity",
    "plan_answers",
    "pseudonym",
    "rate_reviewers",
    "read_classes",
    "read_decisions",
    "read_votes",
    "review_status",
    "score_agreement",
    "score_shown",
    "settle_probability",
    "settle_votes",
    "wilson_interval",
]
