"""`relaionet candidates`: what became of the rows and classes of a source."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import run_option, start


@click.command()
@run_option
@click.option(
    "--published", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Published counts to compare with, one `name<TAB>count` per line.  [default: the recipe's]",
)  # fmt: skip
@click.pass_context
def candidates(ctx: click.Context, run: Path, published: Path | None) -> None:
    """Report what became of a source's rows: by status and reason, and class by class.

    Writes candidates.html (one page that loads nothing) and candidates_by_class.csv and .parquet into the run's folder:
    how many captions name each class, how many were lost to what, what was chosen, which classes have none and why.
    `relaionet curate` writes them too; this writes them again, to compare with other published counts.
    """
    start(ctx)
    from relaionet.flows.candidates_report import report_run
    from relaionet.flows.stage import Run

    report_run(Run(root=run), published)
