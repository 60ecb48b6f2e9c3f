"""The samples and flow_map adapters on real files."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from relaionet.evaluators.generators.flow_maps.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.generators.protocol import Foreseen, Request, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import Label, read_labels

LABELS = read_labels()
MAKE = "relaionet.evaluators.generators.adapters.samples:make_samples"
SIZES = {"input_size": 8, "patch_size": 4, "in_channels": 3, "out_channels": 3, "hidden_size": 16, "depth": 1,
         "num_heads": 2, "num_classes": 3}  # fmt: skip
TOML = """
type = "flow_map"
name = "tiny"
weights = "tiny.safetensors"
class_indices = [5, 7, 9]
[network]
{network}
[sampler]
guidance = "two_pass"
"""


def ask(*pairs: tuple[str, int]) -> list[Request]:
    def request(name: str, label: Label) -> Request:
        seed = int.from_bytes(name.encode(), "big")
        return Request(
            sample_id=name, class_index=label.class_index, wnid=label.wnid, class_name=label.name, prompt="", seed=seed
        )

    return [request(name, LABELS[class_index]) for name, class_index in pairs]


@pytest.fixture
def tiny(tmp_path):
    torch.manual_seed(0)
    network = DiT(DiTConfig(**SIZES))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file({name: value.half() for name, value in network.state_dict().items()}, tmp_path / "tiny.safetensors")
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in SIZES.items())
    (tmp_path / "tiny.toml").write_text(TOML.format(network=lines))
    return tmp_path / "tiny.toml"


def test_flow_map_bytes_do_not_depend_on_the_batch(tiny):
    generator = load_generator(tiny)
    requests = ask(*((f"s{i}", (5, 7, 9)[i % 3]) for i in range(19)))
    whole = generator.generate(requests, Settings(steps=2, guidance=3.0))
    assert whole.images.shape == (19, 8, 8, 3)
    assert whole.images.dtype == np.uint8
    assert list(whole.nfe) == [4] * 19
    for size in (1, 3, 16):
        parts = [requests[i : i + size] for i in range(0, 19, size)]
        again = np.concatenate([generator.generate(part, Settings(steps=2, guidance=3.0)).images for part in parts])
        assert np.array_equal(again, whole.images)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert np.array_equal(generator.generate(requests, Settings(steps=2, guidance=3.0)).images, whole.images)
    finally:
        torch.set_num_threads(threads)


def test_flow_map_counts_calls_and_says_what_it_did(tiny):
    generator = load_generator(tiny)
    assert list(generator.generate(ask(("a", 5)), Settings(steps=3)).nfe) == [3]
    done = generator.describe(Settings(steps=2))
    assert done["noise_levels"] == [1, 0.5, 0]
    assert done["parameters_count"] == sum(p.numel() for p in DiT(DiTConfig(**SIZES)).parameters())
    assert "sha256:" in generator.info.weights
    json.dumps(done)


def test_flow_map_knows_only_its_classes(tiny):
    with pytest.raises(BadInput, match="no class 6"):
        load_generator(tiny).generate(ask(("a", 6)), Settings())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size = 16", "hiden_size = 16", "Did you mean 'hidden_size'"),
        ("hidden_size = 16", "hidden_size = 32", "do not fit the backbone"),
        ("depth = 1", "depth = 2", "do not fit the backbone"),
        ("depth = 1", 'depth = "one"', "depth = 'one' is no int"),
        ("[sampler]", '[sampler]\nstep_rule = "eulr"', "Did you mean 'euler'"),
        ("[sampler]", "[sampler]\nnoise_at = 2", "noise_at is '2'"),
        ('guidance = "two_pass"', 'guidence = "two_pass"', "Did you mean 'guidance'"),
        ("[5, 7, 9]", "[5, 7]", "2 class_indices for 3"),
        ("tiny.safetensors", "gone.safetensors", "do not exist"),
        ("in_channels = 3", "in_channels = 4", r"needs a \[codec\]"),
        ('name = "tiny"', 'name = "tiny"\nbackbone = "dti"', "Did you mean 'dit'"),
    ],
)
def test_flow_map_says_what_is_wrong_with_a_file(tiny, old, new, message):
    tiny.write_text(tiny.read_text().replace(old, new))
    with pytest.raises(BadInput, match=message):
        load_generator(tiny)


def test_flow_map_refuses_weights_that_are_no_safetensors(tiny):
    (tiny.parent / "tiny.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(Corrupt, match="cannot be read"):
        load_generator(tiny)


def test_flow_map_raises_on_nan_and_hides_nothing(tiny):
    generator = load_generator(tiny)
    with torch.no_grad():
        generator.network.final_layer.linear.bias[0] = float("nan")
    with pytest.raises(ValueError, match="2 of 2 samples hold NaN"):
        generator.generate(ask(("a", 5), ("b", 7)), Settings())


@pytest.fixture
def tree(tmp_path):
    for class_index, count in ((1, 3), (2, 1)):
        folder = tmp_path / "made" / LABELS[class_index].wnid
        folder.mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", (6, 6), (class_index, k, 0)).save(folder / f"{k}.png")
    (tmp_path / "made" / "notes").mkdir()
    (tmp_path / "made.toml").write_text('type = "samples"\nname = "made"\npath = "made"\nsteps = 4\nguidance = 2.0\n')
    return tmp_path / "made.toml"


def test_samples_of_a_folder_tree(tree):
    generator = load_generator(tree)
    requests = ask(("b", 1), ("a", 1), ("z", 2), ("c", 1))
    settings = Settings(steps=4, guidance=2.0)
    assert generator.info.class_indices == (1, 2)
    for order in (requests, requests[::-1]):
        generator.prepare(order)
        made = generator.generate(requests, settings).images
        assert made[:, 0, 0].tolist() == [[1, 1, 0], [1, 0, 0], [2, 0, 0], [1, 2, 0]]
    with pytest.raises(BadInput, match="takes 4"):
        generator.generate(requests, Settings(steps=1, guidance=2.0))
    with pytest.raises(BadInput, match="2 to 2"):
        generator.generate(requests, Settings(steps=4, guidance=1.0))
    generator.prepare([*requests, *ask(("y", 2), ("x", 2))])
    with pytest.raises(LookupError, match="no image left"):
        generator.generate(ask(("y", 2), ("z", 2)), settings)


def test_samples_of_another_content_have_another_identity(tree):
    before = load_generator(tree).info.weights
    Image.new("RGB", (6, 6), (9, 9, 9)).save(tree.parent / "made" / LABELS[1].wnid / "0.png")
    assert load_generator(tree).info.weights != before


def test_samples_of_an_npz(tmp_path):
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1) + np.zeros((4, 5, 5, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images, np.array([2, 1, 2, 1]))
    np.savez(tmp_path / "b.npz", arr_0=images[:3])
    np.savez(tmp_path / "more.npz", arr_0=images)
    np.savez(tmp_path / "fewer.npz", arr_0=images[:2])
    requests = ask(("q", 1), ("p", 2), ("r", 1))
    for name, expected in (("a.npz", [1, 0, 3]), ("b.npz", [0, 1, 2])):
        generator = load_generator(MAKE, name="x", path=str(tmp_path / name))
        generator.prepare(requests)
        assert generator.generate(requests, Settings(steps=0)).images[:, 0, 0, 0].tolist() == expected
    assert generator.foresee(requests) == Foreseen()
    for name, count in (("more.npz", 4), ("fewer.npz", 2)):
        generator = load_generator(MAKE, name="x", path=str(tmp_path / name))
        for ask_it in (generator.prepare, generator.foresee):
            with pytest.raises(BadInput, match=f"{count} images without labels for 3 requests"):
                ask_it(requests)


def test_images_nobody_asks_for_and_images_that_are_not_there_are_foreseen(tree, tmp_path):
    """Three images of class 1 and one of class 2, of which one is empty; another lies in no folder of a class."""
    folder = tree.parent / "made"
    (folder / LABELS[1].wnid / "2.png").write_bytes(b"")
    Image.new("RGB", (6, 6), (1, 2, 3)).save(folder / "notes" / "strip.png")
    generator = load_generator(tree)
    few = generator.foresee(ask(("a", 1), ("z", 2)))
    assert few == Foreseen(unused=3)
    all_of_them = ask(("a", 1), ("b", 1), ("c", 1), ("d", 1), ("z", 2), ("q", 3))
    assert generator.foresee(all_of_them) == Foreseen(
        missing={
            "c": f"{LABELS[1].wnid}/2.png is empty",
            "d": f"no image left for class {LABELS[1].wnid}",
            "q": f"no image left for class {LABELS[3].wnid}",
        },
        unused=1,
    )
    generator.prepare(all_of_them)
    assert generator.describe(Settings()) == {"images": 5, "unused": 1}


@pytest.mark.parametrize("packed", [False, True])
def test_files_that_systems_put_beside_images_are_none(tmp_path, packed):
    """Hidden files, macOS's shadows and thumbnails of file servers are whole images here, and nobody's."""
    import tarfile

    folder = tmp_path / "made"
    names = [f"{LABELS[1].wnid}/{name}" for name in ("0.png", ".hidden.png", "._0.png", "@eaDir/0.png")]
    names += [f"__MACOSX/{LABELS[1].wnid}/0.png", f".cache/{LABELS[2].wnid}/0.png"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (7 if name == names[0] else 99, 0, 1)).save(folder / name)
    place = folder
    if packed:
        place = tmp_path / "made.tar"
        with tarfile.open(place, "w") as archive:
            archive.add(folder, arcname=".")  # names begin with ./
    generator = load_generator(MAKE, name="x", path=str(place))
    assert generator.count == 1
    assert generator.info.class_indices == (1,)
    generator.prepare(ask(("a", 1)))
    assert generator.generate(ask(("a", 1)), Settings(steps=0)).images[0, 0, 0].tolist() == [7, 0, 1]


def test_one_broken_or_odd_image_settles_nothing_for_the_others(tmp_path):
    folder = tmp_path / LABELS[1].wnid
    folder.mkdir()
    (folder / "0.png").write_bytes(b"no image")
    Image.new("RGB", (9, 9)).save(folder / "1.png")
    for k in range(2, 9):
        Image.new("RGB", (6, 6), (k, 0, 0)).save(folder / f"{k}.png")
    assert load_generator(MAKE, name="x", path=str(tmp_path)).info.native_size_px == 6
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadInput, match="none of the images looked at can be read"):
        load_generator(MAKE, name="x", path=str(tmp_path))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arr_0": np.zeros((2, 4, 4, 3))}, "float64"),
        ({"arr_0": np.zeros((2, 4, 4), np.uint8)}, r"\(2, 4, 4\)"),
        ({"arr_0": np.zeros((2, 4, 6, 3), np.uint8)}, "4 x 6; expected square"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8)}, "found nothing"),
        ({"arr_0": np.zeros((2, 4, 4, 3), np.uint8), "arr_1": np.array([1, 1000])}, "0 to 999"),
        ({"arr_0": np.zeros((2, 4, 4, 3), np.uint8), "arr_1": np.array([1])}, "2 class indices"),
        ({"arr_0": np.array([print], dtype=object)}, "cannot be read"),
    ],
)
def test_samples_refuse_arrays_that_are_no_images(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(BadInput, match=message):
        load_generator(MAKE, name="x", path=str(tmp_path / "x.npz"))


def test_samples_named_by_sample_id_go_to_the_request_of_that_id(tmp_path):
    import tarfile

    ids = [hashlib.sha256(str(k).encode()).hexdigest() for k in range(4)]
    ids.append(f"{ids[0]}-1")
    flat, nested = tmp_path / "flat", tmp_path / "nested"
    for k, name in enumerate(ids):
        folder = nested / LABELS[k % 2 + 1].wnid
        for place in (flat, folder):
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 6), (k, 0, 1)).save(place / f"{name}.png")
    for name, mode in (("made.tar", "w"), ("made.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as archive:
            archive.add(flat, arcname="out")
    requests = ask(*[(name, 1) for name in reversed(ids)])
    for path in (flat, nested, tmp_path / "made.tar", tmp_path / "made.tar.gz"):
        generator = load_generator(MAKE, name="x", path=str(path))
        assert generator.info.class_indices is None
        generator.prepare(requests)
        made = generator.generate(requests, Settings(steps=0)).images
        assert made[:, 0, 0, 0].tolist() == [4, 3, 2, 1, 0]
        # one that is missing leaves the others where they are
        stranger = ask(("f" * 64, 1))
        generator.prepare([*stranger, *requests[:2]])
        assert generator.generate(requests[:2], Settings(steps=0)).images[:, 0, 0, 0].tolist() == [4, 3]
        with pytest.raises(LookupError, match="no image named ffff"):
            generator.generate(stranger, Settings(steps=0))
    (flat / "more").mkdir()
    Image.new("RGB", (6, 6)).save(flat / "more" / f"{ids[0]}.jpg")
    with pytest.raises(BadInput, match=f"two images are named {ids[0]}"):
        load_generator(MAKE, name="x", path=str(flat))


def test_samples_refuse_a_folder_without_classes(tmp_path):
    (tmp_path / "dogs").mkdir()
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(BadInput):
            load_generator(MAKE, name="x", path=str(path))


def test_samples_of_a_tar_and_of_a_table_of_labels(tree, tmp_path):
    import tarfile

    folder = tree.parent / "made"
    with tarfile.open(tmp_path / "made.tar", "w") as archive:
        archive.add(folder, arcname="out")
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = ["file,wnid"]
    for class_index in (1, 2):
        for path in sorted((folder / LABELS[class_index].wnid).iterdir()):
            (flat / f"{class_index}-{path.name}").write_bytes(path.read_bytes())
            lines.append(f"{class_index}-{path.name},{LABELS[class_index].wnid}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    (tmp_path / "index.csv").write_text("\n".join(lines).replace("wnid", "class_index").replace(LABELS[1].wnid, "1")
                                        .replace(LABELS[2].wnid, "2"))  # fmt: skip
    requests, settings = ask(("b", 1), ("a", 1), ("z", 2), ("c", 1)), Settings(steps=0)
    about = [
        {"path": str(folder)}, {"path": str(tmp_path / "made.tar")},
        {"path": str(flat), "labels": str(tmp_path / "labels.csv")},
        {"path": str(flat), "labels": str(tmp_path / "index.csv")},
    ]  # fmt: skip
    for options in about:
        generator = load_generator(MAKE, name="x", **options)
        assert generator.info.class_indices == (1, 2)
        generator.prepare(requests)
        made = generator.generate(requests, settings).images
        assert made[:, 0, 0].tolist() == [[1, 1, 0], [1, 0, 0], [2, 0, 0], [1, 2, 0]], options
    (tmp_path / "bad.csv").write_text("file,wnid\ngone.png,n01440764\n")
    (tmp_path / "odd.csv").write_text("name,wnid\n1-0.png,n01440764\n")
    (tmp_path / "no.tar").write_bytes(b"no tar at all" * 100)
    for options, message in (
        ({"path": str(flat), "labels": str(tmp_path / "bad.csv")}, r"names gone\.png"),
        ({"path": str(flat), "labels": str(tmp_path / "odd.csv")}, "expected columns file and wnid"),
        ({"path": str(flat), "labels": str(tmp_path / "none.csv")}, "cannot be read"),
        ({"path": str(tmp_path / "no.tar")}, "cannot be read"),
    ):
        with pytest.raises(BadInput, match=message):
            load_generator(MAKE, name="x", **options)
