"""Preference models in environments of their own: answers by id, failures quoted, a killed run goes on."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from relaionet.evaluators.features import rater_commands
from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.features.raters import Rater, rate_images
from relaionet.evaluators.protocols import Resize
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from tests.waiting import WATCHDOG_S

# answers a batch of three in reverse order, after talk that is no JSON
GOOD = """
import json, sys
from pathlib import Path
print(json.dumps({"name": "sizes", "version": "1"}), flush=True)
log = Path(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    with log.open("a") as file:
        file.write(request["id"] + "\\n")
    print("thinking", [1, 2])
    print(json.dumps({"id": request["id"], "score": len(request["text"])}), flush=True)
"""


def command(folder: Path, code: str) -> list[str]:
    (folder / "rater.py").write_text(code)
    return [sys.executable, "-I", str(folder / "rater.py"), str(folder / "log")]


def make_images(count: int) -> ArrayImages:
    return ArrayImages(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8), 8, Resize())


def rate(folder: Path, code: str, count: int = 5) -> np.ndarray:
    ids, texts = [f"{index}" for index in range(count)], ["x" * index for index in range(count)]
    with Rater("m", command(folder, code), start_s=20, answer_s=20) as rater:
        return rate_images(make_images(count), ids, texts, rater, folder / "set")


def test_scores_come_back_in_the_images_order_and_once(tmp_path: Path) -> None:
    np.testing.assert_array_equal(rate(tmp_path, GOOD), np.arange(5))
    asked = (tmp_path / "log").read_text()
    np.testing.assert_array_equal(rate(tmp_path, GOOD), np.arange(5))
    assert (tmp_path / "log").read_text() == asked
    next((tmp_path / "set").glob("*/scores.npy")).write_bytes(b"x")
    with pytest.raises(Corrupt, match="not what its receipt says"):
        rate(tmp_path, GOOD)


def test_a_run_that_died_goes_on_where_it_was(tmp_path: Path) -> None:
    dies = GOOD.replace(
        '    print("thinking"', '    if request["id"] == "40": raise SystemExit(3)\n    print("thinking"'
    )
    with pytest.raises(BadInput, match="exit code 3"):
        rate(tmp_path, dies, 70)
    (tmp_path / "log").unlink()
    np.testing.assert_array_equal(rate(tmp_path, GOOD, 70), np.arange(70))
    assert (tmp_path / "log").read_text().split() == [str(index) for index in range(32, 70)]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('nothing')", "ended with exit code 0"),
        ("import json; print(json.dumps({'ready': 1}), flush=True); input()", "must first say its name"),
        ("raise SystemExit('no such package: timm')", "no such package: timm"),
        (GOOD.replace('len(request["text"])', "float('nan')"), "finite score"),
        (GOOD.replace('{"id": request["id"]', '{"id": "other"'), "each id once"),
    ],
)
def test_a_rater_that_fails_is_quoted(code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        rate(tmp_path, code)


def test_a_silent_rater_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"more than 0.2 s to get ready"):
        Rater("m", command(tmp_path, "import time; time.sleep(60)"), start_s=0.2)
    with pytest.raises(BadInput, match="cannot be started"):
        Rater("m", [str(tmp_path / "none")])


def test_the_aesthetic_command_is_the_linear_layers_on_the_encoders_row(tmp_path: Path) -> None:
    """Made layers on the miniature's encoder, run as a command of its own."""
    from relaionet.evaluators.features.extractors import EncoderExtractor
    from relaionet.pipeline.embeddings.encoders import load_encoder

    encoder = load_encoder("miniature")
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(4, encoder.dim)).astype(np.float32), rng.normal(size=(1, 4)).astype(np.float32)
    layers = {"layers.0.weight": one, "layers.0.bias": np.ones(4, np.float32), "layers.2.weight": two}
    layers["layers.2.bias"] = np.full(1, 5, np.float32)
    torch.save({name: torch.from_numpy(value) for name, value in layers.items()}, tmp_path / "layers.pth")
    run = [sys.executable, "-m", "relaionet.evaluators.features.rater_commands", "aesthetic", "--encoder", "miniature"]
    images = make_images(3)
    with Rater("aesthetic", [*run, "--weights", str(tmp_path / "layers.pth")], start_s=120) as rater:
        found = rate_images(images, ["a", "b", "c"], ["x"] * 3, rater, tmp_path / "set")
    rows = EncoderExtractor(encoder).extract(images.read(0, 3).transpose(0, 3, 1, 2))["features"]
    np.testing.assert_allclose(found, ((rows @ one.T + 1) @ two.T + 5)[:, 0], rtol=1e-4)


def test_a_command_run_as_a_file_finds_the_standard_library(tmp_path: Path) -> None:
    """Its folder holds modules named like the standard library's (`statistics`), which packages import."""
    (tmp_path / "ImageReward.py").write_text(
        "import statistics\nassert statistics.mean([1, 3]) == 2\nprint('talk')\n"
        "class Model:\n    def score(self, text, image):\n        return len(text) / 2\n"
        "def load(name, device):\n    assert name == 'weights.pt'\n    return Model()\n"
    )
    command = [sys.executable, rater_commands.__file__, "imagereward", "--weights", "weights.pt"]
    found = subprocess.run(
        command, input='{"id": "a", "image": "x.png", "text": "a crane"}\n', capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, timeout=WATCHDOG_S,
    )  # fmt: skip
    assert [json.loads(line) for line in found.stdout.splitlines()] == [
        {"name": "imagereward", "version": "1.0"},
        {"id": "a", "score": 3.5},
    ]


def test_a_package_without_its_vocabulary_is_lent_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hpsv2 1.2.0 on PyPI cannot be imported for want of this file; open_clip carries the same one."""
    package = tmp_path / "hpsv2" / "src" / "open_clip"
    package.mkdir(parents=True)
    (tmp_path / "hpsv2" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    rater_commands.lend_vocabulary()
    (found,) = package.iterdir()
    assert gzip.decompress(found.read_bytes()).startswith(b'"bpe_simple_vocab_16e6.txt#version: 0.2')
    found.write_bytes(b"own")
    rater_commands.lend_vocabulary()
    assert found.read_bytes() == b"own"
