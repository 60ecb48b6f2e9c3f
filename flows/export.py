"""The command `export`: a split in another format, on this machine or on the Hugging Face Hub; a release on the Hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.info import INFO_FILE as RELEASE_FILE
from relaionet.manifests.release.release import check_release
from relaionet.manifests.release.withdrawals import read_withdrawals
from relaionet.manifests.words import say_count
from relaionet.pipeline.hub import HubAddress, check_name, push_folder
from relaionet.pipeline.splits.build import read_split
from relaionet.pipeline.splits.export import ExportConfig, export_split
from relaionet.pipeline.splits.withdraw import withdraw_from_split

SHARE_FLAG = "--yes-i-may-share-these-images"


def run_export(
    source: Path, out: Path | None, *, format: str | None = None, shard_bytes: int | None = None,
    push: str | None = None, private: bool | None = None, may_share: bool = False, withdrawn: Path | None = None,
    reporter: Reporter | None = None,
) -> str | None:  # fmt: skip
    """Write a split in another format and, if asked, push it; or push a release.

    Args:
        source: folder of a finished split, or of a release (which can only be pushed).
        out: folder the export is written to.
        format: name or alias of an export format; None is "imagefolder" here and "parquet" on the Hub.
        shard_bytes: bytes of images per tar or parquet file, about; None is the format's own number.
        push: repository `owner/name`.
        private: whether a repository that is made is private; None is private for images, public for a release.
        may_share: the user says he may share the images; needed to push them.
        withdrawn: list of withdrawals; what is on it is removed from the split first.
        reporter: where progress is shown.

    Returns:
        The Hub's commit, where something was pushed.

    Raises:
        BadInput: an option is wrong or missing, or a name or a right.
    """
    reporter = reporter or Reporter()
    if push is not None:
        check_name(push)
    if (source / RELEASE_FILE).is_file():
        if push is None or out is not None or format is not None:
            raise BadInput(
                f"{source} is a release: it holds no images. Rebuild it first, or push it with --push alone."
            )
        return push_release(source, push, private=bool(private), reporter=reporter)
    if out is None:
        raise BadInput("say where the split is to be written: --out FOLDER.")
    token = None
    if push is not None:
        _check_sharing(may_share)
        token = read_token()
    config = ExportConfig(
        format=format or ("imagefolder" if push is None else "parquet"), shard_bytes=shard_bytes,
        positions="kept" if push is None else "stripped",
    )  # fmt: skip
    if withdrawn is not None:
        withdraw_from_split(source, read_withdrawals(withdrawn))
    info = write_export(source, config, out, reporter)
    if push is None or token is None:
        return None
    message = f"{info['split']['name']} as {config.format}: {say_count(info['rows_count'], 'image')}"
    return _push(out, push, token=token, private=private is not False, message=message, reporter=reporter)


def write_export(split: Path, config: ExportConfig, out: Path, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write a split in another format, with progress; returns what `export.json` says."""
    reporter = reporter or Reporter()
    rows_count = read_split(split)[0].height
    if not rows_count:
        raise BadInput(f"{split} keeps no image: there is nothing to export. {split / 'split.json'} says why.")
    reporter.headline(f"Export {split} as {config.format}: {say_count(rows_count, 'image')}")
    was_done = (out / "export.json").exists()
    with hold_folder(out), reporter.bar("export", rows_count) as advance:
        info = export_split(split, config, out, advance)
    told = "already done" if was_done else f"{info['bytes_count'] / 1e6:,.1f} MB of images"
    reporter.say(
        f"  {out}: {say_count(info['rows_count'], 'image')} of {say_count(info['classes_count'], 'class')} ({told})"
    )
    if info["left_out"]:
        reporter.say(
            f"  {say_count(len(info['left_out']), 'image is', 'images are')} left out: {info['left_out'][0]['reason']}"
        )
    reporter.say(f'  read it with datasets.load_dataset("{out}", split="test"); more in {out / "README.md"}')
    return info


def push_release(release: Path, repo_id: str, *, private: bool = False, reporter: Reporter | None = None) -> str:
    """Check a release and push it: URLs, hashes and labels, no image; returns the Hub's commit."""
    check_name(repo_id)
    checked, token = check_release(release), read_token()
    message = f"{checked.info.full_name}, digest {checked.info.digest[:12]}"
    names = [*checked.info.files, RELEASE_FILE]  # whatever else somebody put into the folder stays here
    return _push(
        checked.path, repo_id, token=token, private=private, message=message, names=names,
        reporter=reporter or Reporter(),
    )  # fmt: skip


def _push(
    folder: Path, repo_id: str, *, token: str, private: bool, message: str, reporter: Reporter,
    names: list[str] | None = None,
) -> str:  # fmt: skip
    address = HubAddress(kind="dataset", repo_id=repo_id)
    reporter.say(f"  pushing to {address} …")
    commit = push_folder(folder, address, token=token, private=private, message=message, names=names)
    reporter.say(f"  {address}@{commit}: every file arrived and is what it is here")
    return commit


def read_token() -> str:
    """The Hub token of this process.

    Raises:
        BadInput: there is none.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise BadInput("pushing needs a token that may write: set HF_TOKEN. It is not stored or shown.")
    return token


def _check_sharing(may_share: bool) -> None:
    if not may_share:
        raise BadInput(
            "a split's images belong to those who published them; pushing them makes copies for others. Push the "
            f"release instead (URLs and labels), or say that you have the right with {SHARE_FLAG}."
        )
