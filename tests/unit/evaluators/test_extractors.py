import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from relaionet.evaluators.extractors import INCEPTION_FILE, EncoderExtractor, load_extractor, load_models
from relaionet.evaluators.protocols import find_protocol
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in torch-fidelity's file layout."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    patch = pytest.MonkeyPatch()
    patch.setattr(theirs, "load_state_dict_from_url", lambda *_args, **_options: {})
    patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_args, **_options: None)
    network = theirs.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    patch.undo()
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_is_torch_fidelitys_bit_for_bit(inception_weights: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    ours = load_extractor("inception", weights=str(inception_weights)).extract(images)
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(inception_weights)
    )(torch.from_numpy(images))
    np.testing.assert_array_equal(ours["features"], theirs[0].numpy())
    np.testing.assert_array_equal(ours["logits"], theirs[1].numpy())


def test_inception_weights_that_are_no_tensors_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "weights.pth"
    torch.save({"a": Trap()}, path)
    with pytest.raises(BadInput, match="no file of tensors"):
        load_extractor("inception", weights=str(path))
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BadInput, match="no file of tensors"):
        load_extractor("inception", weights=str(path))
    assert not (tmp_path / "ran").exists()


def test_other_weights_are_no_inception(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(BadInput, match="no torch-fidelity Inception"):
        load_extractor("inception", weights=str(path))
    with pytest.raises(BadInput, match="do not exist"):
        load_extractor("inception", weights=str(tmp_path / "none.pth"))


def test_without_weights_the_error_says_which_file_goes_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        "torch_fidelity.feature_extractor_inceptionv3.URL_INCEPTION_V3", f"http://127.0.0.1:9/{INCEPTION_FILE}"
    )
    with pytest.raises(Unavailable, match=str(tmp_path / "checkpoints" / INCEPTION_FILE)):
        load_extractor("inception")


def test_a_file_with_the_right_name_and_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / INCEPTION_FILE).write_bytes(b"x")
    with pytest.raises(Corrupt, match="checksum"):
        load_extractor("inception")


def test_import_string_makes_an_extractor(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "class Mine:\n"
        "    name, dim, fingerprint = 'mine', 1, 'x'\n"
        "    def __init__(self, scale=1): self.scale = scale\n"
        "    def extract(self, images): return {'features': np.full((len(images), 1), self.scale, np.float32)}\n"
        "class Half:\n"
        "    name = 'half'\n"
    )
    found = load_extractor(f"{path}:Mine", scale=3).extract(np.zeros((2, 3, 4, 4), np.uint8))
    assert found["features"].tolist() == [[3], [3]]
    with pytest.raises(BadInput, match="has no dim, fingerprint, extract"):
        load_extractor(f"{path}:Half")
    with pytest.raises(BadInput, match="'inception'"):
        load_extractor("incepton")


def test_an_encoder_as_extractor_gives_its_own_rows() -> None:
    class Encoder:
        name, dim, fingerprint = "e", 2, "f"

        def preprocess(self, image):  # type: ignore[no-untyped-def]
            return torch.full((3, 1, 1), float(image.getpixel((0, 0))[0]))

        def encode_images(self, batch):  # type: ignore[no-untyped-def]
            return batch[:, :2, 0, 0].numpy()

    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[1, 0] = 7
    assert EncoderExtractor(Encoder()).extract(images)["features"].tolist() == [[0, 0], [7, 7]]  # type: ignore[arg-type]


def test_weights_of_an_unknown_model_are_named() -> None:
    with pytest.raises(BadInput, match="Did you mean 'inception'"):
        load_models(find_protocol("miniature"), inceptio="x")
