"""The Hugging Face Hub: repositories fetched at one commit and checked byte for byte, folders pushed and checked.

The Hub's own client looks at a file's length alone; here every fetched file is compared with the hash the Hub lists
(but where the file system has no links: the client's cache keeps no hash there).
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.escape import message_of
from relaionet.manifests.files import HEX_64, file_sha256

Kind = Literal["model", "dataset"]
ADDRESS = re.compile(r"hf://(?P<kind>datasets/|models/)?(?P<repo>[^@]+?)/?(?:@(?P<revision>.+))?")
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A repository of the Hub.

    Attributes:
        kind: "model" or "dataset".
        repo_id: `owner/name`.
        revision: branch, tag or commit; None is `main`.
    """

    kind: Kind
    repo_id: str
    revision: str | None = None

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"hf://{self.kind}s/{self.repo_id}{at}"


def is_address(text: str) -> bool:
    """True for what begins like an address of the Hub."""
    return text.startswith("hf://")


def check_name(repo_id: str, revision: str | None = None) -> None:
    """Refuse names the Hub cannot have.

    Raises:
        BadInput: no `owner/name`, or no revision.
    """
    if not REPO_ID.fullmatch(repo_id) or ".." in repo_id:
        raise BadInput(f"'{repo_id:.120}' is no repository of the Hub: expected owner/name.")
    if revision is not None and (not REVISION.fullmatch(revision) or ".." in revision):
        raise BadInput(f"'{revision:.120}' is no revision of {repo_id}: expected a branch, a tag or a commit.")


def parse_address(text: str) -> HubAddress:
    """Read `hf://datasets/owner/name[@revision]` (or `hf://models/…`, `hf://owner/name` for a model).

    Raises:
        BadInput: it is none.
    """
    found = ADDRESS.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"'{text:.200}' is no address of the Hub: expected hf://datasets/owner/name or …@revision.")
    check_name(found["repo"], found["revision"])
    kind: Kind = "dataset" if found["kind"] == "datasets/" else "model"
    return HubAddress(kind=kind, repo_id=found["repo"], revision=found["revision"])


def fetch_snapshot(
    address: HubAddress,
    *,
    names: Sequence[str],
    cache: Path | None = None,
    token: str | None = None,
    max_bytes: int | None = None,
) -> Path:
    """Fetch files of a repository, all of one commit, and check each against the hash the Hub lists for it.

    What is in the cache already is not fetched again; without a network, a revision that was fetched before is found
    there. A file that fails the check is removed from the cache.

    Args:
        address: repository and revision.
        names: patterns of the files wanted, as in fnmatch; a name alone is one.
        cache: the Hub client's cache; its own where None.
        token: for private and gated repositories; None uses HF_TOKEN or what the Hub's client has stored.
        max_bytes: refuse to fetch more than this.

    Returns:
        Folder with the files, for reading only; its name is the commit.

    Raises:
        BadInput: no such repository, revision or right to it; or too large.
        Unavailable: the Hub does not answer.
        Corrupt: a file is not what the Hub lists.
    """
    from huggingface_hub import snapshot_download

    wanted: dict[str, Any] = {
        "repo_id": address.repo_id, "repo_type": address.kind, "revision": address.revision, "cache_dir": cache,
        "token": token, "allow_patterns": list(names),
    }  # fmt: skip
    with hub_errors(address):
        if max_bytes is not None:
            _check_size(address, snapshot_download, wanted, max_bytes)
        folder = Path(snapshot_download(**wanted))
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and any(fnmatch.fnmatchcase(name, pattern) for pattern in names):
            _check_bytes(file, f"{address} ({folder.name[:12]}), {name}")
    return folder


def is_fetched(address: HubAddress, name: str) -> bool:
    """True where a file of a repository is in the Hub client's cache already; nothing is asked of the Hub.

    Args:
        address: repository and revision.
        name: path of the file in it.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(address.repo_id, name, repo_type=address.kind, revision=address.revision)
    return isinstance(found, str)


def list_files(address: HubAddress, *, token: str | None = None) -> list[str]:
    """Paths of all files of a repository, sorted.

    Raises:
        BadInput: no such repository or revision, or no right to it.
        Unavailable: the Hub does not answer.
    """
    from huggingface_hub import HfApi

    with hub_errors(address):
        api = HfApi(token=token, library_name="relaionet")
        return sorted(api.list_repo_files(address.repo_id, repo_type=address.kind, revision=address.revision))


def _check_size(address: HubAddress, download: Callable[..., Any], wanted: dict[str, Any], max_bytes: int) -> None:
    from huggingface_hub.errors import DryRunError

    try:
        files = download(**wanted, dry_run=True)
    except DryRunError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, ConnectionError) or _is_passing(cause):
            return  # no network: only what the cache holds can come
        raise cause from None
    size = sum(file.file_size or 0 for file in files if file.will_download)
    if size > max_bytes:
        raise BadInput(f"{address} holds {size:,} bytes of such files; at most {max_bytes:,} are fetched.")


def _check_bytes(file: Path, shown: str) -> None:
    """Compare a cached file with its blob's name: sha256 of a large file, git's sha1 of a small one."""
    if not file.is_symlink():
        return  # a file system without links: the cache keeps no hash
    blob = file.readlink().name
    if re.fullmatch(HEX_64, blob):
        found = file_sha256(file)
    elif re.fullmatch(r"[0-9a-f]{40}", blob):
        data = file.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if found != blob:
        file.resolve().unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        raise Corrupt(
            f"{shown}: the bytes are not those the Hub lists (expected {blob[:12]}…, got {found[:12]}…). They were "
            "removed; run again to fetch them anew. Where it stays, tell the repository's owner."
        )


def push_folder(
    folder: Path, address: HubAddress, *, token: str, private: bool, message: str, names: Sequence[str] | None = None
) -> str:
    """Put a folder into a repository, which is made where it is missing, and check that every file arrived.

    Hidden files stay here. What is there already is not sent again; a push that was cut short continues. Other files of
    the repository stay.

    Args:
        folder: with the files.
        address: repository and branch.
        token: one that may write.
        private: a repository that is made now is private; one that exists is left as it is.
        message: of the commit.
        names: files to be pushed, relative to the folder; None pushes all.

    Returns:
        The commit, 40 hex digits.

    Raises:
        BadInput: the token may not, or the card is refused.
        Unavailable: the Hub does not answer; what was sent stays.
        Corrupt: what the Hub lists afterwards is not what was sent.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="relaionet")
    with hub_errors(address):
        api.create_repo(address.repo_id, repo_type=address.kind, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id, repo_type=address.kind, folder_path=folder, commit_message=message,
            revision=address.revision, allow_patterns=None if names is None else list(names),
            ignore_patterns=[".*", "*/.*"],
        )  # fmt: skip
        commit = str(api.repo_info(address.repo_id, repo_type=address.kind, revision=address.revision).sha)
        entries = api.list_repo_tree(address.repo_id, repo_type=address.kind, revision=commit, recursive=True)
        there: dict[str, Any] = {entry.path: entry for entry in entries if hasattr(entry, "lfs")}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")) or (names is not None and name not in names):
            continue
        entry = there.get(name)
        if entry is None or _listed_hash(file, is_large=entry.lfs is not None) != _hash_of(entry):
            raise Corrupt(f"{address}: {name} did not arrive whole; push again.")
    return commit


def _hash_of(entry: Any) -> str:
    return str(entry.blob_id if entry.lfs is None else entry.lfs.sha256)


def _listed_hash(file: Path, *, is_large: bool) -> str:
    if is_large:
        return file_sha256(file)
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def hub_errors(address: HubAddress) -> Iterator[None]:
    """Turn what the Hub's client raises into errors that say what to do; nothing of a token is in them."""
    from huggingface_hub import constants, errors

    transport: Any = errors.HfHubHTTPError.__bases__[
        0
    ]  # of whichever HTTP client this version of the Hub's client uses
    try:
        yield
    except errors.GatedRepoError:
        raise BadInput(
            f"{address} is gated: accept its terms on the Hub and set HF_TOKEN to a token of that account."
        ) from None
    except errors.RepositoryNotFoundError:
        raise BadInput(
            f"{address}: the Hub has no such {address.kind} that you may see. Check the name; for a private one set "
            "HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise BadInput(f"{address}: the repository has no such revision; name a branch, a tag or a commit.") from None
    except errors.HfHubHTTPError as error:
        raise _from_status(address, error) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.FileMetadataError):
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub does not answer; try again later"
        raise Unavailable(f"{address} is not (whole) on this machine and could not be fetched: {why}.") from None
    except (transport, ConnectionError) as error:
        raise Unavailable(f"{address}: the Hub does not answer: {_line(error)}. Try again later.") from None
    except OSError as error:
        if "Consistency check failed" not in str(error):
            raise
        raise Unavailable(f"{address}: a file broke off on its way: {_line(error)}. Try again.") from None
    except (errors.HFValidationError, ValueError) as error:
        raise BadInput(f"{address}: {_line(error)}.") from None


def _from_status(address: HubAddress, error: Any) -> BadInput | Unavailable:
    status = error.response.status_code
    if status in (401, 403):
        return BadInput(
            f"{address}: the Hub refuses (HTTP {status}). Set HF_TOKEN to a valid token; to push, one that "
            "may write there."
        )
    if _is_passing(error):
        return Unavailable(f"{address}: the Hub answers HTTP {status}. Try again later.")
    return BadInput(f"{address}: the Hub answers HTTP {status}: {_line(error)}.")


def _is_passing(error: BaseException) -> bool:
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500 or response.status_code in (408, 429)


def _line(error: BaseException) -> str:
    return message_of(error).rstrip(".")
