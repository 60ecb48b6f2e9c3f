"""Reference sets on disk: pictures that must not be in the set, embedded and hashed once and kept for every run.

Layout: `<root>/<name>/<first 16 digits of the encoder's fingerprint>/references/<shard>.parquet`, beside it `vectors`
and `prints`. A shard is some thousand files in the order of their paths; its receipt is written last, so adding a set
may be killed and goes on where it stopped. Files are known by path, size and time of change, and where those differ by
their bytes: a set that was copied elsewhere is hashed again, not embedded again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt, nearest_name
from relaionet.manifests.files import digest_of, file_sha256, read_json_object, write_atomic, write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import alive
from relaionet.manifests.tables.screens import REFERENCES
from relaionet.pipeline.arrays import npy_bytes, read_npy
from relaionet.pipeline.embeddings import embed
from relaionet.pipeline.embeddings.batches import usable_cores
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.images.decode import FORMATS, BrokenImage
from relaionet.pipeline.images.files import is_systems_own
from relaionet.pipeline.images.picture import read_picture
from relaionet.pipeline.screens import pixel_measures as picture_measures
from relaionet.pipeline.screens.registration import PRINT_BYTES, take_print
from relaionet.pipeline.screens.same_pictures import Pictures

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
SHARD_FILES = 2048
BLOCK_ROWS = 65_536
FINGERPRINT_DIGITS = 16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SUFFIXES = {f".{suffix}" for suffix in (*FORMATS.values(), "jpg", "tif")}
SET_FILE = "set.json"


@dataclass(frozen=True, kw_only=True)
class StoredReference:
    """A reference set in the store, read block by block.

    Attributes:
        name: shown as evidence.
        folder: of this set for one encoder.
    """

    name: str
    folder: Path

    @property
    def store(self) -> Store:
        """Its tables."""
        return Store(self.folder)

    @property
    def pictures_count(self) -> int:
        """How many pictures it holds, without the files that are none."""
        return int(read_json_object(self.folder / SET_FILE)["pictures_count"])

    @property
    def pictures_folder(self) -> Path | None:
        """Where the pictures lay when they were added; None in a set that was added before that was noted."""
        folder = read_json_object(self.folder / SET_FILE).get("pictures_folder")
        return None if folder is None else Path(folder)

    @property
    def digest(self) -> str:
        """Digest of all that it holds."""
        return digest_of([receipt.sha256 for receipt in self.store.receipts(REFERENCES)])

    def blocks(self) -> Iterator[tuple[Sequence[str], Pictures]]:
        """Names and pictures, some shards at a time, so that memory does not grow with the set.

        Raises:
            Corrupt: a shard is not what its receipt says.
        """
        waiting: list[str] = []
        rows_count = 0
        for receipt in self.store.receipts(REFERENCES):
            if waiting and rows_count + receipt.rows_count > BLOCK_ROWS:
                yield self._read(waiting)
                waiting, rows_count = [], 0
            waiting.append(receipt.shard)
            rows_count += receipt.rows_count
        if waiting:
            yield self._read(waiting)

    def _read(self, shards: Sequence[str]) -> tuple[list[str], Pictures]:
        import numpy as np

        parts = [read_shard(self.store, shard) for shard in shards]
        table = pl.concat([part[0] for part in parts])
        return table["path"].to_list(), Pictures(
            phashes=table["phash"].to_list(),
            vectors=np.concatenate([part[1] for part in parts]),
            prints=np.concatenate([part[2] for part in parts]),
        )


def array_paths(folder: Path, shard: str) -> tuple[Path, Path]:
    """Where the vectors and the prints of a shard lie."""
    return folder / "vectors" / f"{shard}.npy", folder / "prints" / f"{shard}.npy"


def read_shard(store: Store, shard: str) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Rows of the pictures of one shard, their vectors [n, D] float16 and prints [n, 1024] uint8.

    Raises:
        Corrupt: an array is not what the table says.
    """
    table = alive(store.read(REFERENCES, shard))
    vectors_path, prints_path = array_paths(store.root, shard)
    try:
        vectors, prints = (read_npy(path) for path in (vectors_path, prints_path))
    except (OSError, ValueError) as error:
        raise Corrupt(f"{vectors_path} or its prints cannot be read: {error}; add the reference set again.") from error
    if len(vectors) != table.height or prints.shape != (table.height, PRINT_BYTES):
        raise Corrupt(f"{vectors_path}: {len(vectors)} rows for {table.height} pictures; add the reference set again.")
    return table, vectors, prints


def check_name(name: str) -> str:
    """A name that can be a folder.

    Raises:
        BadInput: it cannot.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"reference set '{name}': a name is letters, digits, '.', '_' and '-', up to 64 of them.")
    return name


def set_folder(root: Path, name: str, encoder: Encoder) -> Path:
    """Where a set lies for an encoder."""
    return root / check_name(name) / encoder.fingerprint[:FINGERPRINT_DIGITS]


def open_reference(root: Path, name: str, encoder: Encoder) -> StoredReference:
    """A set that was added with this encoder.

    Raises:
        BadInput: it was not added, not to its end, or with another encoder.
    """
    folder = set_folder(root, name, encoder)
    if not (root / name).is_dir():
        known = sorted(path.name for path in root.glob("*/"))
        raise BadInput(
            f"reference set '{name}' is not in {root}.{nearest_name(name, known)} "
            f"Add it: relaionet reference add DIR --name {name}."
        )
    if not (folder / SET_FILE).is_file():
        raise BadInput(
            f"reference set '{name}' is not finished for encoder '{encoder.name}'; run "
            f"relaionet reference add DIR --name {name} with this encoder; it goes on where it stopped."
        )
    return StoredReference(name=name, folder=folder)


def pictures_folder_of(root: Path, name: str) -> Path | None:
    """Where the pictures of a set lie, whatever encoder it was added with; None where nothing says so.

    Raises:
        BadInput: the name is none.
    """
    check_name(name)
    sets = [StoredReference(name=name, folder=path.parent) for path in sorted((root / name).glob(f"*/{SET_FILE}"))]
    folders = [found.pictures_folder for found in sets]
    return next((folder for folder in folders if folder is not None and folder.is_dir()), None)


def list_pictures(folder: Path) -> list[str]:
    """Paths of the picture files under a folder, any depth, by their suffix, in order.

    Raises:
        BadInput: it is no folder or holds none.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder of pictures.")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    names = [name for name in names if not is_systems_own(name)]
    if not names:
        raise BadInput(f"{folder} holds no pictures; expected files such as .jpeg or .png at any depth.")
    return names


def add_reference(
    folder: Path, name: str, root: Path, encoder: Encoder, config: EmbedConfig,
    progress: Callable[[int], None] | None = None,
) -> StoredReference:  # fmt: skip
    """Embed and hash all pictures of a folder into the store; what is there already is kept.

    Args:
        folder: of pictures, any depth.
        name: of the set.
        root: of the store.
        encoder: of the runs that will be screened against it.
        config: how pictures are embedded.
        progress: called with the number of files just done or found done.

    Raises:
        BadInput: no pictures, or a name that is none.
        Corrupt: a file cannot be read while it is worked on.
    """
    names = list_pictures(folder)
    target = set_folder(root, name, encoder)
    store = Store(target)
    settings = digest_of(encoder.fingerprint, config.max_pixels, embed.VERSION, picture_measures.VERSION, VERSION)
    (target / SET_FILE).unlink(missing_ok=True)
    shards = {
        f"{start // SHARD_FILES:05d}": names[start : start + SHARD_FILES] for start in range(0, len(names), SHARD_FILES)
    }
    for shard, part in shards.items():
        _add_shard(store, shard, folder, part, encoder, config, settings, progress)
    store.keep_only(REFERENCES, list(shards))
    rows = pl.concat([store.read(REFERENCES, shard, columns=["status"]) for shard in shards])
    counts = {"files_count": rows.height, "pictures_count": alive(rows).height}
    about = {"name": name, "encoder": encoder.name, "fingerprint": encoder.fingerprint}
    write_json(target / SET_FILE, {**about, "pictures_folder": str(folder.resolve()), **counts})
    return StoredReference(name=name, folder=target)


def _add_shard(
    store: Store, shard: str, folder: Path, names: Sequence[str], encoder: Encoder, config: EmbedConfig, settings: str,
    progress: Callable[[int], None] | None,
) -> None:  # fmt: skip
    tell = progress or (lambda _count: None)
    stats = [(folder / name).stat() for name in names]
    seen = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, stats, strict=True)]
    digest = digest_of(settings, str(folder.resolve()), seen)
    is_there = all(path.is_file() for path in array_paths(store.root, shard))
    if is_there and store.has_table(REFERENCES, digest, shard):
        tell(len(names))
        return
    sums = _sums(folder, names, config.threads or usable_cores())
    if is_there and _holds(store, shard, names, sums, settings):
        table = store.read(REFERENCES, shard)
        tell(len(names))
    else:
        table = _make_shard(store.root, shard, folder, names, sums, encoder, config, tell)
    store.write(table.with_columns(settings=pl.lit(settings)), REFERENCES, digest, shard=shard)


def _sums(folder: Path, names: Sequence[str], threads: int) -> list[str]:
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(lambda name: file_sha256(folder / name), names))


def _holds(store: Store, shard: str, names: Sequence[str], sums: Sequence[str], settings: str) -> bool:
    """True where the shard was made of the very same bytes, whatever folder and times the files had."""
    if store.receipt(REFERENCES.name, shard) is None or not store.path(REFERENCES, shard).is_file():
        return False
    table = store.read(REFERENCES, shard)
    same = table["path"].to_list() == list(names) and table["image_sha256"].to_list() == list(sums)
    return same and set(table["settings"]) == {settings}


def _make_shard(
    root: Path, shard: str, folder: Path, names: Sequence[str], sums: Sequence[str], encoder: Encoder,
    config: EmbedConfig, progress: Callable[[int], None],
) -> pl.DataFrame:  # fmt: skip
    import numpy as np

    ids = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    rows = pl.DataFrame({"candidate_id": ids, "path": names, "image_sha256": sums})
    table, vectors = embed_images(rows.select("candidate_id", "path"), encoder, folder, config, progress)
    table = rows.join(table, on="candidate_id", maintain_order="left")
    with ThreadPoolExecutor(max_workers=config.threads or usable_cores()) as pool:
        paths = [folder / name for name in alive(table)["path"]]
        taken = list(pool.map(lambda path: _print_of(path, config.max_pixels), paths))
    prints = np.frombuffer(b"".join(taken), dtype=np.uint8).reshape(len(taken), PRINT_BYTES)
    for path, array in zip(array_paths(root, shard), (vectors, prints), strict=True):
        write_atomic(path, npy_bytes(array))
    return table


def _print_of(path: Path, max_pixels: int) -> bytes:
    try:
        return take_print(read_picture(path, max_pixels=max_pixels))
    except (OSError, BrokenImage) as error:
        raise Corrupt(f"{path} changed while it was added: {error}; add the reference set again.") from error
