"""The flow `evaluate`: what cannot work is said before the first generator runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from relaionet.flows import evaluate as flow
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release import make_release, read_release
from relaionet.pipeline.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.download import DownloadConfig
from relaionet.pipeline.picture_files import PictureLimits, read_pictures
from relaionet.pipeline.split import SplitConfig, build_split


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """One picture of a class that the miniature's generators do not know, one of a class that they do."""
    for place, wnid in enumerate(("n01440764", "n01443537")):
        (tmp_path / "set" / wnid).mkdir(parents=True)
        Image.new("RGB", (32, 32), (90 * place, 40, 120)).save(tmp_path / "set" / wnid / "1.png")
    adoption = plan_adoption(tmp_path / "set", AdoptConfig(name="set"))
    pictures = read_pictures(tmp_path / "set", [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(pictures, label_pictures(pictures, adoption))
    release = read_release(make_release(manifest, tmp_path / "releases", name="set", notes={}))
    build_split(release, SplitConfig(), tmp_path / "split", DownloadConfig(), images=tmp_path / "set")
    return tmp_path / "split"


def test_a_class_the_last_generator_does_not_know_is_said_before_the_first_runs(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(flow, "evaluate", lambda *_: started.append("evaluate"))
    entries = tuple(flow.GeneratorEntry(generator=name, steps=(0,)) for name in ("miniature-noise", "miniature-world"))
    recipe = flow.EvaluateRecipe(split=split, protocol="miniature", generators=entries)
    with pytest.raises(BadInput, match=r"knows 20 classes and not n01440764 \(1 of the split's 2 classes"):
        flow.run_evaluate(recipe, tmp_path / "out", report=False)
    assert not started
    assert not (tmp_path / "out").exists()
    noise = flow.EvaluateRecipe(split=split, protocol="miniature", generators=entries[:1])
    flow.run_evaluate(noise, tmp_path / "out", report=False)
    assert started == ["evaluate"]
