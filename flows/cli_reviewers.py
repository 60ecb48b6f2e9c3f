"""`relaionet review reviewers`: accounts of those who answer."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import run_option, start


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
    from relaionet.flows.review_accounts import show_invitation

    show_invitation(run, renew=renew)


@reviewers.command("add")
@run_option
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_context
def reviewers_add(ctx: click.Context, run: Path, emails: tuple[str, ...]) -> None:
    """Make accounts, each with a random password that is shown once."""
    start(ctx)
    from relaionet.flows.review_accounts import add_reviewers

    add_reviewers(run, emails)


@reviewers.command("list")
@run_option
@click.pass_context
def reviewers_list(ctx: click.Context, run: Path) -> None:
    """Show every account and its pseudonym in this review."""
    start(ctx)
    from relaionet.flows.review_accounts import show_reviewers

    show_reviewers(run)


@reviewers.command("remove")
@run_option
@click.argument("emails", nargs=-1, required=True, metavar="EMAIL...")
@click.pass_context
def reviewers_remove(ctx: click.Context, run: Path, emails: tuple[str, ...]) -> None:
    """Take access away; what was answered stays, under the same pseudonym."""
    start(ctx)
    from relaionet.flows.review_accounts import remove_reviewers

    remove_reviewers(run, emails)
