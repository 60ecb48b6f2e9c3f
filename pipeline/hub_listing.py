"""What a repository of the Hub holds at one commit, and whether its files may be had: nothing of them is fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.hub import HubAddress, hub_errors

MAX_FILES = 3_000_000


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a repository.

    Attributes:
        address: the repository at the commit that was listed.
        sizes: path -> bytes, sorted.
    """

    address: HubAddress
    sizes: dict[str, int]


def list_repository(address: HubAddress, token: str | None = None) -> Listing:
    """List a repository at the commit its revision has now.

    Args:
        address: repository and revision.
        token: for private repositories; None uses HF_TOKEN or what the Hub's client has stored.

    Raises:
        BadInput: there is no such repository or revision that one may see, or it holds too many files.
        Unavailable: the Hub does not answer.
    """
    from huggingface_hub import HfApi

    sizes: dict[str, int] = {}
    with hub_errors(address):
        api = HfApi(token=token, library_name="relaionet")
        info = api.repo_info(address.repo_id, repo_type=address.kind, revision=address.revision)
        commit = str(info.sha)
        tree = api.list_repo_tree(address.repo_id, repo_type=address.kind, revision=commit, recursive=True)
        for entry in tree:
            if hasattr(entry, "size"):
                sizes[entry.path] = int(entry.size)
            if len(sizes) > MAX_FILES:
                raise BadInput(f"{address}: more than {MAX_FILES:,} files.")
    return Listing(address=replace(address, revision=commit), sizes=dict(sorted(sizes.items())))


def check_access(address: HubAddress, name: str, token: str | None = None) -> None:
    """Ask whether a file may be fetched; gated repositories list their files to everyone.

    Args:
        address: repository and revision.
        name: path of the file in it.
        token: as for `list_repository`.

    Raises:
        BadInput: not by you; the message says what to do.
        Unavailable: the Hub does not answer.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with hub_errors(address):
        url = hf_hub_url(address.repo_id, name, repo_type=address.kind, revision=address.revision)
        get_hf_file_metadata(url, token=token)
