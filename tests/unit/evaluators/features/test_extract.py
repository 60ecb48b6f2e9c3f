import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.evaluators.features.extract import extract_features
from relaionet.evaluators.features.feature_sets import count_passes, extract_set
from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.features.models import Models, load_models
from relaionet.evaluators.protocols import Resize, find_protocol
from relaionet.evaluators.scoring.measure import measure_set
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from tests.waiting import wait_until

ROOT = Path(__file__).parents[4]
PROTOCOL = dataclasses.replace(find_protocol("miniature"), batch_count=8)


class Means:
    """Mean colours as features; remembers the sizes of the batches it was given, and can fail at one."""

    name, dim, fingerprint = "a/../means", 3, "1"
    classes = tuple(label.wnid for label in read_labels()[:3])

    def __init__(self, fail_at: int | None = None) -> None:
        self.batches: list[int] = []
        self.fail_at = fail_at

    def extract(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        if len(self.batches) == self.fail_at:
            raise KeyboardInterrupt
        self.batches.append(len(images))
        means = images.mean(axis=(2, 3), dtype=np.float64)
        return {"features": means, "logits": -means}


class Colours:
    """An encoder whose images are colours and whose texts are all red."""

    name, dim, fingerprint = "colours", 3, "1"

    def preprocess(self, image):  # type: ignore[no-untyped-def]
        import torch

        return torch.from_numpy(np.asarray(image.resize((2, 2)), dtype=np.float32)).permute(2, 0, 1)

    def encode_images(self, batch):  # type: ignore[no-untyped-def]
        rows = batch.mean(dim=(2, 3)).numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        assert all(text.startswith("a photo of a ") for text in texts)
        return np.tile(np.float32([1, 0, 0]), (len(texts), 1))


def make_images(count: int, seed: int = 0) -> ArrayImages:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return ArrayImages(images, 32, Resize())


def ids(count: int) -> list[str]:
    return [f"{index:064x}" for index in range(count)]


def test_features_are_extracted_once_and_read_after_that(tmp_path: Path) -> None:
    images, extractor, seen = make_images(21), Means(), []
    first = extract_features(images, ids(21), extractor, PROTOCOL, tmp_path, seen.append)
    again = extract_features(images, ids(21), extractor, PROTOCOL, tmp_path, seen.append)
    assert extractor.batches == [8, 8, 8]
    assert sum(seen) == 42
    assert list(first.ids) == list(again.ids) == ids(21) == json.loads(next(tmp_path.glob("*/ids.json")).read_text())
    assert first.digest == again.digest
    np.testing.assert_array_equal(first.arrays["features"], again.arrays["features"])
    np.testing.assert_allclose(first.arrays["features"], images.read(0, 21).mean(axis=(1, 2)), rtol=1e-6)


def test_a_killed_extraction_goes_on_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaionet.evaluators.features.extract.SAVE_EVERY", 2)
    images = make_images(61)
    whole = extract_features(images, ids(61), Means(), PROTOCOL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        extract_features(images, ids(61), Means(fail_at=5), PROTOCOL, tmp_path / "part")
    assert not list((tmp_path / "part").rglob("*.receipt.json"))
    rest, seen = Means(), []
    found = extract_features(images, ids(61), rest, PROTOCOL, tmp_path / "part", seen.append)
    assert len(rest.batches) == 8 - 4
    assert sum(seen) == 61
    np.testing.assert_array_equal(found.arrays["features"], whole.arrays["features"])
    assert not list((tmp_path / "part").rglob("*.part"))


SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from relaionet.evaluators.features import extract as features
from tests.unit.evaluators.features.test_extract import PROTOCOL, Means, ids, make_images

class Slow(Means):
    def extract(self, images):
        time.sleep(0.1)
        return super().extract(images)

features.SAVE_EVERY = 2
features.extract_features(make_images(301), ids(301), Slow(), PROTOCOL, Path(sys.argv[1]))
"""


def test_an_extraction_killed_for_good_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL in the middle, three times over, each time after some more points were saved."""
    whole = extract_features(make_images(301), ids(301), Means(), PROTOCOL, tmp_path / "whole")
    done = 0

    def done_count() -> int:
        points = list((tmp_path / "part").glob("*/progress.json"))
        return json.loads(points[0].read_text())["done_count"] if points else 0

    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path / "part")], cwd=ROOT)
        before = done
        wait_until(lambda: done_count() > before, process, every_s=0.01)  # noqa: B023  called within this round
        process.kill()
        assert process.wait() == -signal.SIGKILL
        done = done_count()
        assert before < done < 301
    rest = Means()
    found = extract_features(make_images(301), ids(301), rest, PROTOCOL, tmp_path / "part")
    assert len(rest.batches) == -(-(301 - done) // 8)
    assert found.digest == whole.digest
    for name in ("features", "logits"):
        one, two = (next((tmp_path / side).rglob(f"{name}.npy")).read_bytes() for side in ("part", "whole"))
        assert one == two


@pytest.mark.parametrize("batch_count", [1, 7, 40])
def test_numbers_hardly_depend_on_the_images_in_a_forward_pass(tmp_path: Path, batch_count: int) -> None:
    """The miniature's real network: a protocol fixes the batch, and another one moves a score by rounding only."""
    models = load_models(find_protocol("miniature"))
    rows = pl.DataFrame({"sample_id": ids(80), "wnid": [models.classifier.classes[row % 20] for row in range(80)]})
    values = []
    for count in (batch_count, 64):
        protocol = dataclasses.replace(find_protocol("miniature"), batch_count=count)
        few = Models(protocol, models.fd, models.classifier, models.alignments)
        sets = [extract_set(make_images(80, seed), rows, few, tmp_path / f"{count}-{seed}") for seed in (0, 1)]
        values.append({name: one.value for name, one in measure_set(*sets).estimates.items()})
    assert values[0].keys() == values[1].keys()
    for name, value in values[0].items():
        assert value == pytest.approx(values[1][name], rel=1e-4, abs=1e-6), name


def test_a_part_of_other_images_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaionet.evaluators.features.extract.SAVE_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        extract_features(make_images(40, 1), ids(40), Means(fail_at=3), PROTOCOL, tmp_path)
    other = make_images(40, 2)
    found = extract_features(other, ids(40), Means(), PROTOCOL, tmp_path)
    np.testing.assert_allclose(found.arrays["features"], other.read(0, 40).mean(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("change", ["images", "ids", "extractor", "batch"])
def test_features_of_something_else_are_made_anew(tmp_path: Path, change: str) -> None:
    extract_features(make_images(9), ids(9), Means(), PROTOCOL, tmp_path)
    extractor, protocol = Means(), PROTOCOL
    images, names = make_images(9, seed=int(change == "images")), ids(9)
    if change == "ids":
        names = names[::-1]
    if change == "extractor":
        extractor.fingerprint = "2"  # type: ignore[misc]
    if change == "batch":
        protocol = dataclasses.replace(PROTOCOL, batch_count=4)
    extract_features(images, names, extractor, protocol, tmp_path)
    assert extractor.batches


def test_an_extractors_name_never_leaves_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "set"
    extract_features(make_images(3), ids(3), Means(), PROTOCOL, out)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert [path.name for path in out.iterdir()] == [next(out.iterdir()).name]


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    extract_features(make_images(9), ids(9), Means(), PROTOCOL, tmp_path)
    path = next(tmp_path.rglob("features.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="delete it"):
        extract_features(make_images(9), ids(9), Means(), PROTOCOL, tmp_path)


def test_ids_and_images_must_be_as_many(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="9 images with 8 ids"):
        extract_features(make_images(9), ids(8), Means(), PROTOCOL, tmp_path)


def test_a_set_has_everything_the_metrics_need(tmp_path: Path) -> None:
    extractor = Means()
    models = Models(PROTOCOL, extractor, extractor, {"CLIP Score": Colours()})
    rows = pl.DataFrame({"sample_id": ids(12), "wnid": [extractor.classes[index % 3] for index in range(12)]})
    images, seen = make_images(12), []
    found = extract_set(images, rows, models, tmp_path, seen.append)
    assert sum(seen) == 12 * count_passes(models) == 24
    assert found.classes == extractor.classes
    assert found.wnids == tuple(rows["wnid"])
    assert found.cosines["CLIP Score"].shape == (12,)
    small = found.take([3, 1])
    assert small.ids == (found.ids[3], found.ids[1])
    np.testing.assert_array_equal(small.features, found.features[[3, 1]])
    with pytest.raises(BadInput, match="found a"):
        extract_set(images, pl.DataFrame({"a": [1]}), models, tmp_path)
