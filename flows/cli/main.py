"""The command line: thin wrappers that read options, call a flow, and turn errors into one readable line."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from relaionet.flows.cli.errors import EXIT_BAD
from relaionet.flows.cli.options import FOLDER, LocalPath, lazy_group, start
from relaionet.flows.runs.console import echo

# name -> module:command; a command of its own goes into a module of its own, read when it is asked for
COMMANDS = {
    "adopt": "relaionet.flows.cli.release:adopt",
    "candidates": "relaionet.flows.cli.curate:candidates",
    "compare": "relaionet.flows.cli.evaluate:compare",
    "curate": "relaionet.flows.cli.curate:curate",
    "embed": "relaionet.flows.cli.embed:embed",
    "encoders": "relaionet.flows.cli.embed:encoders",
    "evaluate": "relaionet.flows.cli.evaluate:evaluate",
    "export": "relaionet.flows.cli.rebuild:export",
    "generators": "relaionet.flows.cli.generators:generators",
    "index": "relaionet.flows.cli.search:index",
    "lemmas": "relaionet.flows.cli.lemmas:lemmas",
    "lookup": "relaionet.flows.cli.lookup:lookup",
    "metrics": "relaionet.flows.cli.metrics:metrics",
    "neighbours": "relaionet.flows.cli.lemmas:neighbours",
    "proposals": "relaionet.flows.cli.curate:proposals",
    "rebuild": "relaionet.flows.cli.rebuild:rebuild",
    "reference": "relaionet.flows.cli.curate:reference",
    "release": "relaionet.flows.cli.release:release",
    "report": "relaionet.flows.cli.evaluate:report",
    "review": "relaionet.flows.cli.review:review",
    "search": "relaionet.flows.cli.search:search",
    "source": "relaionet.flows.cli.curate:source",
    "statistics": "relaionet.flows.cli.metrics:statistics",
}


@click.group(
    cls=lazy_group(COMMANDS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(metadata.version("relaionet"), prog_name="relaionet")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--verbose", is_flag=True, help="Show Prefect's own log.")
def main(debug: bool, verbose: bool) -> None:
    """Rebuild, proofread and use reLAIONet: an out-of-distribution image set aligned to ImageNet's labels.

    \b
    See it all happen on a small synthetic set, offline: relaionet demo --out runs/demo
    Write a recipe to start from:                        relaionet init curate my.toml
    Get the images of a release back:                    relaionet rebuild RELEASE --out split
    Proofread labels in Label Studio:                    relaionet review serve --run RUN
    Score generators on a split:                         relaionet evaluate --recipe FILE --out DIR
    Put evaluations side by side:                        relaionet report DIR DIR --out DIR
    Look for what is missing on this machine:            relaionet doctor
    """  # noqa: D301  (\b keeps click from wrapping the lines)


@main.command()
@click.option("--out", type=FOLDER, default=Path("runs/demo"), show_default=True, help="Folder of the run.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed is another world.")
@click.pass_context
def demo(ctx: click.Context, out: Path, seed: int) -> None:
    """Run the whole job on the built-in miniature: rows in, a proofread release out, generators scored.

    Starts Label Studio itself and lets simulated reviewers answer through its API. Running it again into the same
    folder does no work over. Numbers it prints are about the miniature, never about reLAIONet.
    """
    start(ctx)
    from relaionet.flows.demo import run_demo

    run_demo(out, seed=seed)


@main.command()
@click.argument("kind", type=click.Choice(["curate", "evaluate"]))
@click.argument("file", type=LocalPath(dir_okay=False))
def init(kind: Any, file: Path) -> None:
    """Write a recipe to FILE with every key, its meaning and its default, to be filled in.

    \b
    relaionet init curate my.toml
    relaionet init evaluate my-evaluation.toml
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    from relaionet.flows.drafts.draft import draft_recipe

    draft_recipe(file, kind)
    echo(f"{file}: fill in what is not a comment, then run `relaionet {kind} --recipe {file} --out DIR`.")


@main.command()
@click.argument("candidate_id")
@click.option(
    "--run", type=FOLDER,
    help="Folder of a run, a release, a split or an evaluation.  [default: every one in runs/ and here]",
)  # fmt: skip
@click.option("--open", "open_page", is_flag=True, help="Write a page with the row's pictures side by side; open it.")
@click.option(
    "--page", type=LocalPath(dir_okay=False), help="Where that page is written.  [default: trace-ID.html here]"
)
def trace(candidate_id: str, run: Path | None, open_page: bool, page: Path | None) -> None:
    """Print a row's whole life: CANDIDATE_ID is an id, the start of one, or the row's URL."""
    from relaionet.flows.terminal.trace import show_trace

    show_trace(candidate_id, run, page=page, open_page=open_page)


@main.command()
@click.option("--out", type=FOLDER, default=Path("runs"), show_default=True, help="Folder runs would be written to.")
@click.pass_context
def doctor(ctx: click.Context, out: Path) -> None:
    """Say what is installed, what is missing and what to do; exits with 2 where something will fail."""
    start(ctx)
    from relaionet.flows.terminal.doctor import check_installation

    marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    findings = check_installation(out)
    for finding in findings:
        echo(f"{marks[finding.state]} {finding.about:<22} {finding.found}")
        if finding.to_do:
            echo(f"{'':<30} -> {finding.to_do}")
    if any(finding.state == "problem" for finding in findings):
        ctx.exit(EXIT_BAD)


@main.group()
def miniature() -> None:
    """The built-in sample world."""


@miniature.command("serve")
@click.option("--world", type=FOLDER, default=Path("runs/demo/world"), show_default=True, help="Folder of the world.")
@click.option("--later", is_flag=True, help="Serve it as it is some months later: links gone, pictures changed.")
def miniature_serve(world: Path, later: bool) -> None:
    """Serve the miniature's pictures as an HTTP proxy on this machine until Ctrl-C.

    With it running, `relaionet rebuild runs/demo/release --out DIR --proxy ADDRESS` fetches them.
    """
    from relaionet.flows.demo import serve_miniature

    serve_miniature(world, later=later)


if __name__ == "__main__":
    if sys.platform == "win32":
        os.environ.setdefault("PYTHONUTF8", "1")
    main()
