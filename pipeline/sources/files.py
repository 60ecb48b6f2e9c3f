"""Where metadata tables lie: local files, folders and globs, https://, s3:// and hf://, opened alike and read in parts.

An address that holds a secret is refused, since a run writes down what it was made from.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.places import LOCAL, check_place, local_path, scheme_of
from relaionet.manifests.urls import holds_secret, show_url
from relaionet.pipeline.sources.servers import file_system

Kind = Literal["parquet", "tsv", "csv", "jsonl"]
KINDS: dict[str, Kind] = {
    ".parquet": "parquet", ".pq": "parquet", ".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # fmt: skip
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
GLOB = re.compile(r"[*?\[]")
READ_AHEAD_BYTES = 4 << 20
# packages whose errors are those of what they read
READERS = ("pyarrow", "polars", "_csv", "zlib")
# packages whose errors are the network's or a server's
CLIENTS = ("aiohttp", "fsspec", "httpcore", "httpcore2", "httpx", "httpx2", "huggingface_hub", "requests")


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: as its file system names it.
        scheme: "file" for a local one, else that of its address.
        kind: what it holds.
        packing: gzip, zstd or bz2; None where it is not packed.
        bytes_count: its length; None where the server does not say.
        stamp: what its place says of its content: time of change, ETag or hash; empty where it says nothing.
    """

    path: str
    scheme: str
    kind: Kind
    packing: str | None
    bytes_count: int | None
    stamp: str

    @property
    def shown(self) -> str:
        """Its place in words, for messages."""
        return self.path if self.scheme in ("file", "http", "https") else f"{self.scheme}://{self.path}"

    def open(self, *, in_order: bool = False) -> Any:
        """Open it: a binary file that can be read and sought.

        Args:
            in_order: it will be read from start to end, so reading ahead pays.

        Raises:
            BadInput: it is gone or must not be read.
            Unavailable: the server does not answer.
        """
        with explain_errors(self.shown, self.kind):
            if self.scheme == "file":
                return Path(self.path).open("rb")
            cache_type = "readahead" if in_order else "none"
            return file_system(self.scheme).open(
                self.path, "rb", cache_type=cache_type, block_size=READ_AHEAD_BYTES if in_order else None
            )


@contextmanager
def explain_errors(shown: str, kind: str = "a table") -> Iterator[None]:
    """Turn what goes wrong with a file into this project's errors.

    Args:
        shown: its place in words.
        kind: what it is read as.

    Raises:
        BadInput: it is not there, or must not be read.
        Unavailable: the server or the network failed; trying again may help.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        # fsspec says the same of a server that does not answer, and keeps what happened as the cause
        if isinstance(error.__cause__, Exception) and not isinstance(error.__cause__, FileNotFoundError):
            raise _explain(shown, kind, error.__cause__) from None
        raise BadInput(f"{shown}: there is no such file.") from None
    except PermissionError:
        raise BadInput(f"{shown}: no permission to read it; credentials are taken from the environment.") from None
    except (TimeoutError, OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        raise _explain(shown, kind, error) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in (*READERS, *CLIENTS):
            raise _explain(shown, kind, error) from None
        raise


def _explain(shown: str, kind: str, error: Exception) -> Exception:
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    why = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    if status in (401, 403) or re.search(r"ACCESS_DENIED|HTTP response code 403|AccessDenied", str(error)):
        return BadInput(
            f"{shown}: the server refuses to give it ({why}): there is none, or not for you; credentials come from the "
            f"environment."
        )
    if status in (404, 410) or "NotFound" in type(error).__name__:
        return BadInput(f"{shown}: there is no such file ({why}).")
    if "://" not in shown or isinstance(error, ValueError) or type(error).__module__.startswith(READERS):
        return BadInput(f"{shown}: cannot be read as {kind} ({why}).")
    return Unavailable(f"{shown}: cannot be read now ({why}); the same command continues from here.")


def list_files(places: str | Path | Sequence[str | Path]) -> list[SourceFile]:
    """The files of a source.

    Args:
        places: a file, a folder, a glob or an address of one (https://, s3://, hf://datasets/…), or several of them. A
            folder stands for the tables in it or, where there are none, below it: its parquet files or, where there
            are none, its text tables. Names that start with a dot or an underscore are passed over.

    Returns:
        Each file once, sorted by scheme and path, so that the order things are listed in does not matter.

    Raises:
        BadInput: nothing is there, a kind of file or place that is not known, or an address that holds a secret.
        Unavailable: a server does not answer.
    """
    listed = [places] if isinstance(places, str | Path) else list(places)
    if not listed:
        raise BadInput("the source names no place.")
    found = {(file.scheme, file.path): file for place in listed for file in _expand(str(place))}
    return [found[key] for key in sorted(found)]


def short_names(files: Sequence[SourceFile]) -> list[str]:
    """A name for each file, as short as tells them apart: the last parts of its path."""
    parts = [[part for part in urlsplit(file.path).path.replace("\\", "/").split("/") if part] for file in files]
    for count in range(1, max((len(path) for path in parts), default=1) + 1):
        names = ["/".join(path[-count:]) for path in parts]
        if len(set(names)) == len(names):
            return names
    return [file.shown for file in files]


def _expand(place: str) -> list[SourceFile]:
    scheme = check_place(place, "tables")
    if scheme == LOCAL:
        return _local(str(local_path(place)) if "://" in place else place)
    check_address(place)
    rest = place.partition("://")[2]
    with explain_errors(place):
        if scheme in ("http", "https"):
            return [_remote(scheme, place, file_system(scheme).info(place))]
        return _remote_folder(scheme, rest, place)


def check_address(place: str) -> None:
    """Refuse an address with a password or a signature in it.

    Raises:
        BadInput: it has one; the message does not show it.
    """
    if scheme_of(place) != LOCAL and holds_secret(place):
        raise BadInput(
            f"{show_url(place)}: the address holds a secret, which would be written down with the run; give an address "
            "without one and credentials in the environment."
        )


def _kind(path: str) -> tuple[Kind | None, str | None]:
    suffixes = [suffix.lower() for suffix in PurePosixPath(urlsplit(path).path if "://" in path else path).suffixes]
    packing = PACKED.get(suffixes[-1]) if suffixes else None
    named = suffixes[:-1] if packing else suffixes
    return KINDS.get(named[-1]) if named else None, packing


def _known_kind(path: str) -> tuple[Kind, str | None]:
    kind, packing = _kind(path)
    if kind is None:
        raise BadInput(
            f"{path}: unknown kind of file; expected {', '.join(KINDS)}, or one of them with .gz, .zst, .bz2."
        )
    return kind, packing


def _is_shown(path: str, place: str = "") -> bool:
    """False for marks and leavings such as _SUCCESS and .part-0.parquet.crc, unless the place asks for such names."""
    name, asked = (text.replace("\\", "/").rpartition("/")[2] for text in (path, place))
    return not name.startswith((".", "_")) or asked.startswith((".", "_"))


def _tables(paths: Sequence[str]) -> list[str]:
    """Of the files of a folder the parquet files or, where there are none, the text tables."""
    seen = [path for path in paths if _is_shown(path)]
    parquet = [path for path in seen if _kind(path)[0] == "parquet"]
    return sorted(parquet or [path for path in seen if _kind(path)[0] is not None])


def _local(place: str) -> list[SourceFile]:
    path = Path(place).expanduser()
    if path.is_file():
        paths = [str(path)]
    elif path.is_dir():
        paths = _tables([str(item) for item in path.glob("*") if item.is_file()]) or _tables(
            [str(item) for item in path.rglob("*") if item.is_file()]
        )
    else:
        named = glob.glob(str(path), recursive=True)  # noqa: PTH207  (may be absolute)
        paths = sorted(name for name in named if Path(name).is_file() and _is_shown(name, place))
    if not paths:
        raise BadInput(f"{place}: no such file, folder with tables ({', '.join(KINDS)}), or glob that names a file.")
    files = []
    for name in paths:
        kind, packing = _known_kind(name)
        facts = Path(name).stat()
        files.append(
            SourceFile(
                path=str(Path(name).absolute()), scheme="file", kind=kind, packing=packing, bytes_count=facts.st_size,
                stamp=str(facts.st_mtime_ns),
            )
        )  # fmt: skip
    return files


def _remote_folder(scheme: str, path: str, shown: str) -> list[SourceFile]:
    system = file_system(scheme)
    if GLOB.search(path):
        found = {name: facts for name, facts in system.glob(path, detail=True).items() if facts["type"] == "file"}
        names = sorted(name for name in found if _is_shown(name, path))
    elif (facts := system.info(path))["type"] == "file":
        found, names = {path: facts}, [path]
    else:
        found = system.find(path, maxdepth=1, detail=True)
        names = _tables(list(found))
        if not names:
            found = system.find(path, detail=True)
            names = _tables(list(found))
    if not names:
        raise BadInput(f"{shown}: no such file, folder with tables ({', '.join(KINDS)}), or glob that names a file.")
    return [_remote(scheme, name, found[name]) for name in names]


def _remote(scheme: str, path: str, facts: dict[str, Any]) -> SourceFile:
    kind, packing = _known_kind(path)
    if kind == "parquet" and facts.get("partial") is False:
        raise BadInput(f"{path}: the server does not give parts of files; fetch it and name the local file.")
    large = facts.get("lfs") or {}
    stamps = (
        large.get("sha256") if isinstance(large, dict) else getattr(large, "sha256", None), facts.get("blob_id"),
        facts.get("ETag"), facts.get("Last-Modified"), facts.get("mtime"),
    )  # fmt: skip
    stamp = next((str(value) for value in stamps if value), "")
    return SourceFile(path=path, scheme=scheme, kind=kind, packing=packing, bytes_count=facts.get("size"), stamp=stamp)
