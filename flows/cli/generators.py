"""`relaionet generators`: what can be named in a recipe, where it comes from, and whether it is sound."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.errors import EXIT_BAD
from relaionet.flows.cli.options import LocalPath, start
from relaionet.flows.runs.console import echo

MARKS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


class GeneratorsGroup(click.Group):
    """A group whose help says which adapters there are, read when it is shown."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The adapters, below the commands."""
        from relaionet.evaluators.generators.registry import adapters_help

        with formatter.section("Adapters (type = … in a generator's TOML file)"):
            formatter.write_dl(adapters_help())


@click.group(cls=GeneratorsGroup)
def generators() -> None:
    """Look at the generators that can be named in a recipe."""


@generators.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that cannot be had, too.")
def list_command(everything: bool) -> None:
    """List the generators: built in, of the catalogue, and installed by other packages.

    Nothing is loaded. A recipe may also name a TOML file or package.module:factory.
    """
    from relaionet.flows.terminal.generators import list_lines

    for line in list_lines(everything=everything):
        echo(line)


@generators.command("show")
@click.argument("name")
@click.option("--toml", is_flag=True, help="Print its file, to start one of your own from.")
def show_command(name: str, toml: bool) -> None:
    """Show where a generator comes from, how it is reached and what to know of it."""
    from relaionet.flows.terminal.generators import show_lines

    for line in show_lines(name, toml=toml):
        echo(line)


@generators.command("script")
@click.option(
    "--folder",
    type=LocalPath(file_okay=False),
    default=Path(),
    show_default=True,
    help="Where to write it.",
)
def script_command(folder: Path) -> None:  # fmt: skip
    """Write a script around a model's own code, to start one of your own from.

    Two files: job.py, which reads what is asked for and writes images, and yours.py, which makes noise until you put
    the model in. They run in any environment with numpy and Pillow; a generator of type "command" calls them.
    """
    from relaionet.flows.terminal.generators import write_script

    for path in write_script(folder):
        echo(path)


@generators.command("convert")
@click.argument("name")
@click.argument("checkpoint", type=LocalPath())
@click.option("--out", type=LocalPath(dir_okay=False), required=True, help="safetensors file to write.")
@click.option("--tree", default="ema_params", show_default=True, help="Of the checkpoint: averaged or trained weights.")
@click.pass_context
def convert_command(ctx: click.Context, name: str, checkpoint: Path, out: Path, tree: str) -> None:
    """Convert a flax or orbax checkpoint of a generator's authors into the layout its backbone has here.

    NAME is of `generators list`, such as meanflow-b4, or a TOML file. CHECKPOINT is the folder that was in the zip, or
    one file of msgpack. Neither JAX nor flax is needed.
    """
    start(ctx)
    from relaionet.flows.terminal.generators import convert_lines

    for line in convert_lines(name, checkpoint, out, tree):
        echo(line)


@generators.command("check")
@click.argument("name")
@click.option("--steps", type=click.IntRange(0), help="Sampling steps.  [default: the fewest it takes]")
@click.option("--guidance", type=float, help="Guidance scale.  [default: its natural one]")
@click.option("--device", default="auto", show_default=True, help="torch device.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Of its factory; VALUE as in TOML.")
@click.option("--images", type=LocalPath(dir_okay=False), help="Write its four images here, as PNG.")
@click.pass_context
def check_command(
    ctx: click.Context, name: str, steps: int | None, guidance: float | None, device: str, options: tuple[str, ...],
    images: Path | None,
) -> None:  # fmt: skip
    """Try a generator on four requests, and say what it lacks.

    NAME is as in a recipe: a name of `generators list`, a TOML file, or package.module:factory. The requests are run
    in two batch sizes and two orders, and the bytes compared; other seeds and guidance must change them. Exits with 2
    where its scores could not be trusted.
    """
    start(ctx)
    from relaionet.evaluators.set_labels import count_steps
    from relaionet.flows.terminal.generators import read_options, try_generator

    trial = try_generator(name, steps=steps, guidance=guidance, device=device, options=read_options(options))
    echo(f"{trial.info.name} at {count_steps(trial.settings.steps)}, guidance {trial.settings.guidance:g}")
    for finding in trial.findings:
        echo(f"{MARKS[finding.verdict]} {finding.about:<14} {finding.found}")
        if finding.to_do:
            echo(f"{'':<22} -> {finding.to_do}")
    if images is not None and trial.images is not None:
        from relaionet.evaluators.generators.check import write_strip

        write_strip(trial.images, images)
        echo(f"images: {images}")
    if not trial.is_sound:
        ctx.exit(EXIT_BAD)
