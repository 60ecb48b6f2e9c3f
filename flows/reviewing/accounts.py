"""`relaionet review reviewers`: who may review, on the run's own server or on the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from relaionet.annotations.agreement.decisions import pseudonym
from relaionet.annotations.label_studio.accounts import add_account, invitation_link, list_accounts, remove_account
from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.server import find_studio
from relaionet.annotations.label_studio.server_settings import read_credentials
from relaionet.flows.reviewing.pull import review_salt
from relaionet.flows.reviewing.studio import KEY, URL
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput


@contextmanager
def open_running(root: Path) -> Iterator[StudioClient]:
    """The user's Label Studio, or the run's own where it is running; it is not started only to make an account.

    Raises:
        BadInput: neither is there, or the key is missing or wrong.
    """
    if os.environ.get(URL):
        key = os.environ.get(KEY)
        if not key:
            raise BadInput(f"{URL} is set but {KEY} is not. Take a key from Label Studio's account page and set it.")
        yield connect_studio(os.environ[URL], key)
        return
    folder = root / "studio"
    url = find_studio(folder) if folder.is_dir() else None
    if url is None:
        raise BadInput(
            f"no Label Studio of {root} is running; start it with `relaionet review serve --run {root}` in a second "
            f"terminal, or set {URL} and {KEY}."
        )
    yield connect_studio(url, read_credentials(folder)["token"])


def show_invitation(root: Path, *, renew: bool = False) -> None:
    """Print the link by which reviewers sign up themselves."""
    with open_running(root) as client:
        reporter = Reporter()
        reporter.say(invitation_link(client, renew=renew), reveal=True)
        reporter.say(
            "\nWhoever has this link can sign up and answer. A local server is reached from this machine only; "
            "`--renew` makes links given out before worthless."
        )


def add_reviewers(root: Path, emails: Sequence[str]) -> None:
    """Make accounts and print each one's password, once."""
    with open_running(root) as client:
        for email in emails:
            made = add_account(client, email)
            Reporter().say(f"{made.email}  {made.password}  (at {client.url}; shown once, kept nowhere)", reveal=True)


def show_reviewers(root: Path) -> None:
    """Print every account and the pseudonym it has in this review; for the owner's eyes, written nowhere."""
    with open_running(root) as client:
        salt = review_salt(root)
        for account in list_accounts(client):
            name = "(removed)" if account.is_removed else account.email
            Reporter().say(f"{pseudonym(account.id, account.email, salt):<20} {name}")


def remove_reviewers(root: Path, emails: Sequence[str]) -> None:
    """Take access away; answers stay."""
    with open_running(root) as client:
        for email in emails:
            account = remove_account(client, email)
            Reporter().say(f"{account.email} can no longer log in; what was answered stays.")
