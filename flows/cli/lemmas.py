"""`relaionet lemmas`: a look at the words by which captions name classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relaionet.flows.cli.options import LocalPath, start
from relaionet.flows.runs.console import echo

if TYPE_CHECKING:
    from relaionet.pipeline.captions.lemma_match import Rule


@click.group()
def lemmas() -> None:
    """Words by which captions name classes: what a word means, and how our rule differs from LAIONet's."""


@lemmas.command("show")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
def lemmas_show(words: tuple[str, ...]) -> None:
    """Say which class WORD names, and whether it is trusted alone; for a wnid, list all words of the class.

    \b
    relaionet lemmas show crane "bow ties" jay
    relaionet lemmas show n02012849
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    from relaionet.flows.terminal.lemmas import describe_word

    for word in words:
        for line in describe_word(word):
            echo(line)


@lemmas.command("name")
@click.argument("captions", nargs=-1, required=True, metavar="CAPTION...")
@click.option(
    "--rule", type=click.Choice(["relaionet", "laionet"]), default="relaionet", show_default=True, help="Which rule."
)
@click.option("--laionet-table", is_flag=True, help="With --rule laionet: the wnids of LAIONet's own table.")
def lemmas_name(captions: tuple[str, ...], rule: Rule, laionet_table: bool) -> None:
    """Say which class each CAPTION names, by which words."""
    from relaionet.flows.terminal.lemmas import describe_captions

    for line in describe_captions(captions, rule, laionet_table=laionet_table):
        echo(line)


@lemmas.command("compare")
@click.argument("source")
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True, help="Rows read, at most.")
@click.option("--out", type=LocalPath(dir_okay=False), help="CSV of every caption that differs.")
@click.pass_context
def lemmas_compare(ctx: click.Context, source: str, rows: int, out: Path | None) -> None:
    """Match the captions of SOURCE by our rule and by LAIONet's, and count the differences by reason.

    SOURCE is what a recipe's source may be: a file, a folder, a glob or an address of metadata.
    """
    start(ctx)
    from relaionet.flows.terminal.lemmas import compare_source

    for line in compare_source(source, rows, out):
        echo(line)


@lemmas.command("check")
@click.argument("source")
@click.option("--encoder", required=True, help="Text encoder, as in a recipe's [text].")
@click.option("--rows", type=click.IntRange(1), default=100_000, show_default=True, help="Rows read, at most.")
@click.option(
    "--min-captions", type=click.IntRange(1), default=3, show_default=True, help="Captions of a word that is listed."
)
@click.pass_context
def lemmas_check(ctx: click.Context, source: str, encoder: str, rows: int, min_captions: int) -> None:
    """Measure whether the words left to the text are the right ones, on the captions of SOURCE.

    Compares every caption that has one word for one class with the text of that class, and lists the trusted words
    whose captions are least similar and the others whose captions are most: what to look at before editing
    pipeline/ambiguous_lemmas.tsv.
    """
    start(ctx)
    from relaionet.flows.terminal.lemmas import check_words
    from relaionet.pipeline.captions.text_encoders import load_text_encoder

    for line in check_words(source, rows, load_text_encoder(encoder), min_captions):
        echo(line)


@click.group()
def neighbours() -> None:
    """Candidates by nearest neighbours from a clip-retrieval service; see docs/guides/candidates.md."""


@neighbours.command("check")
@click.argument("url")
@click.option("--index", default="", help="Name of an index.  [default: the service's only one]")
@click.option("--text", default="a photo of a banana", show_default=True, help="What is searched for.")
@click.option("--encoder", help="Search by this encoder's vectors too, and say whether the index was made with it.")
@click.pass_context
def neighbours_check(ctx: click.Context, url: str, index: str, text: str, encoder: str | None) -> None:
    """Ask the service at URL for its indices and one search, and say what works and what is lacking."""
    start(ctx)
    from relaionet.flows.terminal.neighbour_service import check_service

    for line in check_service(url, index=index, text=text, encoder=encoder):
        echo(line)
