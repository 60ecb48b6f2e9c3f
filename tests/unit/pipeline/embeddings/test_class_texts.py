"""Class texts: prompts by name, names of one meaning, pictures mixed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label, read_labels
from relaionet.pipeline.embeddings.class_texts import (
    Prototypes,
    distinct_label,
    embed_class_texts,
    expand_templates,
    make_prototypes,
)

REAL_CLIP = (Path(__file__).resolve().parents[5] / "shared" / "real" / "clip" / "clip_vitb32.npz").resolve()
LABELS = read_labels()


class Letters:
    """Unit rows by the letters of a text, so that another text is another row."""

    name, dim, fingerprint = "letters", 128, "letters"

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for place, letter in enumerate(text):
                row[ord(letter) % self.dim] += 1 + place / 100
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_sets_of_templates_are_open_clips() -> None:
    from open_clip import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    for name, makers in {
        "openai-imagenet": OPENAI_IMAGENET_TEMPLATES,
        "simple-imagenet": SIMPLE_IMAGENET_TEMPLATES,
    }.items():
        texts = [template.format(name="axolotl") for template in expand_templates([name])]
        assert texts == [make("axolotl") for make in makers]
    mixed = expand_templates(["{name}: {gloss}", "simple-imagenet"])
    assert (mixed[0], len(mixed)) == ("{name}: {gloss}", 8)
    with pytest.raises(BadInput, match="Did you mean 'openai-imagenet'"):
        expand_templates(["openai-imagenets"])


def test_the_ensemble_is_the_mean_made_a_unit_row_again() -> None:
    labels = LABELS[:3]
    rows = embed_class_texts(Letters(), labels, ["simple-imagenet"])  # type: ignore[arg-type]
    for label, row in zip(labels, rows, strict=True):
        prompts = [template.format(name=label.name) for template in expand_templates(["simple-imagenet"])]
        mean = Letters().encode_texts(prompts).mean(axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_every_class_has_a_text_that_can_mean_no_other() -> None:
    names = [distinct_label(label).name for label in LABELS]
    assert len({name.casefold() for name in names}) == 1000
    words = {word.casefold(): label.wnid for label in LABELS for word in label.lemmas}
    for label, name in zip(LABELS, names, strict=True):
        assert name.startswith(label.name)
        assert words.get(name.casefold(), label.wnid) == label.wnid
    changed = {label.wnid for label, name in zip(LABELS, names, strict=True) if name != label.name}
    assert {find_label(wnid).name for wnid in changed} >= {"cardigan", "missile", "sunglass", "sunglasses"}
    assert len(changed) == 8
    assert distinct_label(find_label("n04355933")).name == "sunglass, a convex lens that focuses the rays of the sun"
    assert distinct_label(find_label("n02012849")).name == "crane bird"  # its name says it already


def test_prototypes_are_means_of_their_pictures() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = make_prototypes(rows.astype(np.float16), [2] * 12 + [0] * 8, classes_count=4)
    assert made.counts.tolist() == [8, 0, 12, 0]
    mean = rows[:12].mean(axis=0)
    np.testing.assert_allclose(made.vectors[2], mean / np.linalg.norm(mean), atol=1e-3)
    assert not made.vectors[1].any()
    with pytest.raises(BadInput, match="0 to 3"):
        make_prototypes(rows, [4] * 20, classes_count=4)
    with pytest.raises(BadInput, match="20 rows for 3 classes"):
        make_prototypes(rows, [1, 2, 3], classes_count=4)


def test_pictures_move_only_the_classes_that_have_some() -> None:
    labels = LABELS[:3]
    texts = embed_class_texts(Letters(), labels, ["{name}"])  # type: ignore[arg-type]
    pictures = make_prototypes(np.eye(128)[[5, 5]], [1, 1], classes_count=3)
    for weight in (0.0, 0.3, 1.0):
        rows = embed_class_texts(Letters(), labels, ["{name}"], pictures, weight)  # type: ignore[arg-type]
        np.testing.assert_array_equal(rows[[0, 2]], texts[[0, 2]])
        mixed = (1 - weight) * texts[1] + weight * np.eye(128)[5]
        np.testing.assert_allclose(rows[1], mixed / np.linalg.norm(mixed), atol=1e-6)
    with pytest.raises(BadInput, match="prototype_weight"):
        embed_class_texts(Letters(), labels, ["{name}"], pictures, 1.5)  # type: ignore[arg-type]
    wrong = Prototypes(vectors=np.zeros((3, 7)), counts=np.zeros(3))
    with pytest.raises(BadInput, match="one encoder"):
        embed_class_texts(Letters(), labels, ["{name}"], wrong)  # type: ignore[arg-type]


@pytest.mark.real
@pytest.mark.skipif(not REAL_CLIP.is_file(), reason="needs the real material at ../shared/real")
def test_real_clip_texts_are_searched_like_a_full_sort() -> None:
    from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows

    real = np.load(REAL_CLIP)
    images, texts = real["image_embeddings"], real["openai_text_1000"].astype(np.float32)
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    cosines, rows = nearest_rows(images, texts, 5, RetrieveConfig(device="cpu"))
    full = images.astype(np.float64) @ texts.astype(np.float64).T
    np.testing.assert_array_equal(rows, np.argsort(-full, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(cosines, -np.sort(-full, axis=1)[:, :5], atol=1e-6)
