"""`relaionet rebuild`: the images of a release, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from relaionet.flows.cli.options import FOLDER, DeclaredChoice, DeclaredOption, LocalPath, download_options, start

if TYPE_CHECKING:
    from relaionet.flows.rebuilding import RebuildOrder, RebuildWork


def known_formats() -> list[str]:
    """Names and aliases of all export formats."""
    from relaionet.pipeline.exports.registry import format_names

    return format_names()


def known_formats_told() -> str:
    """All export formats in words."""
    from relaionet.pipeline.exports.registry import formats_help

    return formats_help()


@click.command()
@click.argument("release")
@click.option("--out", type=FOLDER, required=True, help="Folder of the split; run again to continue.")
@click.option(
    "--policy", type=click.Choice(["same_picture", "exact"]),
    help="Keep pictures whose bytes changed but which still show the same, or the manifest's bytes only. Can be "
    "changed later: nothing is fetched twice.  [default: same_picture, or that of the split in --out]",
)  # fmt: skip
@click.option(
    "--retry", type=click.Choice(["passing", "all"]), is_flag=False, flag_value="passing",
    help="Ask once more for rows that were gone: those whose reason may pass (a server that was down, a time-out), or "
    "with `--retry all` every one. Nothing else is fetched.",
)  # fmt: skip
@click.option(
    "--verify", is_flag=True, help="Read every byte of the pictures that are there; damaged ones are fetched again."
)
@click.option(
    "--images", type=LocalPath(exists=True, file_okay=False),
    help="Take the images from this folder instead of the web; files are told by their bytes, not by their names.",
)  # fmt: skip
@click.option(
    "--archive", metavar="[URL]", is_flag=False, flag_value="https://web.archive.org",
    help="Ask the Internet Archive for a copy, taken near the row's date, of what is gone or changed. It counts only "
    "if it shows the picture, by the same rules. URL: another archive that speaks its protocol.",
)  # fmt: skip
@click.option(
    "--withdrawn", type=LocalPath(exists=True),
    help="List of what is not to be in the split: a newer release, or a CSV file (kind,value,why). Such rows are not "
    "asked for and their pictures removed. Newer versions beside RELEASE count by themselves.",
)  # fmt: skip
@click.option(
    "--check", type=click.IntRange(1), metavar="[N]", is_flag=False, flag_value="500",
    help="Only say how much of the release is alive: N rows (500) drawn at random are asked for, none is kept; --out "
    "is a folder for what was found. Two checks or more make a core: `relaionet release core`.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the rows that --check draws.")
@click.option(
    "--encoder",
    help="Compare embeddings as well, where the release ships them: the encoder it names. Needs its weights.",
)
@click.option(
    "--format", "--form", "format", type=DeclaredChoice(known_formats),
    help="Write the finished split in this format too, as `relaionet export` does.",
)  # fmt: skip
@click.option(
    "--format-out", "--form-out", "format_out", type=FOLDER,
    help="Folder of that format.  [default: OUT-FORMAT, beside the split]",
)  # fmt: skip
@click.option(
    "--robots-txt", is_flag=True,
    help="Ask each site's robots.txt first and obey it. Headers that forbid a picture's use are always obeyed.",
)  # fmt: skip
@download_options
@click.pass_context
def rebuild(
    ctx: click.Context,
    release: str,
    out: Path,
    policy: str | None,
    retry: Literal["passing", "all"] | None,
    verify: bool,
    images: Path | None,
    archive: str | None,
    withdrawn: Path | None,
    check: int | None,
    seed: int,
    encoder: str | None,
    format: str | None,
    format_out: Path | None,
    robots_txt: bool,
    proxy: str | None,
    threads: int,
    timeout: float,
) -> None:
    """Get the images of a release back, and say for each row: exact, same picture, changed or gone.

    RELEASE is the folder of a release or of releases (the newest is taken), or hf://datasets/owner/name[@revision].
    Run the same command again after Ctrl-C, a crash or a lost network: it continues. Run it again when it is done: it
    fetches the pictures that are not there.

    \b
    relaionet rebuild releases/mine-v1 --out split
    relaionet rebuild releases/mine-v1 --out split --retry         a week later
    relaionet rebuild releases/mine-v1 --out split --policy exact  judged anew, nothing fetched
    relaionet rebuild releases/mine-v1 --out split --archive       what is gone, from the Internet Archive
    relaionet rebuild releases/mine-v1 --out now --check 500       how much of it is alive
    relaionet rebuild releases/mine-v1 --out split --format webdataset  tar shards in split-webdataset too
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    if format_out is not None and format is None:
        raise click.UsageError("--format-out is where --format writes to; say which format.")
    from relaionet.flows.rebuilding import RebuildOrder, rebuild_release
    from relaionet.pipeline.downloads.archive import ArchiveConfig
    from relaionet.pipeline.downloads.fetch import DownloadConfig

    order = RebuildOrder(
        release=release, out=out, policy=policy, retry=retry, verify=verify, images=images,
        download=DownloadConfig(proxy=proxy, threads=threads, timeout_s=timeout, robots_txt=robots_txt),
        encoder=encoder, format=format, format_out=format_out, withdrawn=withdrawn,
        archive=ArchiveConfig(base=archive) if archive is not None else None,
    )  # fmt: skip
    rebuild_release(order, fetch_in_flow) if check is None else check_sample(order, check, seed)


def check_sample(order: RebuildOrder, count: int, seed: int) -> None:
    """Say how much of a release is alive, from a sample."""
    if order.images or order.format or order.encoder or order.verify or order.policy:
        raise click.UsageError("--check looks at the web alone and writes no split; leave the other options out.")
    from relaionet.flows.checking import CheckConfig, run_check

    run_check(order, CheckConfig(count=count, seed=seed))


def fetch_in_flow(work: RebuildWork) -> dict[str, Any]:
    """Fetch as a flow; Prefect is loaded only where something is fetched."""
    from relaionet.flows.rebuild import fetch_in_flow as fetch

    return fetch(work)


@click.command()
@click.argument("source", type=FOLDER, metavar="SPLIT")
@click.option("--out", type=FOLDER, help="Folder to write to; run again to continue.")
@click.option(
    "--format", "--form", "format", type=DeclaredChoice(known_formats), cls=DeclaredOption, told=known_formats_told,
    help="{declared}.  [default: imagefolder; with --push: parquet]",
)  # fmt: skip
@click.option(
    "--shard-mb",
    type=click.IntRange(1, 10_000),
    help="MiB per tar or parquet file.  [default: 256, unless the format says another number]",
)
@click.option(
    "--push", metavar="OWNER/NAME", help="Push to this dataset repository; needs HF_TOKEN. Position data is taken out."
)
@click.option(
    "--private/--public", default=None,
    help="Whether a repository that is made is private.  [default: private for images, public for a release]",
)  # fmt: skip
@click.option(
    "--withdrawn", type=LocalPath(exists=True),
    help="List of what is to be left out and removed from SPLIT: a newer release, or a CSV file (kind,value,why).",
)  # fmt: skip
@click.option("--yes-i-may-share-these-images", "may_share", is_flag=True, help="You have the right to; see above.")
@click.pass_context
def export(
    ctx: click.Context,
    source: Path,
    out: Path | None,
    format: str | None,
    shard_mb: int | None,
    push: str | None,
    private: bool | None,
    withdrawn: Path | None,
    may_share: bool,
) -> None:
    """Write a finished split for other programs; push it, or a release, to the Hugging Face Hub.

    SPLIT is what `relaionet rebuild` made. The bytes are those the servers sent, and label ids are class_index 0 to
    999 in every format. What is pushed has no position data in it. Images belong to those who published them: to push
    them, say that you may share them. A release (URLs, hashes, labels) can be pushed by anyone.

    \b
    relaionet export split --format webdataset --out shards
    relaionet export split --format hf --out hf      datasets.load_dataset("hf")
    relaionet export releases/mine-v1 --push me/relaionet
    relaionet export split --out hub --push me/relaionet-images --yes-i-may-share-these-images
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.export import run_export

    shard_bytes = None if shard_mb is None else shard_mb * 2**20
    run_export(
        source, out, format=format, shard_bytes=shard_bytes, push=push, private=private, may_share=may_share,
        withdrawn=withdrawn,
    )  # fmt: skip
