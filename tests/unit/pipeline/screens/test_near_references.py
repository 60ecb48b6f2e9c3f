"""The nearest reference picture of each candidate is the one a plain search over all sets and blocks finds."""

from __future__ import annotations

import numpy as np
import pytest

from relaionet.pipeline.screens.near_references import NEAR, NearReferences
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig


def pictures(rng: np.random.Generator, count: int, dim: int | None = 16) -> Pictures:
    vectors = None
    if dim is not None:
        vectors = rng.normal(size=(count, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    hashes = [f"{value:016x}" for value in rng.integers(0, 2**63, size=count)]
    return Pictures(phashes=hashes, mirrored=hashes, prints=np.zeros((count, 1024), np.uint8), vectors=vectors)


@pytest.mark.parametrize("neighbours", [0, 1, 4])
def test_it_is_the_nearest_of_all_blocks(neighbours: int) -> None:
    rng = np.random.default_rng(3)
    mine, blocks = pictures(rng, 9), [pictures(rng, count) for count in (5, 1, 7)]
    config = SamePictureConfig(neighbours_count=neighbours)
    near = NearReferences(9)
    for number, block in enumerate(blocks):
        rows = near.compare(mine, block, f"s{number}", [f"{n}.png" for n in range(99)], config, "cpu")
        assert rows.shape[0] == 9
        assert rows.shape[1] <= neighbours
    values: dict[str, list[object]] = {name: [None] * 10 for name in NEAR}
    near.write(values, [[place, 9] if place == 8 else [place] for place in range(9)])
    names = [f"s{number}:{n}.png" for number, block in enumerate(blocks) for n in range(len(block.phashes))]
    assert mine.vectors is not None
    cosines = mine.vectors @ np.concatenate([block.vectors for block in blocks if block.vectors is not None]).T
    hashes = [name for block in blocks for name in block.phashes]
    best = cosines.argmax(axis=1)
    assert values["reference_near"][:9] == [names[place] for place in best]
    assert values["reference_near_cosine"][:9] == pytest.approx(cosines.max(axis=1), abs=1e-5)
    bits = [(int(mine.phashes[n], 16) ^ int(hashes[place], 16)).bit_count() for n, place in enumerate(best)]
    assert values["reference_near_distance"][:9] == bits
    assert [values[name][9] for name in NEAR] == [values[name][8] for name in NEAR]


def test_of_equally_near_ones_the_first_name_and_without_vectors_none() -> None:
    rng = np.random.default_rng(4)
    mine = pictures(rng, 3)
    config = SamePictureConfig()
    forward, backward = NearReferences(3), NearReferences(3)
    for near, sets in ((forward, "ab"), (backward, "ba")):
        for name in sets:
            near.compare(mine, mine, name, ["x", "y", "z"], config, "cpu")
    found: list[dict[str, list[object]]] = [{name: [None] * 3 for name in NEAR} for _ in range(3)]
    forward.write(found[0], [[0], [1], [2]])
    backward.write(found[1], [[0], [1], [2]])
    assert found[0] == found[1]
    assert found[0]["reference_near"] == ["a:x", "a:y", "a:z"]
    blind = NearReferences(3)
    bare = pictures(rng, 3, dim=None)
    assert blind.compare(bare, bare, "a", ["x", "y", "z"], config, "cpu").shape == (3, 0)
    blind.write(found[2], [[0], [1], [2]])
    assert all(value is None for values in found[2].values() for value in values)
