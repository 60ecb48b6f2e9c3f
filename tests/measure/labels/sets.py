"""How good settled sets of classes are, on ReaL's real votes: against its published final labels.

    python -m tests.measure.labels.sets

Needs ../shared/real. Prints the Markdown table of docs/guides/agreement.md; about a minute.

A rater's answers to the pairs of one image are read as one answer to the picture, as our page asks it: the classes he
says yes to (or, in the second half of the table, yes or maybe). One class is *yes* or *another class*, two or more are
*several classes* by name, none is *cannot tell* where he said maybe and *none of the classes* where he did not. Each
image is asked about with any of its classes, by seed: one chosen by the answers would not be independent of them. Only
images all of whose pairs were put to the same five raters can be read so: 17,285 of 24,889.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.manifests.tables import DECISIONS
from tests.measure.real_votes import FOLDER, START, Votes, key, make_task_rows, read_real_votes, settle_real, wnid_of

RULES = AgreementConfig(votes_needed=5, votes_max=5, several="accept")
MAYBE, YES = 1, 2


@dataclass(frozen=True)
class Pictures:
    """Images whose pairs were all put to the same raters.

    Attributes:
        names: file names.
        asked: classes each was asked about, wnids.
        said: per image, rater -> the classes he says yes to; None where he said neither yes nor no of any.
        published: what `real.json` says each shows.
        pairs: places of each image's pairs in the votes.
    """

    names: list[str]
    asked: list[list[str]]
    said: list[dict[str, set[str] | None]]
    published: list[set[str]]
    pairs: list[list[int]]


def read_published() -> list[set[str]]:
    """ReaL's final labels by image, in the order of the validation files."""
    wnids = wnid_of()
    return [{wnids[index] for index in some} for some in json.loads((FOLDER / "real.json").read_text())]


@cache
def read_pictures(least: int = YES) -> Pictures:
    """The images, with the classes each rater gives at least this answer to."""
    votes, wnids, published = read_real_votes(), wnid_of(), read_published()
    answers: dict[int, dict[int, int]] = {}
    for pair, rater, answer in zip(votes.pair.tolist(), votes.rater.tolist(), votes.answer.tolist(), strict=True):
        answers.setdefault(pair, {})[rater] = answer
    by_image: dict[str, list[int]] = {}
    for pair, name in enumerate(votes.image.tolist()):
        by_image.setdefault(name, []).append(pair)
    found = Pictures([], [], [], [], [])
    for name, pairs in sorted(by_image.items()):
        if len({frozenset(answers[pair]) for pair in pairs}) > 1:
            continue
        found.names.append(name)
        found.asked.append([wnids[votes.label[pair]] for pair in pairs])
        found.said.append(
            {f"r{rater:03d}": _read_set(votes, pairs, answers, rater, least) for rater in answers[pairs[0]]}
        )
        found.published.append(published[int(name[15:23]) - 1])
        found.pairs.append(pairs)
    return found


def _read_set(
    votes: Votes, pairs: list[int], answers: dict[int, dict[int, int]], rater: int, least: int
) -> set[str] | None:
    wnids = wnid_of()
    named = {wnids[votes.label[pair]] for pair in pairs if answers[pair][rater] >= least}
    return None if not named and any(answers[pair][rater] == MAYBE for pair in pairs) else named


def propose(pictures: Pictures, seed: int = 0) -> list[str]:
    """The class each image is asked about: any of its own."""
    rng = np.random.default_rng(seed)
    return [asked[rng.integers(len(asked))] for asked in pictures.asked]


def set_tables(pictures: Pictures, proposed: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(DECISIONS, TASKS) of one answer a rater and image."""
    rows: list[dict[str, Any]] = []
    for name, asked, said in zip(pictures.names, proposed, pictures.said, strict=True):
        for rater, shown in said.items():
            other = next(iter(shown)) if shown and len(shown) == 1 and asked not in shown else None
            choice = "unsure" if shown is None else "none" if not shown else "several" if len(shown) > 1 else "yes"
            rows.append(
                {
                    "candidate_id": key(name), "round": 1, "reviewer": rater, "choice": "other" if other else choice,
                    "other_wnid": other, "wnids": sorted(shown) if choice == "several" and shown else None,
                    "seconds": 2.0, "at": START, "annotation_id": len(rows),
                }
            )  # fmt: skip
    decisions = pl.DataFrame(rows, schema=dict(DECISIONS.schema))
    return decisions, make_task_rows([key(name) for name in pictures.names], proposed)


def settle_sets(pictures: Pictures, config: AgreementConfig = RULES, seed: int = 0) -> list[set[str]]:
    """The classes each image is settled with; none where it is not accepted."""
    verdicts = settle_votes(*set_tables(pictures, propose(pictures, seed)), config)
    found = {
        one: set(wnids or [wnid]) for one, wnid, wnids in
        verdicts.filter(status="accept").select("candidate_id", "wnid", "wnids").iter_rows()
    }  # fmt: skip
    return [found.get(key(name), set()) for name in pictures.names]


def settle_pairs(pictures: Pictures) -> list[set[str]]:
    """The same from the pairs themselves, each a picture with one proposed class, as the other tables measure it."""
    votes, wnids = read_real_votes(), wnid_of()
    places = np.array([pair for pairs in pictures.pairs for pair in pairs])
    verdicts = settle_real(votes, replace(RULES, several="reject"), places)
    accepted = dict(zip(np.unique(places).tolist(), (verdicts["status"] == "accept").to_list(), strict=True))
    return [{wnids[votes.label[pair]] for pair in pairs if accepted[pair]} for pairs in pictures.pairs]


def majority_sets(pictures: Pictures, share: float = 0.5) -> list[set[str]]:
    """Classes that more than a share of the raters name."""
    return [
        {wnid for wnid in asked if sum(wnid in (some or ()) for some in said.values()) > share * len(said)}
        for asked, said in zip(pictures.asked, pictures.said, strict=True)
    ]


def compare_sets(found: list[set[str]], published: list[set[str]]) -> dict[str, float]:
    """same (share of images with the very set), jaccard (mean, 1 where both are empty), precision, recall of labels."""
    both = list(zip(found, published, strict=True))
    hits = sum(len(one & other) for one, other in both)
    return {
        "same": float(np.mean([one == other for one, other in both])),
        "jaccard": float(np.mean([len(one & other) / len(one | other) if one | other else 1.0 for one, other in both])),
        "precision": hits / max(1, sum(map(len, found))),
        "recall": hits / max(1, sum(map(len, published))),
    }


def right_by_experts(found: list[set[str]]) -> tuple[float, int]:
    """Share of the experts' pairs of these images that the sets decide as most of five experts do, and their number."""
    votes, wnids, sets = read_real_votes(), wnid_of(), dict(zip(read_pictures().names, found, strict=True))
    pairs = zip(votes.image[votes.gold_pair].tolist(), votes.label[votes.gold_pair].tolist(), votes.gold, strict=True)
    right = [(wnids[label] in sets[name]) == bool(gold) for name, label, gold in pairs if name in sets]
    return float(np.mean(right)), len(right)


def list_ways() -> Iterator[tuple[str, list[set[str]]]]:
    """Each way to settle the images: its words, and the sets it gives."""
    pictures = read_pictures()
    yield "published", pictures.published
    yield "each pair settled by itself, defaults", settle_pairs(pictures)
    for least, words in ((YES, "yes names a class"), (MAYBE, "yes or maybe names it")):
        read = read_pictures(least)
        yield f"{words}: more than half of the five", majority_sets(read)
        yield f"{words}: **sets**, defaults", settle_sets(read)
        yield f"{words}: **sets**, confidence 0.5", settle_sets(read, replace(RULES, min_confidence=0.5))


def main() -> None:
    published = read_pictures().published
    several = [place for place, some in enumerate(published) if len(some) > 1]
    print(f"{len(published):,} images, {len(several):,} of them with two or more published classes\n")
    print(
        "| settled | same set | Jaccard | precision | recall | same set where several are published | experts agree |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, found in list_ways():
        told = compare_sets(found, published)
        where = compare_sets([found[place] for place in several], [published[place] for place in several])["same"]
        values = " | ".join(f"{value:.3f}" for value in (*told.values(), where, right_by_experts(found)[0]))
        print(f"| {name} | {values} |", flush=True)
    print(f"\n{right_by_experts(published)[1]:,} pairs of the experts")


if __name__ == "__main__":
    main()
