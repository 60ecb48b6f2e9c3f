"""Every command of the command line with its help text, and whether a command line could be run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from relaionet.flows.cli.main import main

WIDTH = 100


def commands(command: click.Command = main, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for every command, the groups before what is in them."""
    name = (command.name or "") if parent else "relaionet"
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH,
        help_option_names=["-h", "--help"], resilient_parsing=True,
    )  # fmt: skip
    yield context
    if isinstance(command, click.Group):
        for one in command.list_commands(context):
            if found := command.get_command(context, one):
                yield from commands(found, context)


def help_text(context: click.Context) -> str:
    """What `--help` prints."""
    return "\n".join(line.rstrip() for line in context.command.get_help(context).splitlines())


def render_commands() -> str:
    """All commands as Markdown, their help texts as they are printed."""
    return "\n\n".join(f"## `{context.command_path}`\n\n```text\n{help_text(context)}\n```" for context in commands())


def parse(words: Sequence[str]) -> str | None:
    """Try a command line without running it.

    Args:
        words: what stands behind `relaionet`.

    Returns:
        What is wrong with it; None where nothing is.
    """
    command: click.Command = main
    context = click.Context(main, info_name="relaionet")
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        name = rest.pop(0)
        if name.startswith("-"):
            if not any(name in parameter.opts for parameter in command.get_params(context)):
                return f"{context.command_path} has no option {name}"
            continue
        found = command.get_command(context, name)
        if found is None:
            return f"{context.command_path} has no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    if isinstance(command, click.Group):
        return None
    try:
        _, extra, _ = command.make_parser(context).parse_args(rest)
    except click.UsageError as error:
        return f"{context.command_path}: {error.format_message()}"
    return f"{context.command_path} takes no {extra[0]}" if extra else None
