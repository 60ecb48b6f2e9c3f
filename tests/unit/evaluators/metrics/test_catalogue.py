"""Every metric is declared once: what is scored, in which order, how its interval is made and where it is shown."""

from dataclasses import replace

import numpy as np
import pytest

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.listing import metrics_table, protocols_table
from relaionet.evaluators.metrics import lookup
from relaionet.evaluators.metrics.catalogue import ALIGNMENTS, DISTANCES, INGREDIENTS, METRICS
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.metrics.frechet import fit_gaussian
from relaionet.evaluators.metrics.lookup import (
    BY_NAME,
    arrow_of,
    check_protocol,
    find_extra,
    find_metric,
    is_lower_better,
    list_shown,
    metrics_under,
    order_columns,
    say_direction,
)
from relaionet.evaluators.metrics.metric import Metric
from relaionet.evaluators.protocols import PROTOCOLS, Protocol, find_protocol
from relaionet.evaluators.scoring.measure import measure_alone, measure_part, measure_set
from relaionet.evaluators.scoring.score import VERSION as SCORE_VERSION
from relaionet.evaluators.scoring.score import Setting, find_made_with, list_scores, version_with
from relaionet.manifests.errors import BadInput
from tests.unit.evaluators.scoring.test_score import make_set

EXTRAS = ("infinity", "sFID", "neighbours", "FD-DINOv2", "top-5", "CLIP-FD", "CMMD", "FD:a:b", "CMMD:a:b")


def make_full(seed: int, protocol: Protocol) -> FeatureSet:
    """A set with everything a metric may ask for."""
    images = make_set(200, seed=seed, noise=1.2)
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=(200, 6)).astype(np.float32) / 4 for name in EXTRAS if find_extra(name).extractor}
    return replace(
        images, protocol=protocol, classes=images.classes, extra_names=EXTRAS, extras=arrays,
        cosines={**images.cosines, "PickScore": rng.normal(size=200) * 0.01 + 0.2},
        ratings={"my own": rng.normal(size=200), "HPSv2": rng.normal(size=200)},
    )  # fmt: skip


def test_every_declaration_is_whole() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert all((metric.meaning, metric.source, metric.needs)), metric.name
        assert (metric.compute is None) == (metric.given_by == "rows"), metric.name
        assert bool(metric.extra) == (metric.given_by == "extra"), metric.name
        assert "reference" in metric.needs or metric.is_lower_better is False, metric.name
    assert (DISTANCES, ALIGNMENTS) == (("FID", "FD"), ("CLIP Score", "PickScore"))
    assert INGREDIENTS == ("FID", "FD", "IS", "CLIP Score", "PickScore")


def test_rows_stand_in_the_order_they_always_stood_in() -> None:
    paper = replace(find_protocol("paper"), class_order="own", neighbour_k=2)
    reference = make_full(2, paper)
    gaussian = fit_gaussian(reference.features)
    found = list(measure_set(make_full(1, paper), reference, others={"imagenet": gaussian}).estimates)
    alone = [
        "IS", "CLIP Score", "csFID", "csIS", "csFID (relative)", "csIS (relative)", "PickScore", "psFID",
        "psIS", "psFID (relative)", "psIS (relative)", "my own", "HPSv2", "accuracy",
        "top-5",
    ]  # fmt: skip
    late = [
        "FID to imagenet", "FID∞", "sFID", "precision", "recall", "density", "coverage", "FD-DINOv2", "CLIP-FD", "CMMD",
        "FD:a:b", "CMMD:a:b",
    ]  # fmt: skip
    assert found == ["FID", "KID", *alone, *late]
    assert list(measure_alone(reference).estimates) == [name for name in alone if "FID" not in name]
    by_class = ["FID", "KID", "IS", "CLIP Score", "PickScore", "my own", "HPSv2", "accuracy", "top-5"]
    assert list(measure_part(reference, reference)) == by_class
    assert list(measure_part(reference, reference.take([0]))) == by_class[2:]


@pytest.mark.parametrize("name", ["paper", "miniature"])
def test_the_interval_is_made_as_the_declaration_says(name: str) -> None:
    protocol = replace(find_protocol(name), class_order="own")
    reference = make_full(2, protocol)
    others = {"x": fit_gaussian(reference.features)}
    measured = measure_set(make_full(1, protocol), reference, others=others)
    said = {metric: find_metric(metric) for metric in measured.estimates}
    assert {metric for metric, found in said.items() if found is None} == {"my own"}
    for metric, found in said.items():
        if found is not None:
            assert measured.estimates[metric].say_method() == found.interval, metric


def test_what_a_protocol_gives_is_what_is_scored() -> None:
    for name in ("paper", "miniature"):
        protocol = replace(find_protocol(name), class_order="own", preference=None)
        images = replace(make_set(seed=1), protocol=protocol)
        scored = measure_set(images, replace(make_set(seed=2), protocol=protocol)).estimates
        given = [one for one in metrics_under(protocol) if BY_NAME[one].given_by == "protocol"]
        assert [one for one in scored if " (relative)" not in one] == given


def test_places_in_the_report() -> None:
    assert list_shown("main") == (
        "FID", "FD", "csFID", "csFD", "psFID", "IS", "csIS", "CLIP Score", "PickScore", "accuracy", "KID", "KD", "MMHM",
    )  # fmt: skip
    assert list_shown("ranks") == tuple(name for name in list_shown("main") if name not in ("KID", "KD"))
    pairs = ("FID", "FD", "KID", "KD", "FD-DINOv2", "IS", "CLIP Score", "PickScore", "accuracy")
    assert list_shown("pairs") == list_shown("splits") == (*pairs, "MMHM")
    assert list_shown("classes") == ("PickScore", "CLIP Score", "accuracy", "KD", "KID", "IS", "FID", "FD")
    assert list_shown("said") == ("FID", "FD", "IS", "CLIP Score", "PickScore", "accuracy")
    assert order_columns(["my own", "KD", "csFD (relative)", "FD:x", "MMHM", "FD"]) == [
        "MMHM", "FD", "KD", "FD:x", "csFD (relative)", "my own",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "lower"),
    [("csFD (relative)", True), ("csIS (relative)", False), ("FD:a.py:b", True), ("FD to x", True), ("my own", False)],
)
def test_names_that_stand_for_a_declared_metric_have_its_direction(name: str, lower: bool) -> None:
    assert is_lower_better(name) is lower
    assert (find_metric(name) is None) == (name == "my own")
    assert arrow_of(name) == ("↓" if lower else "↑")


def test_a_relative_form_is_only_of_what_has_one() -> None:
    assert find_metric("FD (relative)") is None
    assert find_metric("FD:") is None


def test_metrics_of_one_extra_share_what_they_look_at() -> None:
    assert [one.name for one in find_extra("neighbours").metrics] == ["precision", "recall", "density", "coverage"]
    assert (find_extra("sFID").extractor, find_extra("sFID").array) == ("inception", "spatial")
    member = find_extra("FD:my.py:make")
    assert (member.extractor, member.metrics[0].name, member.array) == ("my.py:make", "FD:my.py:make", "features")


def declare(monkeypatch: pytest.MonkeyPatch, **metrics: Metric) -> None:
    monkeypatch.setattr(lookup, "find_declared", lambda *_: metrics)
    lookup._declared.cache_clear()


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """A metric of another package that compares features of an extractor."""

    def compute(sides) -> Estimate:  # type: ignore[no-untyped-def]
        apart = np.asarray(sides.features).std(axis=1) - np.asarray(sides.others).std(axis=1).mean()
        return Estimate(float(apart.mean()), apart - apart.mean())

    metric = Metric(
        name="spread", meaning="m", direction="neither", given_by="extra", extra="wide", extractor="a:b",
        compute=compute, needs=("features", "reference"), version="3",
    )  # fmt: skip
    declare(monkeypatch, spread=metric)
    yield metric
    lookup._declared.cache_clear()


def test_a_metric_of_another_package_is_scored_where_it_is_asked_for(spread: Metric) -> None:
    sets = [
        replace(
            make_set(seed=seed), extra_names=("wide",), extras={"wide": np.full((200, 2), (0, seed), np.float32)},
            made_with={"": "own", "wide": "with the extractor"},
        )
        for seed in (1, 2)
    ]  # fmt: skip
    scores = list_scores(measure_set(*sets), Setting(generator="g", split="s"))
    row = scores.filter(metric="spread").row(0, named=True)
    assert row["value"] == pytest.approx(0.5 - 1)
    assert row["made_with"] == "with the extractor"
    assert "spread" not in measure_set(make_set(seed=1), make_set(seed=2)).estimates
    assert "spread" not in measure_alone(sets[0]).estimates
    assert (arrow_of("spread"), say_direction("spread"), is_lower_better("spread")) == ("", "", False)
    assert find_made_with({"": "own"}, "FD") == "own"
    assert (version_with(()), version_with(("wide",))) == (SCORE_VERSION, f"{SCORE_VERSION} spread 3")
    with pytest.raises(BadInput, match="Did you mean 'wide'"):
        find_extra("wid")
    assert "| spread | `wide` | features, reference | m |" in metrics_table()


def test_declarations_that_would_change_other_scores_are_refused(
    spread: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = {
        "given by an extra": replace(spread, given_by="protocol", extra=""),
        "metric 'FD' is there": replace(spread, name="FD"),
        "extra 'sFID'": replace(spread, extra="sFID"),
        "have a function": replace(spread, compute=None),
    }
    for said, metric in cases.items():
        declare(monkeypatch, other=metric)
        with pytest.raises(BadInput, match=said):
            lookup.find_metrics()
    declare(monkeypatch, one=spread, two=replace(spread, name="other", array="logits"))
    with pytest.raises(BadInput, match="different arrays"):
        find_extra("wide")


def test_a_protocol_of_ones_own_keeps_the_names() -> None:
    for protocol in PROTOCOLS.values():
        check_protocol(protocol)
    ours = Protocol(name="mine", fd_extractor="dinov2", fd_name="FD", kd_name="KD", extras=("neighbours",))
    check_protocol(ours)
    for said, changed in (
        ("expected FID or FD", replace(ours, fd_name="distance")),
        ("kept for Inception", replace(ours, kd_name="KID")),
        ("Did you mean 'neighbours'", replace(ours, extras=("neighbors",))),
    ):
        with pytest.raises(BadInput, match=said):
            check_protocol(changed)


def test_the_tables_of_the_docs_hold_every_declaration() -> None:
    table = metrics_table().splitlines()
    assert len(table) == 2 + len(METRICS)
    assert all(line.count(" | ") == 5 for line in table[2:])
    rows = protocols_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(PROTOCOLS)
    (adm,) = [row for row in rows if "`adm`" in row]
    assert adm.endswith("| MMHM, FID, csFID, IS, csIS, CLIP Score, KID, sFID |")
