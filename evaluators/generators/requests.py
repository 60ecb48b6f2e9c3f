"""What a generator is asked for: one request for each row of a split, each with a seed of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import polars as pl

from relaionet.evaluators.generators.protocol import Info, Request
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label


def make_seed(base_seed: int, split_name: str, sample_id: str) -> int:
    """Seed of one sample, 0 to 2^63 - 1: the first 8 bytes of sha256(base_seed|split_name|sample_id), halved."""
    digest = hashlib.sha256(f"{base_seed}|{split_name}|{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_requests(
    split: pl.DataFrame,
    *,
    base_seed: int,
    split_name: str,
    prompt: str = "a photo of a {class}",
    per_row: int = 1,
    limit: int | None = None,
) -> list[Request]:
    """One request for each row of a split, or several.

    Args:
        split: columns candidate_id, wnid, class_index.
        base_seed: of the whole run; a sample's own seed is a hash of this, the split's name and its id.
        split_name: name of the split.
        prompt: text for generators that take one; `{class}` becomes the class name.
        per_row: images per row; the k-th after the first has `-k` appended to its id.
        limit: at most so many rows, those with the smallest seeds, so that any order of rows gives the same ones.

    Returns:
        Requests in the order of the rows.

    Raises:
        BadInput: a column is missing, a label is unknown, or a number makes no sense.
    """
    missing = [name for name in ("candidate_id", "wnid", "class_index") if name not in split.columns]
    if missing:
        raise BadInput(f"split '{split_name}': missing column {', '.join(missing)}; found {', '.join(split.columns)}.")
    if per_row < 1 or (limit is not None and limit < 1):
        raise BadInput(f"split '{split_name}': per_row = {per_row}, limit = {limit}; expected at least 1 of each.")
    rows = list(split.select("candidate_id", "wnid", "class_index").iter_rows())
    if limit is not None and limit < len(rows):
        keep = set(sorted((row[0] for row in rows), key=lambda name: make_seed(base_seed, split_name, name))[:limit])
        rows = [row for row in rows if row[0] in keep]
    requests = []
    for candidate_id, wnid, class_index in rows:
        label = find_label(wnid)
        if label.class_index != class_index:
            raise BadInput(f"split '{split_name}': {candidate_id} has class_index {class_index}, {wnid} is "
                           f"{label.class_index}.")  # fmt: skip
        for k in range(per_row):
            sample_id = candidate_id if k == 0 else f"{candidate_id}-{k}"
            request = Request(
                sample_id=sample_id, class_index=class_index, wnid=wnid, class_name=label.name,
                prompt=prompt.replace("{class}", label.name), seed=make_seed(base_seed, split_name, sample_id),
            )  # fmt: skip
            requests.append(request)
    return requests


def check_classes(info: Info, classes: Mapping[int, str]) -> None:
    """See that a generator knows every class it will be asked for.

    Args:
        info: of the generator.
        classes: class_index -> wnid.

    Raises:
        BadInput: it does not.
    """
    if info.class_indices is None:
        return
    known = set(info.class_indices)
    foreign = sorted(wnid for index, wnid in classes.items() if index not in known)
    if foreign:
        raise BadInput(
            f"generator '{info.name}' knows {len(known)} classes and not {foreign[0]} ({len(foreign)} of the split's "
            f"{len(classes)} classes are unknown to it); score it on a split of its own classes."
        )
