"""`relaionet release`: look at releases, check and compare them; `relaionet adopt`: make one of an image set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from relaionet.flows.cli.options import FOLDER, LocalPath, start

PLACE = LocalPath()


@click.group()
def release() -> None:
    """Look at releases, check them, see what differs between two, and push one to the Hugging Face Hub.

    A release is a folder `<name>-v<n>`: manifest.parquet (URLs, hashes, labels, votes), release.json (counts, digest,
    how it was made), README.md (the dataset card), croissant.json and, where the maker ships them, decisions.parquet
    (every answer the labels rest on). It is never changed: new content is a new version, the same content the same
    one. It holds no images; `relaionet rebuild` fetches those.

    \b
    What is there, and is it whole:       relaionet release list releases
                                          relaionet release check releases/mine-v2
    What changed since the last one:      relaionet release diff releases/mine-v1 releases/mine-v2
    What a row rests on:                  relaionet trace ID --run releases/mine-v2
    Onto the Hub, for others:             relaionet release push releases/mine-v2 me/relaionet
    A release of images you have:         relaionet adopt FOLDER --name imagenetv2
    """  # noqa: D301  (\b keeps click from wrapping the lines)


@release.command("list")
@click.argument("folder", type=PLACE, default=Path("releases"))
def release_list(folder: Path) -> None:
    """List the releases in FOLDER (default: releases), oldest version first."""
    from relaionet.flows.terminal.releases import show_list

    show_list(folder)


@release.command("show")
@click.argument("path", metavar="RELEASE", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print release.json's facts for another program.")
def release_show(path: Path, as_json: bool) -> None:
    """Say what RELEASE is: rows, classes, votes, how it was made, how to get its images, how to cite it.

    RELEASE is the folder of a release, or a folder of versions of one (the newest is taken).
    """
    from relaionet.flows.terminal.releases import show_release

    show_release(path, as_json=as_json)


@release.command("check")
@click.argument("path", metavar="RELEASE", type=PLACE)
@click.pass_context
def release_check(ctx: click.Context, path: Path) -> None:
    """Check every byte and every count of RELEASE, and say what was checked; exits with 2 where anything is wrong.

    Every id, hash, label, URL and number of every row is looked at; every file against its sha256; counts and digest
    against the rows; and where decisions.parquet is there, the votes of every row against the answers, which are then
    settled again by the rules the release states.
    """
    start(ctx)
    from relaionet.flows.terminal.releases import show_check

    show_check(path)


@release.command("diff")
@click.argument("old", type=PLACE)
@click.argument("new", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON for another program.")
@click.option(
    "--rows", type=LocalPath(dir_okay=False),
    help="Also write every row that differs, old and new values side by side, to this parquet file.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows shown per kind of change.")
def release_diff(old: Path, new: Path, as_json: bool, rows: Path | None, limit: int) -> None:
    """Say what differs between two releases: rows added, removed, relabelled, with other bytes or other votes.

    A relabelled row is shown with its old and new class, the votes before and after, and the pseudonyms of those who
    voted. Neither release is changed; neither needs to be the newer one.
    """
    from relaionet.flows.terminal.releases import show_diff

    show_diff(old, new, as_json=as_json, rows=rows, limit=limit)


@release.command("push")
@click.argument("path", metavar="RELEASE", type=PLACE)
@click.argument("repo_id", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Where the repository is made now: private.  [default: public]")
@click.pass_context
def release_push(ctx: click.Context, path: Path, repo_id: str, private: bool) -> None:
    """Check RELEASE and push it to the dataset repository OWNER/NAME of the Hugging Face Hub; needs HF_TOKEN.

    A release holds URLs, hashes and labels, no image, so that anyone may push it. Its own files alone are pushed, and
    each is compared with what the Hub lists afterwards. Others then rebuild it by its address:

    \b
    relaionet rebuild hf://datasets/OWNER/NAME --out split
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.export import push_release

    push_release(path, repo_id, private=private)


@release.command("withdraw")
@click.argument("path", metavar="RELEASE", type=PLACE)
@click.option("--url", "urls", multiple=True, help="An address; the row goes, however the address is spelled.")
@click.option("--host", "hosts", multiple=True, help="A host, with all hosts below it.")
@click.option("--sha256", "hashes", multiple=True, metavar="HEX", help="The image's bytes, 64 hex digits.")
@click.option("--id", "ids", multiple=True, metavar="HEX", help="A row's candidate_id, 64 hex digits.")
@click.option(
    "--list", "listed", type=LocalPath(exists=True),
    help="CSV (kind,value,why) or parquet file of further ones, or a release whose list holds here too.",
)  # fmt: skip
@click.option("--why", help="In words; stands in the rows that are left out.")
@click.pass_context
def release_withdraw(
    ctx: click.Context, path: Path, urls: tuple[str, ...], hosts: tuple[str, ...], hashes: tuple[str, ...],
    ids: tuple[str, ...], listed: Path | None, why: str | None,
) -> None:  # fmt: skip
    """Make the next version of RELEASE without what somebody asked to have taken out.

    The list goes with every later version (withdrawn.parquet). `rebuild`, `export` and `adopt` obey it: such rows are
    not asked for, their pictures leave the splits that hold them, and pictures on it are adopted no more.

    \b
    relaionet release withdraw releases/mine-v1 --host photos.example --why "asked by the owner"
    relaionet rebuild releases/mine-v1 --out split        removes what split holds of it
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.versions import Withdrawal, run_withdraw

    wanted = [
        Withdrawal(kind, values)
        for kind, values in (("url", urls), ("host", hosts), ("image_sha256", hashes), ("candidate_id", ids))
    ]
    run_withdraw(path, wanted, why=why, listed=listed)


@release.command("core")
@click.argument("path", metavar="RELEASE", type=PLACE)
@click.option(
    "--from", "looked_at", type=FOLDER, multiple=True, required=True, metavar="DIR",
    help="A split, or what `relaionet rebuild --check` wrote; two or more.",
)  # fmt: skip
@click.pass_context
def release_core(ctx: click.Context, path: Path, looked_at: tuple[Path, ...]) -> None:
    """Make the next version of RELEASE with its core: the rows alive at every one of several rebuilds or checks.

    `relaionet evaluate --core` scores on these rows alone, which most rebuilds will have for longest.

    \b
    relaionet release core releases/mine-v1 --from split-in-may --from checks/august --from checks/november
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.versions import run_core

    run_core(path, looked_at)


@click.command()
@click.argument("source")
@click.option("--name", required=True, help="Name of the release: lower-case letters, digits, '.', '_' and '-'.")
@click.option("--out", type=FOLDER, default=Path("releases"), show_default=True, help="Folder of releases.")
@click.option(
    "--kind", type=click.Choice(["auto", "published", "names", "wnids", "numbers", "ilsvrc", "parquet", "rows"]),
    default="auto", show_default=True,
    help="How the images say their class: the published reLAIONet; folders by class name, by wnid, by class number; "
    "ILSVRC's validation files with the devkit; parquet with a label column; rows of anything `datasets` reads. `auto` "
    "looks, says what it found, and takes only what fits whole.",
)  # fmt: skip
@click.option("--config", "configuration", help="Configuration of a dataset, where it has several.")
@click.option("--split", help="Split of a dataset, or part of the name of an archive, where it has several.")
@click.option("--label", help="Column of a dataset's labels: numbers, names, wnids, or lists.  [default: looked for]")
@click.option(
    "--real", type=LocalPath(dir_okay=False),
    help="ReaL's real.json: ImageNet's validation pictures get its labels, several where they show several.",
)  # fmt: skip
@click.option(
    "--mapping", type=LocalPath(dir_okay=False),
    help="CSV (folder,wnid) or TOML ([folders]) that says which class a folder is; `skip` leaves one out.",
)  # fmt: skip
@click.option(
    "--devkit", type=PLACE,
    help="ILSVRC2012 devkit's folder (meta.mat and the ground truth).  [default: looked for in SOURCE]",
)  # fmt: skip
@click.option(
    "--names", type=click.Choice(["relaionet", "fbf"]), default="relaionet", show_default=True,
    help="Of the published reLAIONet: `fbf` reads exactly what its authors' loader reads, and names two classes share "
    "(crane, maillot, cardigan) mean the later one, so that their numbers can be repeated.",
)  # fmt: skip
@click.option(
    "--encoder", help="Image-text encoder that says what a picture shows where its folder's name fits two classes."
)
@click.option("--device", default="auto", show_default=True, help="Where the encoder computes: auto, cpu, cuda.")
@click.option("--licence", help="Terms of the images, in words; goes onto the card.")
@click.option("--cite", help="How the set asks to be cited; goes onto the card.")
@click.option("--homepage", help="Where the set comes from; goes onto the card.")
@click.pass_context
def adopt(
    ctx: click.Context, source: str, name: str, out: Path, kind: Any, mapping: Path | None, devkit: Path | None,
    configuration: str | None, split: str | None, label: str | None, real: Path | None,
    names: Any, encoder: str | None, device: str, licence: str | None, cite: str | None, homepage: str | None,
) -> None:  # fmt: skip
    """Turn an image set into a release: every picture hashed, labelled by wnid, and never copied.

    \b
    The published reLAIONet:             relaionet adopt hf://datasets/harvardairobotics/reLAIONet --name published
    ImageNetV2 (folders 0 … 999):        relaionet adopt imagenetv2-matched-frequency --name imagenetv2
    ImageNet-R, -A, -Sketch (by wnid):   relaionet adopt imagenet-r --name imagenet-r
    ImageNet's validation part:          relaionet adopt ILSVRC2012_img_val --devkit ILSVRC2012_devkit_t12 --name val
    A split of a dataset of the Hub:     relaionet adopt hf://datasets/ILSVRC/imagenet-1k --split validation --name val

    SOURCE is a folder, or hf://datasets/owner/name[@revision]; gated ones want HF_TOKEN. Pictures in folders and in
    archives are fetched; whatever else the package `datasets` reads is streamed, measured, and not kept. No code of a
    set is run.

    Nothing is guessed: a folder name that fits two classes (crane, maillot, cardigan, missile, sunglasses) or none is
    an error that lists the candidates and writes a mapping file to fill in. The published reLAIONet alone goes in
    whole: there such names are taken for one class by a list that ships with this project, or by an encoder where it is
    sure, and every picture is listed. Pictures that cannot be decoded are reported, not dropped. Running it again
    continues, and gives the same release where nothing changed.

    The release can then be compared, cited and rebuilt like any other; whoever has the images gets the split back with
    `relaionet rebuild RELEASE --images FOLDER --out DIR`, whatever the files are called there.
    """  # noqa: D301  (\b keeps click from wrapping the lines)
    start(ctx)
    from relaionet.flows.adopt import run_adopt
    from relaionet.pipeline.adoption.adopt import AdoptConfig

    about = {key: value for key, value in (("licence", licence), ("cite", cite), ("homepage", homepage)) if value}
    config = AdoptConfig(
        name=name, kind=kind, mapping=mapping, devkit=devkit, names=names, encoder=encoder, device=device,
        config=configuration, split=split, label=label, real=real,
    )  # fmt: skip
    run_adopt(source, out, config, about)
