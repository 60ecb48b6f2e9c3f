"""Repositories of the offline Hub: files by commit, as the real one keeps them (git blobs, large files by sha256)."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

KINDS = ("models", "datasets", "spaces")
REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
# what the Hub's .gitattributes sends to large-file storage
LARGE_SUFFIXES = {
    ".safetensors", ".bin", ".pt", ".pth", ".onnx", ".npz", ".npy", ".parquet", ".arrow", ".tar", ".gz", ".zip",
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tiff", ".avif",
}  # fmt: skip
LARGE_BYTES = 10 * 2**20


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a commit.

    Attributes:
        path: in the repository.
        size: bytes.
        sha256: of the bytes, hex; the blob's name.
        oid: git's: sha1 of the blob, or of the pointer where the file is large.
        is_large: kept in large-file storage.
    """

    path: str
    size: int
    sha256: str
    oid: str
    is_large: bool

    def describe(self) -> dict[str, object]:
        """As the API's tree tells it."""
        told: dict[str, object] = {"type": "file", "path": self.path, "size": self.size, "oid": self.oid}
        if self.is_large:
            told["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(_pointer(self.sha256, self.size))}
        return told

    @property
    def etag(self) -> str:
        """What the Hub names the content by."""
        return self.sha256 if self.is_large else self.oid


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A state of a repository.

    Attributes:
        sha: 40 hex digits; equal histories have equal shas.
        title: message.
        files: path -> file.
        parent: sha of the commit before.
    """

    sha: str
    title: str
    files: Mapping[str, File]
    parent: str | None
    date: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def is_large(path: str, size: int) -> bool:
    """True where the Hub keeps such a file in large-file storage."""
    return size > 0 and (Path(path).suffix.lower() in LARGE_SUFFIXES or size > LARGE_BYTES)


class Blobs:
    """File contents by sha256, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a content is."""
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        """True where it is there."""
        return self.path(sha256).is_file()

    def add(self, data: bytes) -> str:
        """Keep bytes; returns their sha256."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.has(sha256):
            part = self.folder / f"{sha256}.{threading.get_ident()}"
            part.write_bytes(data)
            part.replace(self.path(sha256))
        return sha256

    def add_file(self, file: Path) -> str:
        """Keep a file's bytes; returns their sha256."""
        with file.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        if not self.has(sha256):
            shutil.copyfile(file, self.path(sha256))
        return sha256

    def file(self, path: str, sha256: str) -> File:
        """The entry of a content that is kept, at a path."""
        place = self.path(sha256)
        size = place.stat().st_size
        large = is_large(path, size)
        oid = _git_oid(_pointer(sha256, size) if large else place.read_bytes())
        return File(path=path, size=size, sha256=sha256, oid=oid, is_large=large)


@dataclass(kw_only=True)
class Repo:
    """A repository.

    Attributes:
        kind: "models", "datasets" or "spaces".
        repo_id: `owner/name`, or `name` for the few old ones without owner.
        blobs: contents.
        is_private: only seen with the Hub's token.
        is_gated: listed for all, its files only with the Hub's token.
        commits: by sha.
        refs: branch or tag -> sha.
    """

    kind: str
    repo_id: str
    blobs: Blobs
    is_private: bool = False
    is_gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag, or a full or shortened sha."""
        if revision in self.refs:
            return self.commits[self.refs[revision]]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            return next((commit for sha, commit in self.commits.items() if sha.startswith(revision)), None)
        return None

    def commit(self, files: Mapping[str, File], title: str, branch: str = "main") -> Commit:
        """Add a commit to a branch; the same files again make none."""
        parent = self.refs.get(branch)
        if parent is not None and dict(self.commits[parent].files) == dict(files):
            return self.commits[parent]
        lines = "\n".join(f"{path} {file.oid}" for path, file in sorted(files.items()))
        sha = hashlib.sha1(f"{parent}\n{title}\n{lines}".encode()).hexdigest()
        self.commits[sha] = Commit(sha=sha, title=title, files=dict(files), parent=parent)
        self.refs[branch] = sha
        return self.commits[sha]

    def commit_folder(self, folder: Path, title: str = "Add files") -> Commit:
        """Make the folder's files the newest state of `main`; hidden files and folders are left out."""
        found = (file for file in sorted(folder.rglob("*")) if file.is_file())
        paths = {file.relative_to(folder).as_posix(): file for file in found}
        files = {
            path: self.blobs.file(path, self.blobs.add_file(file))
            for path, file in paths.items()
            if not any(part.startswith(".") and part != ".gitattributes" for part in Path(path).parts)
        }
        return self.commit(files, title)

    def history(self, commit: Commit) -> Iterator[Commit]:
        """A commit and those before it, newest first."""
        step: Commit | None = commit
        while step is not None:
            yield step
            step = self.commits[step.parent] if step.parent else None


def list_tree(commit: Commit, folder: str, *, is_recursive: bool) -> list[dict[str, object]] | None:
    """Entries below a folder of a commit, as the API's tree tells them; None where there is no such folder."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    below = {path: file for path, file in sorted(commit.files.items()) if path.startswith(start)}
    if not below and start:
        return None
    entries: dict[str, dict[str, object]] = {}
    for path, file in below.items():
        parts = path.removeprefix(start).split("/")
        depth = len(parts) - 1 if is_recursive else min(1, len(parts) - 1)
        for count in range(1, depth + 1):
            place = start + "/".join(parts[:count])
            entries.setdefault(place, describe_folder(commit, place))
        if len(parts) == 1 or is_recursive:
            entries[path] = file.describe()
    return list(entries.values())


def describe_folder(commit: Commit, place: str) -> dict[str, object]:
    """A folder as the API's tree tells it."""
    below = "".join(file.oid for path, file in sorted(commit.files.items()) if path.startswith(f"{place}/"))
    return {"type": "directory", "path": place, "size": 0, "oid": hashlib.sha1(below.encode()).hexdigest()}
