"""Pictures of WebDataset shards, as img2dataset writes them, and of plain folders, in shards of their own."""

from __future__ import annotations

import glob
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from relaionet.manifests.errors import BadInput, Corrupt

PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
MAX_BYTES = 200_000_000
MAX_TEXT_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture before it is decoded.

    Attributes:
        image_path: path in the folder, or the key in the archive.
        data: bytes; None where there are more than are read.
        caption: null where there is none.
        url: where it came from; null where nothing says so.
    """

    image_path: str
    data: bytes | None
    caption: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Pictures that are embedded into one shard.

    Attributes:
        name: number of the shard, as text.
        place: the archive, or the folder.
        paths: files of the folder, with `/`; none for an archive.
        stamp: sizes and times of change, by which a change is noticed.
    """

    name: str
    place: Path
    paths: tuple[str, ...]
    stamp: str

    @property
    def is_archive(self) -> bool:
        """True for a tar file."""
        return not self.paths


def find_shards(source: str, per_shard_count: int) -> list[Shard]:
    """Find what there is to embed.

    Args:
        source: a tar file, a folder of tar files, a glob (`shards/0000*.tar`), or a folder of pictures at any depth.
        per_shard_count: pictures of a folder in one shard; an archive is one.

    Returns:
        Shards numbered from 0, archives and pictures in order of their names.

    Raises:
        BadInput: there is nothing.
    """
    place = Path(source).expanduser()
    found = place.glob("*.tar") if place.is_dir() else map(Path, glob.glob(str(place)))  # noqa: PTH207  a whole path
    archives = sorted(found)
    wrong = [path for path in archives if path.suffix != ".tar" or not path.is_file()]
    if wrong:
        raise BadInput(f"{wrong[0]} is no tar file; expected WebDataset shards or a folder of pictures.")
    if archives:
        return [
            Shard(name=str(number), place=path, paths=(), stamp=_stamp(path)) for number, path in enumerate(archives)
        ]
    if not place.is_dir():
        raise BadInput(f"{source} does not exist; expected a folder of pictures, or tar files.")
    files = sorted(
        path.relative_to(place).as_posix()
        for path in place.rglob("*")
        if path.suffix.lower().removeprefix(".") in PICTURE_ENDINGS and path.is_file()
    )
    if not files:
        raise BadInput(f"{source} holds neither tar files nor pictures ({', '.join(PICTURE_ENDINGS)}).")
    cuts = [tuple(files[start : start + per_shard_count]) for start in range(0, len(files), per_shard_count)]
    return [
        Shard(name=str(number), place=place, paths=paths, stamp="|".join(_stamp(place / path) for path in paths))
        for number, paths in enumerate(cuts)
    ]


def _stamp(path: Path) -> str:
    about = path.stat()
    return f"{path.name}:{about.st_size}:{about.st_mtime_ns}"


def read_samples(shard: Shard) -> Iterator[Sample]:
    """The pictures of a shard, one at a time.

    Raises:
        Corrupt: the archive is damaged or ends early.
    """
    if not shard.is_archive:
        for path in shard.paths:
            yield _read_file(shard.place, path)
        return
    try:
        with tarfile.open(shard.place, "r:") as archive:
            for key, parts in _grouped(archive):
                sample = _as_sample(key, parts)
                if sample is not None:
                    yield sample
    except tarfile.TarError as error:
        raise Corrupt(f"{shard.place} is damaged ({error}); fetch or write it again.") from error


def count_samples(shards: Sequence[Shard]) -> int:
    """Pictures of all shards, by the archives' own lists; a damaged one counts as far as it goes."""
    count = 0
    for shard in shards:
        count += len(shard.paths)
        if shard.is_archive:
            try:
                with tarfile.open(shard.place, "r:") as archive:
                    count += sum(_ending(member.name) in PICTURE_ENDINGS for member in archive if member.isfile())
            except tarfile.TarError:
                continue
    return count


def _grouped(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """Files that stand one after the other and differ only in what follows the first dot of their names."""
    key: str | None = None
    parts: dict[str, bytes | None] = {}
    for member in archive:
        if not member.isfile():
            continue
        ending = _ending(member.name)
        here = member.name[: len(member.name) - len(ending) - 1] if ending else member.name
        if key is not None and here != key:
            yield key, parts
            parts = {}
        key = here
        if ending in (*PICTURE_ENDINGS, "txt", "json"):
            limit = MAX_BYTES if ending in PICTURE_ENDINGS else MAX_TEXT_BYTES
            file = archive.extractfile(member) if member.size <= limit else None
            parts.setdefault(ending, _read(file, member.size))
        archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
    if key is not None:
        yield key, parts


def _read(file: IO[bytes] | None, size: int) -> bytes | None:
    if file is None:
        return None
    data = file.read()
    if len(data) != size:
        raise tarfile.ReadError("it ends early")
    return data


def _ending(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _as_sample(key: str, parts: dict[str, bytes | None]) -> Sample | None:
    """A sample of its files; None where no picture is among them."""
    pictures = [ending for ending in parts if ending in PICTURE_ENDINGS]
    if not pictures:
        return None
    about: object = None
    try:
        about = json.loads(parts.get("json") or b"{}")
    except ValueError:
        about = {}
    told = about if isinstance(about, dict) else {}
    text = parts.get("txt")
    caption = text.decode(errors="replace") if text is not None else told.get("caption")
    url = told.get("url")
    return Sample(
        image_path=key,
        data=parts[pictures[0]],
        caption=caption if isinstance(caption, str) else None,
        url=url if isinstance(url, str) else None,
    )


def _read_file(folder: Path, path: str) -> Sample:
    file = folder / path
    text = file.with_suffix(".txt")
    try:
        data = file.read_bytes() if file.stat().st_size <= MAX_BYTES else None
        caption = text.read_text(errors="replace") if text.is_file() else None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}; check its permissions.") from error
    return Sample(image_path=path, data=data, caption=caption)
