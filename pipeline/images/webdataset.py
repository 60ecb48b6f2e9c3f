"""Pictures of WebDataset shards, as img2dataset writes them, and of plain folders, in shards of their own.

Every member of an archive that is named like a picture is one, also where several have one key, a name stands twice or
what belongs together stands apart. Names are unique only inside an archive, so a picture's path begins with it.
"""

from __future__ import annotations

import glob
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.containers.tar import TarMember, walk_tar
from relaionet.manifests.containers.texts import parse_json
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables.candidates import CAPTION_CHARS
from relaionet.pipeline.images.decode import MAX_BYTES

# the last are no pictures of ours: they become rows with a reason
PICTURE_ENDINGS = (
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif",
    "jpe", "jfif", "heic", "heif", "jxl", "jp2", "ppm", "svg",
)  # fmt: skip
MAX_TEXT_BYTES = 1_000_000
MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture before it is read; its bytes are in memory only while they are looked at.

    Attributes:
        image_path: path in the folder, or name of the archive and of the picture in it.
        caption: null where there is none.
        url: where it came from; null where nothing says so.
        file: that holds its bytes.
        start: where they begin in it.
        size: how many there are.
        fault: why it cannot be read; None where it can.
    """

    image_path: str
    caption: str | None = None
    url: str | None = None
    file: Path = field(repr=False)
    start: int = 0
    size: int
    fault: str | None = None

    @property
    def data(self) -> bytes | None:
        """Its bytes; None where there is a fault."""
        if self.fault is not None:
            return None
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Pictures that are embedded into one shard.

    Attributes:
        name: number of the shard, as text.
        title: what paths in an archive begin with; empty for a folder.
        place: the archive, or the folder.
        paths: files of the folder, with `/`; none for an archive.
        stamp: sizes and times of change, by which a change is noticed.
    """

    name: str
    title: str = ""
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
        base = _base_of(place)
        return [
            Shard(name=str(number), title=path.relative_to(base).as_posix(), place=path, paths=(), stamp=_stamp(path))
            for number, path in enumerate(archives)
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


def _base_of(place: Path) -> Path:
    """The folder that archives are named from: the same whichever of them there are."""
    if place.is_dir():
        return place
    parts = place.parts[:-1]
    return Path(*parts[: next((number for number, part in enumerate(parts) if MAGIC.search(part)), len(parts))])


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
        with shard.place.open("rb") as file:
            yield from _read_archive(file, shard)
    except Refused as error:
        raise Corrupt(f"{shard.place} is damaged ({error}); fetch or write it again.") from None
    except OSError as error:
        raise BadInput(f"{shard.place} cannot be read: {error.strerror}.") from None


def count_samples(shards: Sequence[Shard]) -> int:
    """Pictures of all shards, by the archives' own lists; a damaged one counts as far as it goes."""
    count = 0
    for shard in shards:
        count += len(shard.paths)
        if shard.is_archive:
            try:
                with shard.place.open("rb") as file:
                    for member in walk_tar(file):
                        count += is_picture(member)
            except (Refused, OSError):
                continue
    return count


def is_picture(member: TarMember) -> bool:
    """True for a member that is named like a picture, whatever it is; False for folders and macOS's shadows."""
    name = member.name.rpartition("/")[2]
    return member.kind != "folder" and not name.startswith("._") and _ending(name) in PICTURE_ENDINGS


def _ending(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _read_archive(file: BinaryIO, shard: Shard) -> Iterator[Sample]:
    """Pictures in the order of the archive, each with the texts that belong to it."""
    members = list(walk_tar(file))
    pictures = [member for member in members if is_picture(member)]
    texts: dict[str, Mapping[str, list[TarMember]]] = {}
    for ending in ("txt", "json"):
        named: dict[str, list[TarMember]] = defaultdict(list)
        for member in members:
            if member.kind == "file" and _ending(member.name) == ending:
                named[_stem(member.name)].append(member)
        texts[ending] = named
    stems = {_stem(member.name) for member in pictures}
    seen: Counter[str] = Counter()
    for name, member in zip(_names(pictures), pictures, strict=True):
        occurrence = seen[member.name]
        seen[member.name] += 1
        caption = _text_of(file, texts["txt"], member, stems, occurrence)
        about = _text_of(file, texts["json"], member, stems, occurrence)
        yield _as_sample(shard, name, member, caption, about)


def _names(pictures: Sequence[TarMember]) -> list[str]:
    """A name for each: without its ending where that tells them apart, else whole, else with its number."""
    stems = Counter(_stem(member.name) for member in pictures)
    whole = Counter(member.name for member in pictures)
    used = {_stem(member.name) for member in pictures if stems[_stem(member.name)] == 1}
    names, seen = [], Counter[str]()
    for member in pictures:
        if stems[_stem(member.name)] == 1:
            names.append(_stem(member.name))
            continue
        seen[member.name] += 1
        number = seen[member.name]
        name = member.name if number == 1 or whole[member.name] == 1 else f"{member.name}#{number}"
        while name in used:
            number += 1
            name = f"{member.name}#{number}"
        used.add(name)
        names.append(name)
    return names


def _text_of(
    file: BinaryIO, texts: Mapping[str, list[TarMember]], picture: TarMember, stems: set[str], occurrence: int
) -> bytes | None:
    """The text beside a picture: of its own name, or of a shorter one up to a dot, if no picture has that name.

    Of several of one name the first belongs to the first picture of that name, and so on.
    """
    stem = _stem(picture.name)
    found = texts.get(stem)
    while found is None:
        folder, slash, name = stem.rpartition("/")
        shorter, dot, _ = name.rpartition(".")
        if not dot or not shorter or (stem := f"{folder}{slash}{shorter}") in stems:
            return None
        found, occurrence = texts.get(stem), 0
    if occurrence >= len(found) or found[occurrence].size > MAX_TEXT_BYTES:
        return None
    file.seek(found[occurrence].start)
    return file.read(found[occurrence].size)


def _as_sample(shard: Shard, name: str, member: TarMember, caption: bytes | None, about: bytes | None) -> Sample:
    try:
        told = parse_json(about or b"{}")
    except Refused:
        told = {}
    told = told if isinstance(told, dict) else {}
    text = caption.decode(errors="replace") if caption is not None else told.get("caption")
    url = told.get("url")
    fault = None if member.kind == "file" else f"its member is no plain file, but a {member.kind}"
    if fault is None and member.size > MAX_BYTES:
        fault = f"longer than {MAX_BYTES:,} bytes"
    return Sample(
        image_path=f"{shard.title}/{name}",
        caption=_as_text(text, CAPTION_CHARS),
        url=_as_text(url, MAX_TEXT_BYTES),
        file=shard.place,
        start=member.start,
        size=member.size,
        fault=fault,
    )


def _as_text(value: object, most: int) -> str | None:
    """A text that can be stored: lone halves of surrogate pairs, which JSON may hold, are replaced."""
    return value[:most].encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _read_file(folder: Path, path: str) -> Sample:
    file = folder / path
    text = file.with_suffix(".txt")
    try:
        size = file.stat().st_size
        caption = None
        if text.is_file():
            with text.open("rb") as stream:
                caption = stream.read(MAX_TEXT_BYTES).decode(errors="replace")[:CAPTION_CHARS]
        with file.open("rb"):
            pass
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}; check its permissions.") from error
    fault = f"longer than {MAX_BYTES:,} bytes" if size > MAX_BYTES else None
    return Sample(image_path=path, caption=caption, file=file, size=size, fault=fault)
