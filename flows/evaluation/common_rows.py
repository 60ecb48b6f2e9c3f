"""Evaluations of several rebuilds of one release: the rows all of them have, scored beside each one's own.

A release is never whole again: one rebuild has 85 % of it, another 91 %, and a Fréchet distance moves with the rows it
is taken over. So where two evaluations on one page are of the same release and of different rows, each keeps a board
of its own rows, and all sets stand once more on a board of the rows they have in common, by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.features.stored import read_feature_set
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.by_class import score_classes
from relaionet.evaluators.scoring.influences import Influences, keep_influences
from relaionet.evaluators.scoring.measure import measure_alone, measure_set
from relaionet.evaluators.scoring.score import REAL, Setting, list_scores
from relaionet.flows.evaluation.stored_sets import StoredEvaluation, StoredSet
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from relaionet.manifests.release.sentences import DIGEST_SHOWN
from relaionet.manifests.tables import ALIVE, CLASS_SCORES, SCORES
from relaionet.manifests.words import say_count


class Apart(NamedTuple):
    """Evaluations no two of which use one name for different rows.

    Attributes:
        evaluations: those given, their splits named apart where they have to be, and after them those of common rows.
        notes: what was compared on which rows, with the digests to cite.
    """

    evaluations: list[StoredEvaluation]
    notes: list[str]


class ScoredAnew(NamedTuple):
    """Scores of one evaluation on some of its rows."""

    scores: pl.DataFrame
    class_scores: pl.DataFrame
    influences: list[Influences]


@dataclass(frozen=True, kw_only=True, eq=False)
class CommonEvaluation(StoredEvaluation):
    """An evaluation on those of its rows that others have too, scored from the features it stored."""

    def read(self, name: str) -> pl.DataFrame:
        """`scores` or `class_scores`."""
        return self._scored.scores if name == "scores" else self._scored.class_scores

    def influences(self) -> list[Influences]:
        """Of every set."""
        return self._scored.influences

    @cached_property
    def _scored(self) -> ScoredAnew:
        reference = _take(read_feature_set(self.root / "reference", self.choices), self.ids or frozenset())
        real = list_scores(measure_alone(reference), Setting(generator=REAL, split=self.split_name))
        scores, classes, influences = [SCORES.empty(), real], [CLASS_SCORES.empty()], []
        for one in self.sets:
            samples = _take(read_feature_set(one.folder, self.choices), self.ids or frozenset())
            if not len(samples):  # none of its images answers a row that all have
                continue
            setting = Setting(
                generator=one.name, split=self.split_name, steps=one.asked.steps, guidance=one.asked.guidance,
                nfe=_count_calls(one, samples),
            )  # fmt: skip
            measured = measure_set(samples, reference, in_part=True)
            scores.append(list_scores(measured, setting))
            classes.append(score_classes(measured, setting))
            influences.append(keep_influences(measured, one.label))
        return ScoredAnew(pl.concat(scores), pl.concat(classes), influences)


def _take(found: FeatureSet, ids: frozenset[str]) -> FeatureSet:
    """The images of some requests, in the order they have; `-k` after an id marks its k-th sample."""
    return found.take([row for row, name in enumerate(found.ids) if name.partition("-")[0] in ids])


def _count_calls(one: StoredSet, samples: FeatureSet) -> float:
    made = read_samples(one.folder)[0].filter(pl.col("status") == ALIVE)
    made = made.join(pl.DataFrame({"sample_id": list(samples.ids)}, schema={"sample_id": pl.String}), on="sample_id")
    return float(made["nfe"].mean() or 0.0)  # type: ignore[arg-type]  # 0 where nobody counted


def set_apart(evaluations: Sequence[StoredEvaluation]) -> Apart:
    """Name the splits of evaluations apart, and add those of the rows that rebuilds of one release have in common.

    Args:
        evaluations: as they were read.

    Raises:
        BadInput: one name stands for images of different releases, or an earlier version stored too little.
    """
    found, notes = Apart([], []), []
    for some in _by_name(evaluations).values():
        rebuilds = list(dict.fromkeys((one.split_digest, one.limit) for one in some))
        if len(rebuilds) == 1:
            found.evaluations.extend(some)
            continue
        _check_one_release(some)
        found.evaluations.extend(replace(one, split_name=_own_name(one, some)) for one in some)
        for protocol in dict.fromkeys(one.protocol for one in some):
            alike = [one for one in some if one.protocol == protocol]
            if len({(one.split_digest, one.limit) for one in alike}) > 1:
                common, note = _find_common(alike)
                found.evaluations.extend(common)
                notes.append(note)
    return Apart(found.evaluations, notes)


def _by_name(evaluations: Sequence[StoredEvaluation]) -> dict[str, list[StoredEvaluation]]:
    named: dict[str, list[StoredEvaluation]] = {}
    for one in evaluations:
        named.setdefault(one.split_name, []).append(one)
    return named


def _check_one_release(some: Sequence[StoredEvaluation]) -> None:
    first = some[0]
    for one in some[1:]:
        if not one.release_digest or one.release_digest != first.release_digest:
            raise BadInput(
                f"{first.root} and {one.root} both say '{one.split_name}' and scored different images, which are not "
                "known to be of one release; give one of them another `split_name` in its recipe, or evaluate both on "
                "the same rows."
            )


def _own_name(one: StoredEvaluation, some: Sequence[StoredEvaluation]) -> str:
    limits = {other.limit for other in some}
    first = f", first {one.limit:,}" if len(limits) > 1 and one.limit else ""
    return f"{one.split_name}, rebuild {one.split_digest[:DIGEST_SHOWN]}{first}"


def common_digest(release_digest: str, ids: frozenset[str]) -> str:
    """Digest of some rows of a release, 64 hex digits; whoever has these rows gets the same.

    Args:
        release_digest: of the release.
        ids: candidate_id of the rows.
    """
    return digest_of(release_digest, sorted(ids))


def _find_common(some: Sequence[StoredEvaluation]) -> tuple[list[StoredEvaluation], str]:
    """Evaluations of the rows all have, and a sentence about them."""
    rows = [frozenset(read_feature_set(one.root / "reference", one.choices).ids) for one in some]
    ids = frozenset.intersection(*rows)
    counts = ", ".join(f"{len(own):,}" for own in dict.fromkeys(rows))
    name, digest = some[0].split_name, common_digest(some[0].release_digest, ids)[:DIGEST_SHOWN]
    if not ids:
        return [], f"{name}: the rebuilds compared here ({counts} rows) have no row in common."
    split = f"{name}, {say_count(len(ids), 'common row')} {digest}"
    fields = [dict(vars(one)) for one in some]
    common = [
        CommonEvaluation(**{**own, "split_name": split, "ids": ids, "sets": _name_sets(one, some)})
        for one, own in zip(some, fields, strict=True)
    ]
    note = (
        f"{name}: {len(some)} evaluations of rebuilds with {counts} rows. Each has a table of its own rows; only in "
        f"that of the {say_count(len(ids), 'row')} all have can they be compared. Digest of these rows: {digest}."
    )
    return list(common), note


def _name_sets(one: StoredEvaluation, some: Sequence[StoredEvaluation]) -> tuple[StoredSet, ...]:
    """The sets of one evaluation; those another one has too are named after the folder as well."""
    others = {made.label for other in some if other is not one for made in other.sets}
    names = [other.root.name for other in some]
    where = one.root.name if names.count(one.root.name) == 1 else str(one.root)
    return tuple(replace(made, name=f"{made.name} ({where})") if made.label in others else made for made in one.sets)
