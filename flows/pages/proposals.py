"""The page about a run's proposals: do the probabilities come true, what rests on what, what is unclear, who looks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.flows.curation.calibration import load_calibration, say_unfitted
from relaionet.flows.pages.charts.reliability import draw_reliability
from relaionet.flows.pages.frame import count_card
from relaionet.flows.pages.thumbnails import embed_bytes, show_stored
from relaionet.flows.pages.write import write_page
from relaionet.flows.runs.run import Run
from relaionet.manifests.class_groups import groups_by_wnid
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, PROPOSALS, ROUTED, VERDICTS, alive
from relaionet.manifests.words import format_count, say_count
from relaionet.pipeline.proposals.calibration import Calibration
from relaionet.pipeline.proposals.reliability import Reliability, measure_reliability
from relaionet.pipeline.proposals.review_budget import RouteConfig, describe_routing, describe_sample

PAGE = "proposals.html"
SHOWN = 24
SIDE_PX = 144
FEWEST_JUDGED = 20
TIERS: Mapping[str, str] = {
    "agree": "picture and caption name the same class, or group",
    "picture": "the picture's class, the caption names none",
    "caption": "the caption's class, which the picture alone would not have put first",
    "disagree": "the picture's class, against what the caption names",
    "unclear": "no class is probable enough; no proposal",
}


def report_proposals(root: Path) -> Path:
    """Write the page about a run that was curated; after a review it also says how often proposals proved right.

    Raises:
        BadInput: the run has no proposals yet.
    """
    from relaionet.flows.curation.recipe import read_run_recipe

    run, recipe = Run(root=root), read_run_recipe(root)
    if not run.store.shards(PROPOSALS):
        raise BadInput(f"{root} has no proposals; run `relaionet curate` to its end first.")
    page = write_proposals_report(run, recipe.name, recipe.overlap, recipe.route)
    run.reporter.say(f"Report: {page}")
    return page


def write_proposals_report(run: Run, title: str, overlap: int, route: RouteConfig) -> Path:
    """Write `proposals.html` into the run's folder.

    Args:
        run: a run with review tasks.
        title: its name.
        overlap: independent answers asked for per task.
        route: what answers are spent on.

    Raises:
        BadInput: the proposals were made by an earlier version.
    """
    context = make_context(run, title, overlap, route)
    return write_page(run.root / PAGE, "proposals.html", **context)


def make_context(run: Run, title: str, overlap: int, route: RouteConfig) -> dict[str, Any]:
    """What the page shows."""
    proposals, found = run.store.read_all(PROPOSALS), load_calibration(run)
    if proposals["tier"].null_count():
        raise BadInput(f"{run.root}: its proposals were made by an earlier version; run `relaionet curate` again.")
    judged = join_verdicts(run, proposals)
    routed = run.store.read_all(ROUTED)
    return {
        "title": title,
        "cards": _cards(proposals, routed, judged),
        "calibration": describe(found),
        "plots": draw_plots(found, judged),
        "tiers": count_tiers(proposals, judged),
        "reasons": proposals.filter(status="unclear")["reason"].value_counts(sort=True).to_dicts(),
        "unclear_count": proposals.filter(status="unclear").height,
        "routing": describe_route(routed, judged, overlap, route),
        "classes": count_by_class(proposals, found),
        "groups": count_groups(proposals),
        "doubtful": show_doubtful(run, proposals, routed),
    }


def join_verdicts(run: Run, proposals: pl.DataFrame) -> pl.DataFrame:
    """Proposals that a review has settled.

    Returns:
        PROPOSALS with shows_class (the reviewers settled on one class) and is_right (on the one proposed).
    """
    verdicts = run.store.read_all(VERDICTS).filter(pl.col("status").is_in(["accept", "reject"]))
    settled = verdicts.select("candidate_id", verdict="wnid", shows_class=pl.col("status") == "accept")
    joined = proposals.filter(status="ok").join(settled, on="candidate_id", maintain_order="left")
    return joined.with_columns(is_right=(pl.col("wnid") == pl.col("verdict")).fill_null(value=False))


def _cards(proposals: pl.DataFrame, routed: pl.DataFrame, judged: pl.DataFrame) -> list[tuple[str, str, str]]:
    counts = dict(proposals["status"].value_counts().iter_rows())
    agree, answers = proposals.filter(tier="agree").height, int(routed["answers_wanted_count"].sum())
    shown = [
        count_card(proposals.height, "picture"),
        (format_count(counts.get("ok", 0)), "with a proposal", f"{agree / max(proposals.height, 1):.0%} of all agree"),
        (format_count(counts.get("unclear", 0)), "unclear", ""),
        count_card(answers, "answer asked for", "answers asked for", f"{say_count(routed.height, 'row')} routed"),
    ]
    if judged.height:
        right = judged.filter("is_right").height / judged.height
        shown.append((f"{right:.1%}", "of settled proposals confirmed", f"{judged.height:,} settled"))
    return shown


def describe(found: Calibration) -> dict[str, Any]:
    """The calibration in words and numbers."""
    sources = ", ".join(f"{name} ({count:,})" for name, count in found.sources.items()) or "nothing"
    errors = [
        (words, found.captions_count.get(words, 0), found.caption_errors[words])
        for words in found.caption_errors
    ]  # fmt: skip
    return {
        "basis": {
            "labelled": "labelled pictures", "captions": "captions", "review": "what this review settled",
            "encoder": "",
        }[found.basis],
        "unfitted": "" if found.is_fitted else say_unfitted(found),
        "assumption": found.assumption, "sources": sources, "examples": found.examples_count, "found": found,
        "errors": errors, "after": found.reliability, "before": found.reliability_before,
    }  # fmt: skip


def draw_plots(found: Calibration, judged: pl.DataFrame) -> list[dict[str, str]]:
    """Reliability diagrams as data URIs: of labelled pictures, and of what reviewers settled."""
    panels: dict[str, Reliability] = {}
    if found.reliability_before is not None and found.reliability is not None:
        panels["the encoder's own"] = found.reliability_before
        panels["calibrated, pictures not fitted on"] = found.reliability
    # a probability is that of a class, given that one is shown; what was fitted on these answers says nothing by them
    of_a_class = judged.filter("shows_class").drop_nulls("label_score")
    if found.basis == "review":
        of_a_class = of_a_class.clear()
    if of_a_class.height >= FEWEST_JUDGED:
        scores, right = of_a_class["label_score"].to_numpy().clip(0, 1), of_a_class["is_right"].to_numpy()
        panels["with the caption, by the reviewers"] = measure_reliability(scores, right)
    if not panels:
        return []
    uri = embed_bytes(draw_reliability(panels), "svg+xml")
    return [{"uri": uri, "alt": "Reliability: " + "; ".join(f"{name}: error {one.ece:.3f}"
                                                           for name, one in panels.items())}]  # fmt: skip


def count_tiers(proposals: pl.DataFrame, judged: pl.DataFrame) -> list[dict[str, Any]]:
    """Per tier: rows, share, mean probability, and what a review made of it."""
    rows = []
    for tier, meaning in TIERS.items():
        part, settled = proposals.filter(tier=tier), judged.filter(tier=tier)
        is_told = tier != "unclear" and part.height > 0 and not part["label_score"].has_nulls()
        rows.append({
            "tier": tier, "meaning": meaning, "count": part.height, "share": part.height / max(proposals.height, 1),
            "mean": part["label_score"].mean() if part.height else None,
            "wrong": float((1 - part["label_score"]).sum()) if is_told else None,
            "settled": settled.height, "confirmed": settled["is_right"].mean() if settled.height else None,
            "right": settled.filter("shows_class")["is_right"].mean() if settled["shows_class"].any() else None,
        })  # fmt: skip
    return rows


def describe_route(routed: pl.DataFrame, judged: pl.DataFrame, overlap: int, route: RouteConfig) -> dict[str, Any]:
    """Answers asked for by tier, and what the control sample says, before or after it was looked at."""
    by_tier = (
        routed.group_by("tier").agg(
            pl.len().alias("rows"), pl.col("answers_wanted_count").sum().alias("answers"),
            *((pl.col("status") == status).sum().alias(status) for status in ROUTED.statuses),
        ).sort("rows", descending=True)
    )  # fmt: skip
    lines = describe_routing(routed, overlap, route)
    sample, unsampled = routed.filter("is_sample"), routed.filter(status="not_sampled").height
    looked = judged.join(sample.select("candidate_id"), on="candidate_id", how="semi")
    if unsampled and looked.height:
        wrong = looked.filter(~pl.col("is_right")).height
        lines.append("settled so far, " + describe_sample(looked.height, unsampled, wrong, route))
    saves = bool(lines)
    return {"by_tier": by_tier.to_dicts(), "lines": lines, "overlap": overlap, "saves": saves}


def count_by_class(proposals: pl.DataFrame, found: Calibration) -> list[dict[str, Any]]:
    """Proposals of every class that has some, by tier."""
    tiers = [tier for tier in TIERS if tier != "unclear"]
    counted = (
        proposals.filter(status="ok").group_by("wnid").agg(
            pl.len().alias("count"), pl.col("label_score").mean().alias("mean"),
            *((pl.col("tier") == tier).sum().alias(tier) for tier in tiers),
        ).sort("count", "wnid", descending=[True, False])
    )  # fmt: skip
    rows = []
    for row in counted.to_dicts():
        group = groups_by_wnid().get(row["wnid"])
        rows.append(row | {
            "name": labels_by_wnid()[row["wnid"]].name,
            "least": found.least_score(row["wnid"]) if found.is_fitted else None,
            "group": "" if group is None else group.name,
        })  # fmt: skip
    return rows


def count_groups(proposals: pl.DataFrame) -> list[dict[str, Any]]:
    """Groups of classes that a picture cannot tell apart, where something was proposed in them."""
    counted = proposals.filter(pl.col("class_group").is_not_null() & (pl.col("status") == "ok"))
    counts = dict(counted["class_group"].value_counts().iter_rows())
    groups = {group.name: group for group in groups_by_wnid().values() if group.name in counts}
    return [
        {"name": name.replace("_", " "), "count": counts[name], "reason": group.reason,
         "members": ", ".join(labels_by_wnid()[wnid].name for wnid in group.wnids)}
        for name, group in sorted(groups.items(), key=lambda item: (-counts[item[0]], item[0]))
    ]  # fmt: skip


def show_doubtful(run: Run, proposals: pl.DataFrame, routed: pl.DataFrame) -> list[dict[str, Any]]:
    """The proposals whose first answer tells most, then unclear pictures, with thumbnails."""
    order = routed.sort("place").select("candidate_id").head(SHOWN // 2)
    asked = order.join(proposals, on="candidate_id", maintain_order="left")
    unclear = proposals.filter(status="unclear").sort("label_score", "candidate_id", descending=[True, False])
    chosen = pl.concat([asked, unclear.head(SHOWN - asked.height)])
    for table, columns in ((DOWNLOADS, ["path"]), (CANDIDATES, ["caption"])):
        about = alive(run.store.read_all(table)).select("candidate_id", *columns)
        chosen = chosen.join(about, on="candidate_id", how="left", maintain_order="left")
    shown = []
    for row in chosen.to_dicts():
        tops = [
            (labels_by_wnid()[wnid].name, score)
            for wnid, score in list(zip_longest(row["top_wnids"], row["top_scores"] or []))[:3]
        ]
        shown.append({
            "uri": show_stored(run.images, row["path"], SIDE_PX), "id": row["candidate_id"][:12],
            "caption": row["caption"],
            "says": [labels_by_wnid()[wnid].name for wnid in row["caption_wnids"]], "tops": tops, "tier": row["tier"],
            "proposed": labels_by_wnid()[row["wnid"]].name if row["wnid"] else None, "score": row["label_score"],
            "reason": row["reason"],
        })  # fmt: skip
    return shown
