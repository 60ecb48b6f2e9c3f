"""`relaionet lookup`: the addresses of pictures whose address nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from relaionet.flows.cli.options import FOLDER, LocalPath, download_options, on_option, start


@click.command()
@click.argument("release")
@click.option(
    "--in", "places", multiple=True, required=True, metavar="PLACE",
    help="Where to look: a folder of embeddings in clip-retrieval's layout (LAION's, or `relaionet embed`'s), the "
    "folder of a curated run, the address of a clip-retrieval service, or tables of metadata (parquet, CSV, JSON "
    "lines; files, folders, globs or addresses). May be given again.",
)  # fmt: skip
@click.option("--out", type=FOLDER, required=True, help="Folder of the lookup; run again to continue.")
@click.option(
    "--images", type=LocalPath(exists=True, file_okay=False),
    help="Folder that holds the release's pictures; needed to search embeddings. They are told by their bytes.",
)  # fmt: skip
@click.option(
    "--encoder", help="The encoder the embeddings were made with.  [default: the one they say they were made with]"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps; of the encoder.")
@click.option(
    "--near", type=click.IntRange(1, 1000), default=10, show_default=True,
    help="Nearest pictures fetched for each row, in each place.",
)  # fmt: skip
@click.option(
    "--captions", type=click.Choice(["any", "match"]),
    help="Of tables of metadata without embeddings fetch every row, or those whose caption names exactly one class.  "
    "[default: every row of up to 2,000,000]",
)  # fmt: skip
@click.option(
    "--rows-per-shard", type=click.IntRange(min=1), default=10_000, show_default=True,
    help="Rows, and addresses, between two points a stopped run goes on from; on a cluster a shard is a task.",
)  # fmt: skip
@click.option("--releases", type=FOLDER, help="Folder the new version is written to.  [default: beside RELEASE]")
@click.option("--retry", is_flag=True, help="Ask once more for addresses that were gone for a reason that may pass.")
@download_options
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Shards at work at once.")
@on_option()
@click.pass_context
def lookup(
    ctx: click.Context, release: str, places: tuple[str, ...], out: Path, images: Path | None, encoder: str | None,
    device: str, near: int, captions: Literal["any", "match"] | None, rows_per_shard: int,
    releases: Path | None, retry: bool, proxy: str | None, threads: int, timeout: float, workers: int, on: str,
) -> None:  # fmt: skip
    """Find out where the pictures of RELEASE are on the web, and write the version anyone can rebuild.

    RELEASE is a release of a set that has pictures and no addresses, as `relaionet adopt` makes one: its folder, or
    hf://datasets/owner/name. What lies near a picture in a PLACE is fetched, and its address counts only if it serves
    the very bytes or the same picture by the rebuild's own verdicts. Several addresses are kept, best first, with the
    evidence; what is not found stays, with its reason. Run the same command again to continue.

    \b
    relaionet lookup releases/mine-v1 --in laion400m/ --encoder ViT-B-32/openai --images set/ --out runs/lookup
    relaionet lookup releases/mine-v1 --in runs/curated --images set/ --out runs/lookup
    relaionet lookup releases/mine-v1 --in "laion/part-*.parquet" --captions match --out runs/lookup
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.lookup import run_lookup
    from relaionet.flows.lookups.order import LookupOrder
    from relaionet.pipeline.downloads.fetch import DownloadConfig
    from relaionet.pipeline.lookup.places import LookupConfig

    order = LookupOrder(
        release=release, places=places, out=out, images=images, encoder=encoder, device=device, releases=releases,
        config=LookupConfig(per_row_count=near, captions=captions, rows_per_shard=rows_per_shard), retry=retry,
        workers=workers, download=DownloadConfig(proxy=proxy, threads=threads, timeout_s=timeout),
    )  # fmt: skip
    run_lookup(order, on=on)
