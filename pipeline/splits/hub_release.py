"""A release from the Hugging Face Hub: fetched at one commit, checked whole before anything else is done with it."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import read_json_object
from relaionet.manifests.release.info import INFO_FILE
from relaionet.manifests.release.release import check_release, find_release
from relaionet.manifests.replacing import drop_parts, replacing
from relaionet.pipeline.hub import HubAddress, fetch_snapshot, parse_address

MAX_INFO_BYTES = 64 * 2**20
MAX_RELEASE_BYTES = 16 * 2**30
FILE_NAME = re.compile(r"[A-Za-z0-9][\w-]*(\.[\w-]+)*")


def fetch_release(address: str, cache: Path, token: str | None = None) -> Path:
    """Fetch a release.

    Only `release.json` and the files it names are fetched, whatever else the repository holds.

    Args:
        address: `hf://datasets/owner/name[@revision]`; the repository is a release, or holds versions of one.
        cache: folder for fetched releases, one folder per repository and commit in it.
        token: for private and gated repositories; None uses HF_TOKEN or what the Hub's client has stored.

    Returns:
        Folder of the release in `cache`, below one named by its commit, checked with `check_release`.

    Raises:
        BadInput: no such repository or revision, no release in it, or its manifest breaks a rule.
        Unavailable: the Hub does not answer and the release was not fetched before.
        Corrupt: a byte is not what the Hub or `release.json` says.
    """
    where = parse_address(address)
    if where.kind != "dataset":
        raise BadInput(f"'{address:.200}': a release is a dataset; write hf://datasets/{where.repo_id}.")
    first = fetch_snapshot(where, names=[INFO_FILE, f"*/{INFO_FILE}"], token=token, max_bytes=MAX_INFO_BYTES)
    found = find_release(first)
    # the rest comes from the same commit, whatever is pushed meanwhile
    pinned = HubAddress(kind=where.kind, repo_id=where.repo_id, revision=first.name)
    inside, files = found.relative_to(first), _file_names(found)
    fetch_snapshot(
        pinned, names=[(inside / name).as_posix() for name in files], token=token, max_bytes=MAX_RELEASE_BYTES
    )
    place = cache / where.repo_id.replace("/", "--") / first.name / inside
    try:
        return check_release(place).path
    except (BadInput, Corrupt):  # not there, or damaged since it was fetched
        shutil.rmtree(place, ignore_errors=True)
    _copy_files(found, files, place)
    return check_release(place).path


def _copy_files(source: Path, names: list[str], place: Path) -> None:
    """Make a folder of a snapshot's files (links into the Hub's cache) as files of its own, whole or not at all."""
    drop_parts(place.parent, below=False)
    try:
        with replacing(place) as part:
            part.mkdir()
            for name in names:
                if (source / name).is_file():
                    shutil.copyfile(source / name, part / name)
            check_release(part)
    except OSError as error:  # another process was first: what is there is checked like anything else
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not place.is_dir():
            raise


def _file_names(release: Path) -> list[str]:
    """The files a release says it consists of; a stranger's names are no patterns and lead nowhere else."""
    told = read_json_object(release / INFO_FILE)
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, dict) or not files:
        raise BadInput(f"{release / INFO_FILE} names no files; it is no release.")
    odd = [name for name in files if not FILE_NAME.fullmatch(name)]
    if odd:
        raise BadInput(
            f"{release / INFO_FILE} names the file {odd[0]!r:.120}; expected plain names as manifest.parquet."
        )
    return [*files, INFO_FILE]
