"""`relaionet review`: proofread the proposals of a run in Label Studio."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.options import FOLDER, run_option, start


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
    """Start the run's own Label Studio on this machine and keep it running until Ctrl-C.

    It listens on 127.0.0.1 alone. Its password and token are made at random and shown once.
    """
    start(ctx)
    from relaionet.flows.reviewing.studio_server import serve_studio

    serve_studio(run, port)


@review.command("stop")
@run_option
@click.pass_context
def review_stop(ctx: click.Context, run: Path) -> None:
    """Stop the run's own Label Studio, wherever it was started."""
    start(ctx)
    from relaionet.flows.reviewing.studio_server import stop_server

    stop_server(run)


@review.command("upgrade")
@run_option
@click.pass_context
def review_upgrade(ctx: click.Context, run: Path) -> None:
    """Bring the run's own Label Studio to the pinned version, its database saved before.

    `serve` does the same when it meets an older database; a newer one is refused.
    """
    start(ctx)
    from relaionet.flows.reviewing.studio_server import upgrade_studio

    upgrade_studio(run)


@review.command("install")
@click.pass_context
def review_install(ctx: click.Context) -> None:
    """Install Label Studio into an environment of its own (one to two minutes; done by `serve` when needed)."""
    start(ctx)
    from relaionet.flows.reviewing.studio_server import install_local_studio

    install_local_studio()


@review.command("push")
@run_option
@click.option("--again", is_flag=True, help="First make a further round of the pictures that are undecided.")
@click.option(
    "--budget",
    type=click.IntRange(1),
    metavar="N",
    help="With --again: ask for N answers at most, where they are most likely to settle a picture.",
)
@click.option(
    "--pictures",
    metavar="PLACE",
    help="Where the server takes pictures from: auto, local, upload, or the address they were put under (s3://, gs://, "
    "azure-blob://, https://).  [default: the recipe's `pictures`]",
)
@click.option("--restore-page", is_flag=True, help="Put back the page of projects whose labelling config was changed.")
@click.pass_context
def review_push(
    ctx: click.Context, run: Path, again: bool, budget: int | None, pictures: str | None, restore_page: bool
) -> None:
    """Push the run's tasks; what is there already is not pushed again."""
    if budget is not None and not again:
        raise click.UsageError("--budget is for a further round; say --again too.")
    start(ctx)
    from relaionet.flows.reviewing.push import run_push

    run_push(run, again=again, budget=budget, pictures=pictures, restore_page=restore_page)


@review.command("pictures")
@run_option
@click.option("--to", "folder", type=FOLDER, required=True, help="Where to; made when missing.")
@click.pass_context
def review_pictures(ctx: click.Context, run: Path, folder: Path) -> None:
    """Write the pictures as reviewers see them, to be copied to a bucket or a web server (`push --pictures`)."""
    start(ctx)
    from relaionet.flows.reviewing.pictures import write_pictures

    write_pictures(run, folder)


@review.command("pull")
@run_option
@click.option("--release/--no-release", default=False, help="Release the accepted rows afterwards.")
@click.option(
    "--vectors", is_flag=True, help="Ship the pictures' embeddings with the release, to compare at a rebuild."
)
@click.option("--full", is_flag=True, help="Read every answer again, not only what changed since the last pull.")
@click.pass_context
def review_pull(ctx: click.Context, run: Path, release: bool, vectors: bool, full: bool) -> None:
    """Pull every answer, settle the votes, and say what is left to review."""
    start(ctx)
    from relaionet.flows.runs.environment import server_address

    if server_address() is None:  # no flow, where nobody sees it
        from relaionet.flows.runs.run import Run
        from relaionet.flows.terminal.review_pull import open_review, pull_review

        with open_review(Run(root=run), full=full) as work:
            pull_review(work, release=release, vectors=vectors)
        return
    from relaionet.flows.review import run_review

    run_review(run, release=release, vectors=vectors, full=full)


@review.command("status")
@run_option
@click.option("--report/--no-report", default=True, show_default=True, help="Write DIR/review.html.")
@click.pass_context
def review_status(ctx: click.Context, run: Path, report: bool) -> None:
    """Show progress, agreement, reviewers and what is left; write the page `review.html`.

    Pulls first where a server is set up or running, and starts none: without one it shows what was pulled before.
    """
    start(ctx)
    from relaionet.flows.terminal.review_status import show_status

    show_status(run, report=report)


@click.group()
def reviewers() -> None:
    """Invite, add, list and remove reviewers.

    Works on the server at LABEL_STUDIO_URL, under an administrator's LABEL_STUDIO_API_KEY, or on the run's own while
    `relaionet review serve` is running. Nobody is sent an e-mail.
    """


@reviewers.command("invite")
@run_option
@click.option("--renew", is_flag=True, help="Make links given out before worthless.")
@click.pass_context
def reviewers_invite(ctx: click.Context, run: Path, renew: bool) -> None:
    """Print the link by which reviewers sign up themselves."""
    start(ctx)
    from relaionet.flows.reviewing.accounts import show_invitation

    show_invitation(run, renew=renew)


@reviewers.command("add")
@run_option
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_context
def reviewers_add(ctx: click.Context, run: Path, emails: tuple[str, ...]) -> None:
    """Make accounts, each with a random password that is shown once."""
    start(ctx)
    from relaionet.flows.reviewing.accounts import add_reviewers

    add_reviewers(run, emails)


@reviewers.command("list")
@run_option
@click.pass_context
def reviewers_list(ctx: click.Context, run: Path) -> None:
    """Show every account and its pseudonym in this review."""
    start(ctx)
    from relaionet.flows.reviewing.accounts import show_reviewers

    show_reviewers(run)


@reviewers.command("remove")
@run_option
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_context
def reviewers_remove(ctx: click.Context, run: Path, emails: tuple[str, ...]) -> None:
    """Take access away; what was answered stays, under the same pseudonym."""
    start(ctx)
    from relaionet.flows.reviewing.accounts import remove_reviewers

    remove_reviewers(run, emails)


review.add_command(reviewers)
