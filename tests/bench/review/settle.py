"""Settling ReaL's 924,810 answers: seconds and peak memory, against crowd-kit's DawidSkene in the same run and bounds.

Each runs in a process of its own, from the votes' file to labels; seconds are those of settling alone, memory is the
whole process with its tables. Ours is all of `settle_votes`: flags, posteriors, rules and the table of verdicts.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

from tests.bench.row import Row

REPEATS = 3
LIMIT_S, LIMIT_MIB = 30.0, 1024.0
PEER_ROUNDS = 20  # of both: neither stops early


def settle_ours() -> None:
    from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
    from tests.measure.real_votes import read_real_votes, real_tables

    decisions, tasks = real_tables(read_real_votes())
    read_real_votes.cache_clear()
    started = time.perf_counter()
    verdicts = settle_votes(decisions, tasks, AgreementConfig(votes_needed=5, votes_max=5))
    _tell(time.perf_counter() - started, verdicts.height)


def estimate_ours() -> None:
    from relaionet.annotations.agreement.dawid_skene import Answers, PosteriorConfig, estimate_posteriors
    from tests.measure.real_votes import read_real_votes

    votes = read_real_votes()
    started = time.perf_counter()
    count, nothing = votes.image.size, np.zeros(0, int)
    answers = Answers(
        picture=votes.pair, reviewer=votes.rater, answer=votes.answer, named=np.full(votes.pair.size, -1),
        alternative_picture=nothing, is_refusal=nothing.astype(bool), fits=np.full(count, np.nan),
        is_true=nothing.astype(bool), reviewers_count=votes.raters.size,
    )  # fmt: skip
    found = estimate_posteriors(answers, PosteriorConfig(rounds_max=PEER_ROUNDS, tolerance=0))
    assert found.rounds == PEER_ROUNDS
    _tell(time.perf_counter() - started, count)


def settle_crowd_kit() -> None:
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    from tests.measure.real_votes import read_real_votes

    votes = read_real_votes()
    table = pd.DataFrame({"task": votes.pair, "worker": votes.rater, "label": votes.answer})
    started = time.perf_counter()
    labels = DawidSkene(n_iter=PEER_ROUNDS, tol=-1).fit_predict(table)
    _tell(time.perf_counter() - started, len(labels))


def _tell(seconds: float, count: int) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mib": peak, "count": count}))


def run_one(name: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.review.settle", name],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> list[Row]:
    found: dict[str, list[dict[str, float]]] = {"ours": [], "posteriors": [], "crowd-kit": []}
    for _ in range(REPEATS):
        for name, runs in found.items():
            runs.append(run_one(name))
    seconds = {name: min(run["seconds"] for run in runs) for name, runs in found.items()}
    memory = {name: min(run["mib"] for run in runs) for name, runs in found.items()}
    assert {run["count"] for runs in found.values() for run in runs} == {184_962}
    return [
        Row(name="settle", ours=seconds["ours"], peer=LIMIT_S, goal="<=1", unit="s for 924,810 answers (bound)"),
        Row(name="settle_memory", ours=memory["ours"], peer=LIMIT_MIB, goal="<=1", unit="MiB at most (bound)"),
        Row(
            name="settle_posteriors", ours=seconds["posteriors"], peer=seconds["crowd-kit"], goal="<=1",
            unit=f"s for {PEER_ROUNDS} rounds of posteriors alone (crowd-kit's DawidSkene)",
        ),
        Row(
            name="settle_crowd_kit_memory", ours=memory["ours"], peer=memory["crowd-kit"], goal="<=1.5",
            unit="MiB, ours of all of settling (crowd-kit's DawidSkene)",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    {"ours": settle_ours, "posteriors": estimate_ours, "crowd-kit": settle_crowd_kit}[sys.argv[1]]()
