"""What every command module shares: the options that recur, what is done before a command's work, commands by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from relaionet.flows.cli.errors import ErrorsAsText
from relaionet.manifests.places import local_path


class LocalPath(click.Path):
    """A folder or file of this machine; an address of another kind of place is refused by the registry of places.

    Args:
        options: those of `click.Path`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        named = param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name if param else ""
        return super().convert(local_path(value, named), param, ctx)


FOLDER = LocalPath(file_okay=False)


def start(ctx: click.Context) -> None:
    """Prepare the process for a flow; called first in a command, so that `--help` needs none of it."""
    from relaionet.flows.runs.environment import prepare_environment

    prepare_environment(verbose=bool(ctx.find_root().params.get("verbose")))


def run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--run DIR`: the run a command is about."""
    return click.option("--run", type=FOLDER, default=Path("runs/demo"), show_default=True, help="Folder of the run.")(
        command
    )


def on_option(what: str = "Where shards are worked on: threads (of this process)") -> Callable[..., Any]:
    """`--on WHERE`: this process, or a Ray cluster.

    Args:
        what: begins the help: what is done there, and what `threads` is.
    """
    return click.option(
        "--on", default="threads", show_default=True, metavar="WHERE",
        help=f"{what}, ray (a cluster of this machine alone) or ray://host:port.",
    )  # fmt: skip


def download_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--proxy`, `--threads` and `--timeout` of whatever fetches images."""
    for option in (
        click.option(
            "--timeout", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True,
            help="Seconds one image may take.",
        ),
        click.option(
            "--threads", type=click.IntRange(1, 512), default=32, show_default=True, help="Downloads at once."
        ),
        click.option("--proxy", help="HTTP proxy for the downloads, e.g. http://127.0.0.1:3128."),
    ):  # fmt: skip
        command = option(command)
    return command


class DeclaredChoice(click.Choice):
    """One of the names that are declared, here and by other packages; read when they are needed.

    Args:
        read_names: gives the names.
    """

    def __init__(self, read_names: Callable[[], Iterable[str]]) -> None:
        self.read_names = read_names
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names, as they are declared now."""
        return tuple(self.read_names())


class DeclaredOption(click.Option):
    """An option whose help says what is declared, read when the help is shown.

    Args:
        told: gives the words that stand for `{declared}` in the help.
    """

    def __init__(self, *args: Any, told: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told = told

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help."""
        record = super().get_help_record(ctx)
        return None if record is None else (record[0], record[1].replace("{declared}", self.told()))


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
