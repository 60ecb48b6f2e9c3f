"""What is printed: every line a command writes to the terminal goes through here, whoever its words are from."""

from __future__ import annotations

from typing import Any

import click

from relaionet.manifests.escape import show_text, shown_json
from relaionet.manifests.urls import hide_secrets


def shown(text: str) -> str:
    """Lines as a terminal may be given them: no character does anything, no URL tells a password.

    Args:
        text: any; line feeds stay.
    """
    return show_text(hide_secrets(text), lines=True)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines.

    Args:
        text: any; line feeds stay.
        err: to standard error.
        nl: with a line end.
    """
    click.echo(shown(str(text)), err=err, nl=nl)


def echo_json(value: Any) -> None:
    """Print JSON for another program: every value is exact, what does not show is written as its code.

    Args:
        value: anything JSON has a form for.
    """
    click.echo(shown_json(value))
