"""`relaionet rebuild`: the images of a release, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from relaionet.flows.cli.options import FOLDER, start


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
    "--images", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the images from this folder instead of the web; files are told by their bytes, not by their names.",
)  # fmt: skip
@click.option(
    "--encoder",
    help="Compare embeddings as well, where the release ships them: the encoder it names. Needs its weights.",
)
@click.option(
    "--form", type=click.Choice(["imagefolder", "webdataset", "parquet", "hf"]),
    help="Write the finished split in this form too, as `relaionet export` does.",
)  # fmt: skip
@click.option("--form-out", type=FOLDER, help="Folder of that form.  [default: OUT-FORM, beside the split]")
@click.option("--proxy", help="HTTP proxy for the downloads, e.g. http://127.0.0.1:3128.")
@click.option("--threads", type=click.IntRange(1, 512), default=32, show_default=True, help="Downloads at once.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True,
    help="Seconds one image may take.",
)  # fmt: skip
@click.pass_context
def rebuild(
    ctx: click.Context,
    release: str,
    out: Path,
    policy: str | None,
    retry: Literal["passing", "all"] | None,
    verify: bool,
    images: Path | None,
    encoder: str | None,
    form: str | None,
    form_out: Path | None,
    proxy: str | None,
    threads: int,
    timeout: float,
) -> None:
    """Get the images of a release back, and say for each row: exact, same picture, changed or gone.

    RELEASE is the folder of a release, a folder of releases (the newest is taken), or a release on the Hugging Face
    Hub: hf://datasets/owner/name, with @revision where it must be that very one. Run the same command again after
    Ctrl-C, a crash or a lost network: it continues. Run it again when it is done: it looks whether every picture is
    there, and fetches those that are not.

    \b
    relaionet rebuild releases/relaionet-v1 --out split
    relaionet rebuild releases/relaionet-v1 --out split --retry         a week later
    relaionet rebuild releases/relaionet-v1 --out split --policy exact  judged anew, nothing fetched
    relaionet rebuild releases/relaionet-v1 --out split --form webdataset    tar shards in split-webdataset too
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    if form_out is not None and form is None:
        raise click.UsageError("--form-out is where --form writes to; say which form.")
    from relaionet.flows.rebuild import run_rebuild
    from relaionet.pipeline.downloads.fetch import DownloadConfig

    download = DownloadConfig(proxy=proxy, threads=threads, timeout_s=timeout)
    run_rebuild(
        release, out, policy=policy, download=download, retry=retry, verify=verify, images=images, encoder=encoder,
        form=form, form_out=form_out,
    )  # fmt: skip


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
