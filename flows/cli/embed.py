"""`relaionet embed`: pictures into an embedding store; `relaionet encoders`: what can be named."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli.options import FOLDER, on_option, start
from relaionet.flows.runs.console import echo


@click.command()
@click.argument("source")
@click.option("--encoder", required=True, help="As in a recipe: ViT-B-32/laion2b_s34b_b79k, hf-hub:…, local-dir:…, …")
@click.option("--out", type=FOLDER, required=True, help="Folder of the store; run again to continue.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--precision", default="auto", show_default=True, help="auto, fp32, bf16, fp16.")
@click.option("--batch-size", type=click.IntRange(1), help="Pictures per forward pass.  [default: 16, on a GPU 256]")
@click.option("--threads", type=click.IntRange(1), help="Threads that decode.  [default: one per core]")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Shards at work at once.")
@click.option("--whole", is_flag=True, help="Decode every JPEG at its full size, however large; slower.")
@on_option()
@click.pass_context
def embed(
    ctx: click.Context, source: str, encoder: str, out: Path, device: str, precision: str, batch_size: int | None,
    threads: int | None, workers: int, whole: bool, on: str,
) -> None:  # fmt: skip
    """Embed the pictures of SOURCE: a folder of pictures, a tar file, a folder of tar files or a quoted glob.

    Tar files are WebDataset shards as img2dataset writes them; caption and URL are taken over from them. The store is
    in clip-retrieval's layout: clip_index, clip_back and embedding_reader read it, and so does a recipe's
    `[neighbours] folder`. What could not be decoded is in the table `embedded` with its reason.
    """
    start(ctx)
    from relaionet.flows.embed import make_recipe, run_embed

    recipe = make_recipe(
        source, encoder, device=device, precision=precision, batch_size=batch_size, threads=threads, workers=workers,
        whole=whole,
    )  # fmt: skip
    run_embed(recipe, out, on=on)


@click.group()
def encoders() -> None:
    """Look at the encoders that can be named in a recipe."""


@encoders.command("list")
@click.argument("word", default="")
@click.pass_context
def encoders_list(ctx: click.Context, word: str) -> None:
    """List the encoders open_clip knows, one name/tag a line; with WORD those that hold it (siglip2, mobileclip, …)."""
    start(ctx)
    from relaionet.pipeline.embeddings.encoders import BUILT_IN
    from relaionet.pipeline.embeddings.open_clip import list_open_clip

    names = [*BUILT_IN, *(f"{model}/{tag}" for model, tags in list_open_clip() for tag in tags)]
    for name in names:
        if word.lower() in name.lower():
            echo(name)


@encoders.command("show")
@click.argument("name")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.pass_context
def encoders_show(ctx: click.Context, name: str, device: str) -> None:
    """Load an encoder and say what it is: size of its rows and input, precision, fingerprint, softmax or sigmoid."""
    start(ctx)
    from relaionet.pipeline.embeddings.embed import input_side_px
    from relaionet.pipeline.embeddings.encoders import load_encoder, logit_bias_of, logit_scale_of

    encoder = load_encoder(name, device)
    bias = logit_bias_of(encoder)
    kind = "softmax" if bias is None else f"sigmoid, bias {bias:.3f}"
    for about, value in (
        ("name", encoder.name), ("fingerprint", encoder.fingerprint), ("row", f"{encoder.dim} numbers"),
        ("input", f"{input_side_px(encoder)} px"), ("logits", f"{kind}, scale {logit_scale_of(encoder):.2f}"),
        ("device", getattr(encoder, "device", "the encoder's own")),
        ("precision", getattr(encoder, "precision", "the encoder's own")),
    ):  # fmt: skip
        echo(f"{about:<12} {value}")
