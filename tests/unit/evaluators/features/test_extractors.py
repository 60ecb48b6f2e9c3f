import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from relaionet.evaluators.features.extractors import INCEPTION_FILE, EncoderExtractor, load_extractor
from relaionet.evaluators.features.models import load_models
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


def test_spatial_features_are_the_first_channels_of_the_seventh_block(inception_weights: Path) -> None:
    """What a hook on torch-fidelity's network sees, in the order of TensorFlow: position, then channel."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = np.random.default_rng(1).integers(0, 256, (2, 3, 40, 40), dtype=np.uint8)
    theirs = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(inception_weights)
    )
    seen: list[torch.Tensor] = []
    theirs.Mixed_6d.branch1x1.register_forward_hook(lambda _module, _input, output: seen.append(output))
    theirs(torch.from_numpy(images))
    found = load_extractor("inception", weights=str(inception_weights)).extract(images)["spatial"]
    assert found.shape == (2, 2023)
    np.testing.assert_array_equal(found.reshape(2, 17, 17, 7)[:, 3, 5], seen[0][:, :7, 3, 5].numpy())


def test_images_of_inceptions_own_side_are_not_resized(inception_weights: Path) -> None:
    """Fractions of a grey level reach the network: uint8 and the same numbers as float32 give the same features."""
    images = np.random.default_rng(2).integers(0, 256, (1, 3, 299, 299), dtype=np.uint8)
    extractor = load_extractor("inception", weights=str(inception_weights))
    whole, same = extractor.extract(images), extractor.extract(images.astype(np.float32))
    np.testing.assert_array_equal(whole["features"], same["features"])
    moved = extractor.extract(images.astype(np.float32) + 0.3)
    assert np.abs(moved["features"] - whole["features"]).max() > 0


def test_dinov2_gives_the_class_token_whatever_the_batch(tmp_path: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=224, patch_size=56)
    model = Dinov2Model(config).eval()
    model.save_pretrained(tmp_path)
    images = np.random.default_rng(3).integers(0, 256, (3, 3, 224, 224), dtype=np.uint8)
    extractor = load_extractor("dinov2", weights=str(tmp_path))
    found = extractor.extract(images)["features"]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = (images / 255 - mean[:, None, None]) / deviation[:, None, None]
    theirs = model(pixel_values=torch.from_numpy(pixels).float()).pooler_output.detach().numpy()
    np.testing.assert_allclose(found, theirs, atol=1e-5)
    np.testing.assert_allclose(extractor.extract(images[1:2])["features"], found[1:2], atol=1e-5)
    assert extractor.dim == 32
    with pytest.raises(BadInput, match=r"no config\.json"):
        load_extractor("dinov2", weights=str(tmp_path / "none"))


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
        load_models(find_protocol("miniature"), weights={"inceptio": "x"})
