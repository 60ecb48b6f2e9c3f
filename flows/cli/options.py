"""What every command module shares: the options that recur, what is done before a command's work, commands by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from relaionet.flows.cli.errors import ErrorsAsText

FOLDER = click.Path(file_okay=False, path_type=Path)


def start(ctx: click.Context) -> None:
    """Prepare the process for a flow; called first in a command, so that `--help` needs none of it."""
    from relaionet.flows.runs.environment import prepare_environment

    prepare_environment(verbose=bool(ctx.find_root().params.get("verbose")))


def run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--run DIR`: the run a command is about."""
    return click.option("--run", type=FOLDER, default=Path("runs/demo"), show_default=True, help="Folder of the run.")(
        command
    )


def lazy_group(commands: Mapping[str, str]) -> type[ErrorsAsText]:
    """A group class whose commands live in modules of their own, read when they are asked for.

    Args:
        commands: name on the command line -> `module:attribute`.
    """

    class LazyGroup(ErrorsAsText):
        """A command group that reads its command modules when they are needed."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            """Names of all commands, sorted."""
            return sorted({*super().list_commands(ctx), *commands})

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            """The command of that name; None where there is none."""
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)
            module, _, attribute = commands[cmd_name].partition(":")
            found: click.Command = getattr(import_module(module), attribute)
            return found

    return LazyGroup
