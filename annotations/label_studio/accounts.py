"""Reviewers' accounts on a Label Studio: invited by link, signed up, listed, removed; the open edition mails nobody.

A removed reviewer can no longer log in; his answers stay, under the same pseudonym.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from relaionet.annotations.label_studio.client import StudioClient
from relaionet.manifests.errors import BadInput, Unavailable

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_GONE = "Deleted"


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account of a server.

    Attributes:
        id: Label Studio's.
        email: login.
        is_removed: it was removed and cannot log in.
    """

    id: int
    email: str
    is_removed: bool


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """An account that was just made.

    Attributes:
        email: login.
        password: made at random, known to nobody else and kept nowhere.
        token: its API token; a secret.
    """

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def invitation_link(client: StudioClient, *, renew: bool = False) -> str:
    """Address at which whoever has it can sign up.

    Args:
        client: of an administrator.
        renew: make the links given out before worthless.

    Raises:
        BadInput: this key may not invite.
    """
    invite = client.request("POST", "/api/invite/reset-token") if renew else client.request("GET", "/api/invite")
    return f"{client.url}/{str(invite['invite_url']).lstrip('/')}"


def list_accounts(client: StudioClient) -> list[Account]:
    """All accounts of the server, by id."""
    found = client.request("GET", "/api/users")
    accounts = [
        Account(id=int(user["id"]), email=str(user["email"]), is_removed=user["email"] == _GONE) for user in found
    ]  # fmt: skip
    return sorted(accounts, key=lambda account: account.id)


def add_account(client: StudioClient, email: str) -> NewAccount:
    """Make a reviewer's account, with a random password to hand to him.

    Args:
        client: of an administrator.
        email: login; nothing is sent there.

    Raises:
        BadInput: it is no address, there is such an account, or the server does not take it.
        Unavailable: the server does not answer.
    """
    if not _EMAIL.fullmatch(email):
        raise BadInput(f"'{email}' is no login; it looks like anna@example.org (nothing is sent there).")
    if any(account.email.lower() == email.lower() for account in list_accounts(client)):
        raise BadInput(f"{client.url} has an account {email} already; `relaionet review reviewers list` shows all.")
    password = secrets.token_urlsafe(12)
    return NewAccount(email=email, password=password, token=sign_up(client, email, password))


def sign_up(client: StudioClient, email: str, password: str) -> str:
    """Log in by a password, or sign up by the server's invitation link where there is no such account yet.

    Returns:
        The account's API token.

    Raises:
        BadInput: the server does not take the account.
        Unavailable: the server does not answer.
    """
    import httpx

    invitation = invitation_link(client).removeprefix(client.url)
    try:
        with httpx.Client(base_url=client.url, timeout=60, trust_env=False, headers={"Connection": "close"}) as http:
            for path in ("/user/login/", invitation):
                http.get(path)
                form = {
                    "email": email, "password": password, "allow_newsletters": "false",
                    "csrfmiddlewaretoken": http.cookies.get("csrftoken", ""),
                }  # fmt: skip
                http.post(path, data=form, headers={"Referer": client.url + path})
                token = http.get("/api/current-user/token")
                if token.status_code == 200:
                    return str(token.json()["token"])
    except httpx.HTTPError as error:
        raise Unavailable(f"{client.url} does not answer ({type(error).__name__}).") from None
    raise BadInput(
        f"{client.url} does not let {email} sign up by its invitation link. Make the account in Label Studio, or send "
        "the link of `relaionet review reviewers invite`."
    )


def remove_account(client: StudioClient, email: str) -> Account:
    """Take a reviewer's access away; what he answered stays.

    Args:
        client: of an administrator.
        email: his login.

    Raises:
        BadInput: there is no such account, it is this key's own, or this key may not remove it.
    """
    accounts = [account for account in list_accounts(client) if not account.is_removed]
    found = [account for account in accounts if account.email.lower() == email.lower()]
    if not found:
        known = ", ".join(account.email for account in accounts)
        raise BadInput(f"{client.url} has no account {email}; it has: {known}.")
    if found[0].id == int(client.request("GET", "/api/current-user/whoami")["id"]):
        raise BadInput(f"{email} is the account of this key; it cannot remove itself.")
    organization = int(client.request("GET", "/api/organizations/")[0]["id"])
    client.request("DELETE", f"/api/organizations/{organization}/memberships/{found[0].id}/")
    return found[0]
