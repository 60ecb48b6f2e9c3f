"""`relaionet demo`: what happened on the miniature, and what to open."""

from __future__ import annotations

from typing import Any

import polars as pl

from relaionet.flows.runs.run import Run
from relaionet.manifests.words import say_count


def say_summary(run: Run, summary: dict[str, Any], seconds: float) -> None:
    """What happened and what to open, in a few lines."""
    run.reporter.headline(f"Done in {seconds:.0f} s")
    run.reporter.say(
        f"  {say_count(summary['released'], 'row')} released: precision {summary['precision']:.3f}, recall "
        f"{summary['recall']:.3f} against the truth of the synthetic world.",
        f"  {say_count(summary['split']['kept_count'], 'image')} rebuilt from it, "
        f"{say_count(summary['scored_sets'], 'set')} scored.",
        f"\nOpen    {run.root / 'index.html'}, {run.root / 'report.html'}",
        f"Numbers {run.root / 'summary.json'}, {run.root / 'scores.parquet'}",
        f"A row   relaionet trace {first_released(run)} --run {run.root}",
    )


def first_released(run: Run) -> str:
    """The start of a released row's id, to try `trace` on."""
    return str(pl.read_parquet(run.root / "release" / "manifest.parquet")["candidate_id"][0])[:12]
