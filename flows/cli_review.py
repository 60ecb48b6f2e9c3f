"""`relaionet review`: proofread the proposals of a run in Label Studio."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import run_option, start


@click.group()
def review() -> None:
    """Proofread the proposals of a run in Label Studio.

    Uses the server at LABEL_STUDIO_URL with LABEL_STUDIO_API_KEY where these are set, else the run's own local server
    (started by `relaionet review serve`).
    """


@review.command("serve")
@run_option
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: a free one]")
@click.pass_context
def review_serve(ctx: click.Context, run: Path, port: int | None) -> None:
    """Start the run's own Label Studio on this machine and keep it running until Ctrl-C."""
    start(ctx)
    from relaionet.flows.review import serve_studio

    serve_studio(run, port)


@review.command("install")
@click.pass_context
def review_install(ctx: click.Context) -> None:
    """Install Label Studio into an environment of its own (about a minute; done by `serve` when needed)."""
    start(ctx)
    from relaionet.flows.review import install_local_studio

    install_local_studio()


@review.command("push")
@run_option
@click.option("--again", is_flag=True, help="First make a further round of the pictures that are undecided.")
@click.pass_context
def review_push(ctx: click.Context, run: Path, again: bool) -> None:
    """Push the run's tasks; what is there already is not pushed again."""
    start(ctx)
    from relaionet.flows.review import run_push

    run_push(run, again=again)


@review.command("pull")
@run_option
@click.option("--release/--no-release", default=False, help="Release the accepted rows afterwards.")
@click.option(
    "--vectors", is_flag=True, help="Ship the pictures' embeddings with the release, to compare at a rebuild."
)
@click.pass_context
def review_pull(ctx: click.Context, run: Path, release: bool, vectors: bool) -> None:
    """Pull every answer, settle the votes, and say what is left to review."""
    start(ctx)
    from relaionet.flows.review import run_review

    run_review(run, release=release, vectors=vectors)


@review.command("status")
@run_option
@click.pass_context
def review_status(ctx: click.Context, run: Path) -> None:
    """Show progress, agreement, reviewers and what is left."""
    start(ctx)
    from relaionet.flows.review import show_status

    show_status(run)
