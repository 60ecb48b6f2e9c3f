"""Naming a generator in every way there is, and refusing what it cannot do."""

from __future__ import annotations

import sys
from importlib import metadata

import numpy as np
import pytest

from relaionet.evaluators.generators import registry
from relaionet.evaluators.generators.protocol import Generated, Generator, Info, Settings, check_settings
from relaionet.evaluators.generators.registry import list_generators, load_generator
from relaionet.manifests.errors import BadInput

MODULE = """
import numpy as np
from relaionet.evaluators.generators.protocol import Generated, Info

class Grey:
    def __init__(self, level=7, device="cpu"):
        self.level, self.device = level, device
        self.info = Info(name="grey", native_size_px=4)
    def generate(self, batch, settings):
        images = np.full((len(batch), 4, 4, 3), self.level, np.uint8)
        images[:, 0] = 0
        return Generated(images=images, nfe=[settings.steps] * len(batch))

def make_nothing():
    return object()

def make_strict(*, size):
    return Grey()

def make_trouble():
    raise OSError("no such checkpoint")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_grey_model.py").write_text(MODULE)
    (tmp_path / "my_broken_model.py").write_text("def x(:")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("my_grey_model", None)


def test_importing_the_registry_imports_no_torch():
    import subprocess

    code = "import sys, relaionet.evaluators.generators.registry, relaionet.evaluators.sampling.sample\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_import_string(folder):
    made = load_generator("my_grey_model:Grey", device="meta", level=9)
    assert isinstance(made, Generator)
    assert (made.level, made.device) == (9, "meta")


def test_toml_of_every_kind(folder):
    (folder / "a.toml").write_text('type = "my_grey_model:Grey"\nlevel = 5\n')
    (folder / "b.toml").write_text('type = "python"\nfactory = "my_grey_model:Grey"\n[options]\nlevel = 6\n')
    assert load_generator(folder / "a.toml").level == 5
    assert load_generator(folder / "a.toml", level=8).level == 8
    assert load_generator(str(folder / "b.toml")).level == 6


def test_python_adapter_imports_from_a_folder_beside_the_file(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_grey_other.py").write_text(MODULE)
    (tmp_path / "c.toml").write_text('type = "python"\nfactory = "my_grey_other:Grey"\npath = "code"\n')
    before = list(sys.path)
    assert load_generator(tmp_path / "c.toml").info.name == "grey"
    assert sys.path == before
    sys.modules.pop("my_grey_other", None)


def test_entry_point(folder, monkeypatch):
    point = metadata.EntryPoint(name="my-grey", value="my_grey_model:Grey", group=registry.ENTRY_POINT_GROUP)
    broken = metadata.EntryPoint(name="my-broken", value="my_grey_model:Gone", group=registry.ENTRY_POINT_GROUP)
    found = metadata.EntryPoints([point, broken])
    monkeypatch.setattr(metadata, "entry_points", lambda **_: found)
    assert {"my-grey", "miniature-noise"} <= set(list_generators())
    assert load_generator("my-grey").info.name == "grey"
    with pytest.raises(BadInput, match="Gone"):
        load_generator("my-broken")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("miniature-nois", {}, "Did you mean 'miniature-noise'"),
        ("my_grey_model:Gray", {}, "Did you mean 'Grey'"),
        ("my_gray_model:Grey", {}, "module 'my_gray_model' is not installed"),
        ("my_grey_model:", {}, "package.module:factory"),
        ("my_grey_model:Grey", {"lavel": 1}, "unknown key 'lavel'. Did you mean 'level'"),
        ("my_grey_model:make_nothing", {}, "object, which is no generator"),
        ("my_grey_model:make_strict", {}, "key 'size' is missing"),
        ("my_grey_model:make_trouble", {}, "making it fails: OSError: no such checkpoint"),
        ("my_broken_model:Grey", {}, "importing my_broken_model fails: SyntaxError"),
        ("nowhere.toml", {}, "does not exist"),
    ],
)
def test_a_wrong_name_or_key_says_what_is_near(folder, name, options, message):
    with pytest.raises(BadInput, match=message):
        load_generator(name, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type = 3", "key 'type' is missing"),
        ("type = ", "no TOML"),
        ('type = "flowmap"', "Did you mean 'flow_map'"),
        ('type = "samples"\nname = "x"\npth = "y"', "unknown key 'pth'. Did you mean 'path'"),
        ('type = "samples"\nname = "x"', "key 'path' is missing"),
        ('type = "samples"\nname = "x"\npath = "y"\nsteps = [4]', "expected the one number"),
        ('type = "python"\nfactory = "my_grey_model:Grey"\noptions = {lvl = 1}', "does not take these options"),
        ('type = "python"\nfactory = "my_grey_model:Grey"\npath = "gone"', "is no folder"),
    ],
)
def test_a_wrong_file_says_what_to_do(folder, text, message):
    (folder / "x.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        load_generator(folder / "x.toml")


@pytest.mark.parametrize(
    ("info", "settings", "message"),
    [
        ({"steps": (1, 4)}, {"steps": 2}, "takes 1, 4"),
        ({}, {"steps": 0}, "1 or more"),
        ({"guidance": "none"}, {"guidance": 2.0}, "never reach"),
        ({"guidance": "baked"}, {"guidance": 7.0}, "'baked'"),
        ({"guidance": "two_pass", "guidance_range": (1, 8)}, {"guidance": 9.0}, "1 to 8"),
        ({"guidance": "two_pass"}, {"guidance": float("nan")}, "not possible"),
    ],
)
def test_a_setting_that_cannot_be_honoured_is_refused(info, settings, message):
    with pytest.raises(BadInput, match=message):
        check_settings(Info(name="x", native_size_px=8, **info), Settings(**settings))


def test_settings_that_can_be_honoured_pass():
    check_settings(Info(name="x", native_size_px=8, guidance="two_pass"), Settings(steps=25, guidance=7.0))
    check_settings(Info(name="x", native_size_px=8, steps=(0,)), Settings(steps=0))


def test_bounds_depend_on_the_request_alone():
    from relaionet.evaluators.generators.protocol import Request

    requests = [
        Request(sample_id=str(i), class_index=c, wnid=w, class_name="", prompt="", seed=11 * i)
        for i, (c, w) in enumerate([(1, "n01443537"), (985, "n11939491"), (1, "n01443537")])
    ]
    for name in ("miniature-world", "miniature-noise"):
        generator = load_generator(name)
        together = generator.generate(requests, Settings(steps=0))
        assert isinstance(together, Generated)
        assert together.images.shape == (3, 32, 32, 3)
        for place in (2, 0, 1):
            alone = generator.generate([requests[place]], Settings(steps=0)).images[0]
            assert np.array_equal(alone, together.images[place])
        assert not np.array_equal(together.images[0], together.images[2])
