"""Checkpoints written by the real flax and orbax, in every form they have had, converted: equal answers to 1e-5."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.flax_environment import NotHere, install_flax, save_checkpoint
from tests.golden.test_flax_checkpoints import difference

pytestmark = [pytest.mark.flax, pytest.mark.slow]


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return install_flax()
    except NotHere as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("network", "form", "left", "kind"),
    [
        ("meanflow", "folder", "checkpoint_7/checkpoint", "float32"),  # MeanFlow's authors' orbax
        ("meanflow", "file", "checkpoint_7", "bfloat16"),
        ("imf", "store", "checkpoint_7/manifest.ocdbt", "float32"),  # iMF's authors' orbax
        ("imf", "arrays", "7/ema_params.net.time_tokens/.zarray", "float32"),
        ("meanflow", "store", "checkpoint_7/manifest.ocdbt", "bfloat16"),
    ],
)
def test_every_form_gives_the_same_answers(python, tmp_path, network, form, left, kind):
    folder = save_checkpoint(python, network, form, tmp_path / "saved", kind)
    assert (folder / left).is_file(), "this is not the form that was meant"
    assert difference(network, folder, tmp_path / "weights.safetensors") < 1e-5
