"""`relaionet rebuild`: the images of a release, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from relaionet.flows.cli_start import FOLDER, start


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
