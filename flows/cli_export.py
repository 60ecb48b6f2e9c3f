"""`relaionet export`: a split for other programs, and onto the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

import click

from relaionet.flows.cli_start import FOLDER, start


@click.command()
@click.argument("source", type=FOLDER, metavar="SPLIT")
@click.option("--out", type=FOLDER, help="Folder to write to; run again to continue.")
@click.option(
    "--form", type=click.Choice(["imagefolder", "webdataset", "parquet", "hf"]),
    help="imagefolder: folders by wnid; webdataset: tar shards; parquet (or hf): the images' bytes in parquet, what "
    "Hugging Face datasets and the Hub like best.  [default: imagefolder; with --push: parquet]",
)  # fmt: skip
@click.option(
    "--shard-mb", type=click.IntRange(1, 10_000), default=256, show_default=True, help="MiB per tar or parquet file."
)
@click.option(
    "--push", metavar="OWNER/NAME", help="Push to this dataset repository; needs HF_TOKEN. Position data is taken out."
)
@click.option(
    "--private/--public", default=None,
    help="Whether a repository that is made is private.  [default: private for images, public for a release]",
)  # fmt: skip
@click.option("--yes-i-may-share-these-images", "may_share", is_flag=True, help="You have the right to; see above.")
@click.pass_context
def export(
    ctx: click.Context,
    source: Path,
    out: Path | None,
    form: str | None,
    shard_mb: int,
    push: str | None,
    private: bool | None,
    may_share: bool,
) -> None:
    """Write a finished split for other programs; push it, or a release, to the Hugging Face Hub.

    SPLIT is what `relaionet rebuild` made. The bytes are those the servers sent, and label ids are class_index 0 to
    999 in every form. What is pushed has no position data in it. Images belong to those who published them: to push
    them, say that you may share them. A release (URLs, hashes, labels) can be pushed by anyone.

    \b
    relaionet export split --form webdataset --out shards
    relaionet export split --form hf --out hf        datasets.load_dataset("hf")
    relaionet export releases/relaionet-v1 --push me/relaionet
    relaionet export split --out hub --push me/relaionet-images --yes-i-may-share-these-images
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.export import run_export

    run_export(
        source, out, form=form, shard_bytes=shard_mb * 2**20, push=push, private=private, may_share=may_share
    )  # fmt: skip
