"""A repository of the Hub as an image set: which of its files are the set, and how they are had."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.info import INFO_FILE
from relaionet.pipeline.hub import HubAddress, fetch_snapshot, parse_address
from relaionet.pipeline.hub_listing import Listing, check_access, list_repository

Form = Literal["folders", "archives", "rows"]
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
TABLES = (".parquet", ".arrow", ".jsonl", ".ndjson")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# of one set; ImageNet's train part takes 150 GB
MAX_SET_BYTES = 400 * 10**9


def find_set(address: str, token: str | None = None) -> Listing:
    """List the repository an address names, at one commit, and check that its files may be had.

    Args:
        address: `hf://datasets/owner/name[@revision]`.
        token: for private and gated repositories; None uses HF_TOKEN or what the Hub's client has stored.

    Raises:
        BadInput: no such dataset, it is gated and one has no right to it, it is a release, or holds nothing.
        Unavailable: the Hub does not answer.
    """
    where = parse_address(address)
    if where.kind != "dataset":
        raise BadInput(f"'{address:.200}': an image set is a dataset; write hf://datasets/{where.repo_id}.")
    listing = list_repository(where, token)
    if any(PurePosixPath(name).name == INFO_FILE for name in listing.sizes):
        raise BadInput(f"{where} is a release already; relaionet rebuild {where} gets its images.")
    files = [name for name in listing.sizes if not name.startswith(".") and name != "README.md"]
    if not files:
        raise BadInput(f"{where} holds no files.")
    check_access(listing.address, files[0], token)
    return listing


def tell_form(names: Iterable[str]) -> Form:
    """What a repository's files are: pictures in folders, archives of such, or rows that `datasets` reads.

    Args:
        names: paths of its files.
    """
    lower = [name.lower() for name in names]
    has_pictures = any("/" in name and name.endswith(PICTURES) for name in lower)
    if any(name.endswith(TABLES) for name in lower) or any(PurePosixPath(name).name in METADATA for name in lower):
        return "rows"
    if has_pictures:
        return "folders"
    return "archives" if any(name.endswith(ARCHIVES) for name in lower) else "rows"


def pick_archive(listing: Listing, pattern: str | None) -> str:
    """The one archive that is the set.

    Args:
        listing: from `find_set`.
        pattern: its name, or a part or pattern of it; None takes the only one.

    Raises:
        BadInput: there is none, or there are several.
    """
    archives = [name for name in listing.sizes if name.lower().endswith(ARCHIVES)]
    chosen = [name for name in archives if pattern is None or pattern in name or fnmatchcase(name, pattern)]
    if len(chosen) != 1:
        told = ", ".join(archives[:20])
        raise BadInput(f"{listing.address} holds {len(archives)} archives; name one of them with --split: {told}.")
    return chosen[0]


def fetch_set(address: HubAddress, names: Iterable[str], token: str | None = None) -> Path:
    """Fetch files of a repository, each checked against the Hub's hash.

    Args:
        address: repository at a commit.
        names: paths, or patterns of paths.
        token: as for `find_set`.

    Returns:
        Folder with the files, for reading only.
    """
    return fetch_snapshot(address, names=list(names), token=token, max_bytes=MAX_SET_BYTES)
