"""A feature set as it lies in its folder, so that some of its images can be scored again without any model.

<folder>/feature-set.npz    ids, wnids, cosines and ratings
<folder>/feature-set.json   which arrays of which extractors belong to it, its digest; written last
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relaionet.evaluators.features.feature_sets import FeatureSet
from relaionet.evaluators.lazy_rows import Names
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, read_json, write_atomic, write_json
from relaionet.pipeline.arrays import map_npy, read_npz

VERSION = "1"
ARRAYS_FILE, INFO_FILE = "feature-set.npz", "feature-set.json"
# what a column begins with
COSINE, RATING = "cosine ", "rating "


def pack_names(names: Sequence[str]) -> np.ndarray:
    """Names as bytes, a quarter of what numpy's own strings take.

    Args:
        names: [N], any.
    """
    size = max((len(name.encode()) for name in names), default=1)
    return np.fromiter((name.encode() for name in names), np.dtype(f"S{max(size, 1)}"), len(names))


def unpack_names(packed: np.ndarray) -> Names:
    """Names that `pack_names` packed."""
    return Names(pl.Series([name.decode() for name in packed], dtype=pl.String))


def write_feature_set(folder: Path, found: FeatureSet) -> None:
    """Write what `read_feature_set` reads, where it is not there yet.

    Args:
        folder: of the set; its extractors' folders lie in it.
        found: the set, as `extract_set` gave it.
    """
    told = _tell(found)
    if (folder / INFO_FILE).is_file() and read_json(folder / INFO_FILE) == told:
        return
    (folder / INFO_FILE).unlink(missing_ok=True)
    file = io.BytesIO()
    columns = [np.asarray(values) for values in (*found.cosines.values(), *found.ratings.values())]
    arrays: dict[str, Any] = {f"column-{place}": values for place, values in enumerate(columns)}
    np.savez_compressed(file, ids=pack_names(found.ids), wnids=pack_names(found.wnids), **arrays)
    write_atomic(folder / ARRAYS_FILE, file.getbuffer())
    write_json(folder / INFO_FILE, told)


def _tell(found: FeatureSet) -> dict[str, Any]:
    columns = [f"{COSINE}{name}" for name in found.cosines] + [f"{RATING}{name}" for name in found.ratings]
    several = {} if found.shown is None else {"shown": [list(some) for some in found.shown]}
    return several | {
        "version": VERSION, "digest": found.digest, "protocol": digest_of(found.protocol), "count": len(found),
        "arrays": dict(found.places), "columns": columns,
        "classes": None if found.classes is None else list(found.classes),
        "extra_names": list(found.extra_names), "made_with": dict(found.made_with),
    }  # fmt: skip


def read_feature_set(folder: Path, protocol: Protocol) -> FeatureSet:
    """A stored set; its large arrays stay on disk until they are looked at.

    Args:
        folder: of the set.
        protocol: it was made under.

    Raises:
        BadInput: none was stored, or it was made under other choices.
        Corrupt: what lies there is no such set.
    """
    path = folder / INFO_FILE
    if not path.is_file():
        raise BadInput(
            f"{folder} was scored by an earlier version and cannot be scored on fewer rows; run `relaionet evaluate` "
            "into it once more: nothing is sampled again."
        )
    told = read_json(path)
    try:
        if told["protocol"] != digest_of(protocol):
            raise BadInput(f"{folder} was made under other choices than protocol '{protocol.name}' has now.")
        stored = read_npz(folder / ARRAYS_FILE)
        arrays = {str(name): map_npy(folder / _inside(place)) for name, place in told["arrays"].items()}
        found = FeatureSet(
            protocol=protocol, ids=unpack_names(stored["ids"]), wnids=tuple(unpack_names(stored["wnids"])),
            features=arrays.pop("features"), logits=arrays.pop("logits"),
            classes=None if told["classes"] is None else tuple(told["classes"]), cosines=_of_kind(COSINE, told, stored),
            digest=told["digest"], extras=arrays, extra_names=tuple(told["extra_names"]),
            ratings=_of_kind(RATING, told, stored), made_with=told["made_with"],
            shown=tuple(map(tuple, told["shown"])) if "shown" in told else None,
        )  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"{folder} holds no stored feature set ({error}); delete {path} and run again.") from None
    lengths = {len(found.features), len(found.logits), len(found.wnids), len(found), len(found.shown or found.wnids)}
    if lengths != {told["count"]}:
        raise Corrupt(f"{folder}: its arrays are not of {told['count']} images; delete {path} and run again.")
    return found


def _inside(place: Any) -> str:
    parts = Path(str(place)).parts
    if len(parts) != 2 or ".." in parts or Path(str(place)).is_absolute():
        raise ValueError(f"{place!r:.80} is no file inside")
    return "/".join(parts)


def _of_kind(start: str, told: Mapping[str, Any], stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    named = enumerate(told["columns"])
    return {name.removeprefix(start): stored[f"column-{place}"] for place, name in named if name.startswith(start)}
