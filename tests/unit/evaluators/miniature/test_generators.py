"""What the shipped weights of the miniature reach, on a few pictures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.metrics.frechet import fit_gaussian, frechet_distance
from relaionet.evaluators.miniature.bounds import WORLD_SEEDS_COUNT
from relaionet.evaluators.miniature.classifier import load_classifier
from relaionet.evaluators.miniature.figures import generate_all, make_class_requests
from relaionet.evaluators.miniature.pictures import (
    CLASS_INDICES,
    HELD_OUT_SEED,
    SEEDS_COUNT,
    TRAIN_SEED,
    WORLD_SEED,
    draw_pool,
    draw_small,
)
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, ENCODER_CHECK_SEEDS, ENCODER_SEEDS, WORLD_SEEDS

PER_CLASS = 6


def classify(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classifier = load_classifier()
    with torch.inference_mode():
        features = classifier.features(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
        return features.numpy(), classifier.logits(features).argmax(dim=1).numpy()


@pytest.fixture(scope="module")
def world() -> np.ndarray:
    pool = draw_pool(PER_CLASS, HELD_OUT_SEED + 500_000)  # nobody's pictures: after those the figures are of
    return pool.reshape(-1, 32, 32, 3)


def test_no_two_uses_share_a_picture():
    ranges = [
        ENCODER_SEEDS,
        ENCODER_CHECK_SEEDS,
        range(TRAIN_SEED, TRAIN_SEED + SEEDS_COUNT),
        range(HELD_OUT_SEED, HELD_OUT_SEED + SEEDS_COUNT),
        range(WORLD_SEED, WORLD_SEED + WORLD_SEEDS_COUNT),
        WORLD_SEEDS,
    ]
    ordered = sorted(ranges, key=lambda one: one.start)
    assert all(before.stop <= after.start for before, after in itertools.pairwise(ordered))


def test_pool_is_kept_and_checked(tmp_path):
    pool = draw_pool(2, 1, tmp_path / "pool.npy")
    assert np.array_equal(pool, draw_pool(2, 1, tmp_path / "pool.npy"))
    assert np.array_equal(pool[3, 1], draw_small(CLASSES[3], 2))
    with pytest.raises(BadInput, match="delete it"):
        draw_pool(3, 1, tmp_path / "pool.npy")


def test_classifier_knows_fresh_pictures(world):
    _, labels = classify(world)
    assert (labels == np.repeat(np.arange(20), PER_CLASS)).mean() >= 0.94


def test_classifier_refuses_other_pictures():
    classifier = load_classifier()
    for images in (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), torch.zeros(2, 3, 32, 32)):
        with pytest.raises(BadInput, match="Resize"):
            classifier.features(images)


def test_distances_are_ordered_and_guidance_brings_the_class(world):
    reference = fit_gaussian(classify(world)[0])
    requests = make_class_requests(PER_CLASS)
    wanted = np.array([CLASS_INDICES.index(request.class_index) for request in requests])
    runs = {
        "world": ("miniature-world", Settings(steps=0)),
        "flow": ("miniature-flow", Settings(steps=4, guidance=2.0)),
        "plain flow": ("miniature-flow", Settings(steps=4)),
        "one step": ("miniature-meanflow", Settings(steps=1, guidance=2.0)),
        "plain one step": ("miniature-meanflow", Settings(steps=1)),
        "noise": ("miniature-noise", Settings(steps=0)),
    }
    distance, accuracy, calls = {}, {}, {}
    for name, (generator, settings) in runs.items():
        images, calls[name] = generate_all(load_generator(generator), requests, settings)
        features, labels = classify(images)
        distance[name], accuracy[name] = frechet_distance(fit_gaussian(features), reference), (labels == wanted).mean()
    for name in ("flow", "one step"):
        assert distance["world"] < distance[name] < distance["noise"]
        assert accuracy[name] > 2 * accuracy["noise"]
        assert accuracy[name] > accuracy[f"plain {name}"]
    assert accuracy["noise"] < 0.1
    assert calls == {"world": 0, "flow": 8, "plain flow": 4, "one step": 1, "plain one step": 1, "noise": 0}


@pytest.mark.parametrize("name", ["miniature-flow", "miniature-meanflow"])
def test_bytes_do_not_depend_on_the_batch_or_threads(name):
    generator, requests, settings = load_generator(name), make_class_requests(1)[:17], Settings(steps=1, guidance=2.0)
    whole = generator.generate(requests, settings).images
    for size in (3, 16):
        parts = [generator.generate(requests[i : i + size], settings).images for i in range(0, 17, size)]
        assert np.array_equal(np.concatenate(parts), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert np.array_equal(generator.generate(requests[4:5], settings).images[0], whole[4])
    finally:
        torch.set_num_threads(threads)
