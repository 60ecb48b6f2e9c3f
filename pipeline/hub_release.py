"""A release from the Hugging Face Hub: fetched at one commit, checked whole before anything else is done with it."""

from __future__ import annotations

import re
from pathlib import Path

from relaionet.manifests.errors import BadInput
from relaionet.manifests.release import check_release, find_release
from relaionet.manifests.release_info import INFO_FILE
from relaionet.manifests.store import read_json
from relaionet.pipeline.hub import HubAddress, fetch_snapshot, parse_address

MAX_INFO_BYTES = 64 * 2**20
MAX_RELEASE_BYTES = 16 * 2**30
FILE_NAME = re.compile(r"[A-Za-z0-9][\w-]*(\.[\w-]+)*")


def fetch_release(address: str, cache: Path | None = None, token: str | None = None) -> Path:
    """Fetch a release.

    Only `release.json` and the files it names are fetched, whatever else the repository holds.

    Args:
        address: `hf://datasets/owner/name[@revision]`; the repository is a release, or holds versions of one.
        cache: folder the Hub's client keeps files in; its own where None.
        token: for private and gated repositories.

    Returns:
        Folder of the release, for reading only, checked with `check_release`; the folder above it, or itself, is named
        by the commit.

    Raises:
        BadInput: no such repository or revision, no release in it, or its manifest breaks a rule.
        Unavailable: the Hub does not answer and the release was not fetched before.
        Corrupt: a byte is not what the Hub or `release.json` says.
    """
    where = parse_address(address)
    if where.kind != "dataset":
        raise BadInput(f"'{address:.200}': a release is a dataset; write hf://datasets/{where.repo_id}.")
    first = fetch_snapshot(
        where, names=[INFO_FILE, f"*/{INFO_FILE}"], cache=cache, token=token, max_bytes=MAX_INFO_BYTES
    )
    found = find_release(first)
    # the rest comes from the same commit, whatever is pushed meanwhile
    pinned = HubAddress(kind=where.kind, repo_id=where.repo_id, revision=first.name)
    inside = found.relative_to(first).as_posix()
    names = [name if inside == "." else f"{inside}/{name}" for name in _file_names(found)]
    fetch_snapshot(pinned, names=names, cache=cache, token=token, max_bytes=MAX_RELEASE_BYTES)
    return check_release(found).path


def _file_names(release: Path) -> list[str]:
    """The files a release says it consists of; a stranger's names are no patterns and lead nowhere else."""
    told = read_json(release / INFO_FILE)
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, dict) or not files:
        raise BadInput(f"{release / INFO_FILE} names no files; it is no release.")
    odd = [name for name in files if not FILE_NAME.fullmatch(name)]
    if odd:
        raise BadInput(
            f"{release / INFO_FILE} names the file {odd[0]!r:.120}; expected plain names as manifest.parquet."
        )
    return [*files, INFO_FILE]
