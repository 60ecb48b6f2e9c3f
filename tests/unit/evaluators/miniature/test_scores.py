"""The miniature's own protocol on its own pictures: files in, scores out, with the shipped classifier and encoder."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter

from relaionet.evaluators.features.feature_sets import FeatureSet, extract_set
from relaionet.evaluators.features.images import ArrayImages, FileImages
from relaionet.evaluators.features.models import Models, load_models
from relaionet.evaluators.miniature.pictures import HELD_OUT_SEED, WORLD_SEED, draw_small
from relaionet.evaluators.protocols import find_protocol
from relaionet.evaluators.scoring.mmhm import score_mmhm
from relaionet.evaluators.scoring.score import score_generator, score_real
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture

COUNT = 120
WNIDS = [CLASSES[index % len(CLASSES)] for index in range(COUNT)]
ROWS = pl.DataFrame({"candidate_id": [f"{index:064x}" for index in range(COUNT)], "wnid": WNIDS})


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(find_protocol("miniature"))


@pytest.fixture(scope="module")
def reference(models: Models, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    folder = tmp_path_factory.mktemp("real")
    paths = [folder / f"{index}.jpg" for index in range(COUNT)]
    for index, (path, wnid) in enumerate(zip(paths, WNIDS, strict=True)):
        draw_picture(wnid, HELD_OUT_SEED + index, 96 + index).save(path, quality=85)
    return extract_set(FileImages(paths, 32, models.protocol.real), ROWS, models, folder / "features")


def score(models: Models, reference: FeatureSet, name: str, images: np.ndarray, out: Path) -> pl.DataFrame:
    source = ArrayImages(images, 32, models.protocol.generated)
    return score_generator(extract_set(source, ROWS, models, out / name), reference, generator=name, split="s")


def test_world_beats_damaged_copies_beats_noise(models: Models, reference: FeatureSet, tmp_path: Path) -> None:
    world = np.stack([draw_small(wnid, WORLD_SEED + index) for index, wnid in enumerate(WNIDS)])
    blurred = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(2))) for one in world]
    noise = np.random.default_rng(0).integers(0, 256, world.shape, dtype=np.uint8)
    sets = {"world": world, "blurred": np.stack(blurred), "noise": noise}
    scores = pl.concat([score(models, reference, name, images, tmp_path) for name, images in sets.items()])
    scores = pl.concat([scores, score_mmhm(scores)])
    for metric in scores["metric"].unique():
        rows = {row["generator"]: row for row in scores.filter(metric=metric).iter_rows(named=True)}
        values = [rows[name]["value"] for name in sets]
        assert values == sorted(values, reverse=values[0] > values[-1]), metric
        if not metric.startswith("MMHM"):
            less = "low" if values[0] > values[-1] else "high"
            more = "high" if less == "low" else "low"
            assert (rows["world"][less] - rows["noise"][more]) * (values[0] - values[-1]) > 0, metric


def test_wrong_labels_lower_alignment_and_accuracy_and_keep_the_distance(
    models: Models, reference: FeatureSet, tmp_path: Path
) -> None:
    """The paper's point in one test: the distance does not see that every picture shows another class than asked."""
    shifted = [CLASSES[(index + 1) % len(CLASSES)] for index in range(COUNT)]
    right = np.stack([draw_small(wnid, WORLD_SEED + index) for index, wnid in enumerate(WNIDS)])
    wrong = np.stack([draw_small(wnid, WORLD_SEED + index) for index, wnid in enumerate(shifted)])
    found = {}
    for name, images in {"right": right, "wrong": wrong}.items():
        table = score(models, reference, name, images, tmp_path)
        found[name] = dict(table.select("metric", "value").iter_rows())
    assert found["wrong"]["FD"] == pytest.approx(found["right"]["FD"], rel=0.5)
    assert found["wrong"]["CLIP Score"] < 0.6 * found["right"]["CLIP Score"]
    assert found["wrong"]["accuracy"] < 0.1 < 0.9 < found["right"]["accuracy"]
    assert found["wrong"]["csFD"] > 1.5 * found["right"]["csFD"]


def test_real_images_are_mostly_what_they_are_said_to_be(reference: FeatureSet) -> None:
    real = dict(score_real(reference, "s").select("metric", "value").iter_rows())
    assert real["accuracy"] > 0.93
    assert real["CLIP Score"] > 60
