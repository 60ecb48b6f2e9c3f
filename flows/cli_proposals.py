"""`relaionet proposals`: what a run proposes, and how far its probabilities are to be trusted."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import run_option, start


@click.command()
@run_option
@click.pass_context
def proposals(ctx: click.Context, run: Path) -> None:
    """Report a run's proposals: reliability, tiers, what is unclear and why, who looks at what.

    Writes proposals.html (one page that loads nothing) into the run's folder. `relaionet curate` writes it too; written
    again after a review it also shows how often proposals of each kind proved right, and what the control sample says
    of the rows that nobody looked at.
    """
    start(ctx)
    from relaionet.flows.proposals_report import report_proposals

    report_proposals(run)
