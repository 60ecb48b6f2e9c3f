"""Generators and samples of strangers in an evaluation: one that does wrong stops no other; what is missing is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.evaluators.miniature.pictures import WORLD_SEED, draw_small
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.missing import count_missing
from relaionet.flows import evaluate as flow
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.stored_sets import read_sets
from relaionet.flows.terminal.evaluation_plan import plan_lines
from relaionet.manifests.errors import Unavailable
from tests.unit.flows.evaluation.test_scoring import EACH, USED, build

COUNT = len(USED) * EACH
MODEL = """
import numpy as np
from relaionet.evaluators.generators.protocol import Generated, Info
from relaionet.evaluators.miniature.pictures import CLASS_INDICES, WORLD_SEED, draw_small

class Plain:
    def __init__(self, name="plain"):
        self.info = Info(name=name, native_size_px=32, steps=(0,), class_indices=CLASS_INDICES)

    def draw(self, batch):
        return [draw_small(one.wnid, WORLD_SEED + one.seed % 10**9) for one in batch]

    def nfe(self, batch):
        return [0] * len(batch)

    def generate(self, batch, settings):
        return Generated(images=self.draw(batch), nfe=self.nfe(batch))

class Buffer(Plain):
    "fills one array and returns it again"
    def draw(self, batch):
        self.array = getattr(self, "array", np.zeros((64, 32, 32, 3), np.uint8))
        for place, image in enumerate(super().draw(batch)):
            self.array[place] = image
        return self.array[: len(batch)]

class Twice(Plain):
    "gives one array for all images of a batch"
    def draw(self, batch):
        array = np.zeros((32, 32, 3), np.uint8)
        for image in super().draw(batch):
            array[:] = image
        return [array] * len(batch)

class Shuffler(Plain):
    "changes the lists it is given"
    def prepare(self, requests):
        requests.reverse()
    def generate(self, batch, settings):
        made = super().generate(batch, settings)
        batch.clear()
        return made

class OneAlive(Plain):
    first = None
    def draw(self, batch):
        self.first = self.first or batch[0].sample_id
        images = super().draw(batch)
        return [image if one.sample_id == self.first else image * 0 for one, image in zip(batch, images)]

class AllBlack(Plain):
    def draw(self, batch):
        return [image * 0 for image in super().draw(batch)]

class Unprepared(Plain):
    def prepare(self, requests):
        raise KeyError("no such thing")

class Miscounting(Plain):
    "its first counts of calls are none"
    def nfe(self, batch):
        wrong = [float("nan"), -1, 2.5, True, float("inf"), "4", 2**40]
        return wrong[: len(batch)] + [3.0] * (len(batch) - len(wrong))

class Unspeakable(Plain):
    def describe(self, settings):
        return {"grid": np.arange(3), "at": {1: object()}}
"""
KINDS = ("Plain", "Buffer", "Twice", "Shuffler", "OneAlive", "AllBlack", "Unprepared", "Miscounting", "Unspeakable")


@dataclass(frozen=True)
class Done:
    """An evaluation that is not whole, with what was raised at its end."""

    out: Path
    recipe: plan.EvaluateRecipe
    error: str

    def samples(self, name: str) -> pl.DataFrame:
        return read_samples(self.out / "samples" / f"{name}-steps0-guidance1")[0]

    def images(self, name: str) -> np.ndarray:
        table, images = read_samples(self.out / "samples" / f"{name}-steps0-guidance1")
        return images[table["row"].drop_nulls()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A split, generators of a stranger's module, and samples of which some are missing and some are left over."""
    folder = tmp_path_factory.mktemp("strangers")
    build(folder, "pictures", 0)
    (folder / "strange_model.py").write_text(MODEL)
    for wnid in USED:
        (folder / "lossy" / wnid).mkdir(parents=True)
        for place in range(10 if wnid == USED[0] else 6):
            picture = draw_small(wnid, WORLD_SEED + 5000 + place)
            Image.fromarray(picture).save(folder / "lossy" / wnid / f"{place}.png")
    (folder / "lossy" / USED[0] / "3.png").write_bytes(b"")
    for path in sorted((folder / "pictures").rglob("*.png")):
        grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 257
        (folder / "grey16" / path.parent.name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey).save(folder / "grey16" / path.parent.name / path.name)
    for name in ("lossy", "grey16"):
        (folder / f"{name}.toml").write_text(f'type = "samples"\nname = "{name}"\npath = "{name}"\n')
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("strange_model", None)


@pytest.fixture(scope="module")
def done(folder: Path) -> Done:
    entries = [plan.GeneratorEntry(generator=f"strange_model:{kind}", name=kind.lower(), steps=(0,)) for kind in KINDS]
    entries += [
        *(plan.GeneratorEntry(generator=str(folder / f"{name}.toml"), steps=(0,)) for name in ("lossy", "grey16")),
        plan.GeneratorEntry(generator="strange_model:Plain", name="after", steps=(0,)),
    ]
    recipe = plan.EvaluateRecipe(
        split=folder / "pictures-split", protocol="miniature", generators=tuple(entries), batch_size=8,
        extras=("neighbours",),
    )  # fmt: skip
    with pytest.raises(Unavailable) as caught:
        flow.run_evaluate(recipe, folder / "out")
    return Done(folder / "out", recipe, str(caught.value))


def test_sets_that_cannot_be_scored_stop_no_other_and_are_named(done: Done) -> None:
    scores = pl.read_parquet(done.out / "scores.parquet")
    assert set(scores["generator"]) == {
        "real images", "plain", "buffer", "twice", "shuffler", "onealive", "miscounting", "unspeakable", "lossy",
        "grey16", "after",
    }  # fmt: skip
    assert "2 of 12 sets could not be made or scored, 1 of 12 sets could be scored only in part" in done.error
    assert "allblack-steps0-guidance1: no image was made; the first failed because: the image is black" in done.error
    assert "unprepared-steps0-guidance1: its `prepare` fails: KeyError" in done.error
    assert {one.label for one in read_sets(done.out).unscored} == {"allblack", "unprepared"}
    page = (done.out / "report.html").read_text()
    assert "Not scored: allblack: no image was made" in page
    printed = CliRunner().invoke(main, ["report", str(done.out), "--print", "markdown"])
    assert printed.exit_code == 0, printed.output
    assert "Not scored: unprepared" in printed.stderr
    assert "Not scored" not in printed.stdout


def test_a_set_that_can_be_scored_in_part_keeps_what_it_has_and_says_what_it_lacks(done: Done) -> None:
    scores = pl.read_parquet(done.out / "scores.parquet").filter(generator="onealive")
    assert set(scores["n"]) == {1}
    assert {"IS", "CLIP Score", "accuracy"} <= set(scores["metric"])
    assert not {"FD", "KD", "precision", "recall", "MMHM"} & set(scores["metric"])
    doubts = json.loads((done.out / "doubts" / "onealive-steps0-guidance1.json").read_text())
    assert any(text.startswith("without FD: a Fréchet distance needs at least 2 images") for text in doubts)
    assert any(text.startswith("without precision") and "more than 3 images" in text for text in doubts)
    assert f"{COUNT - 1} of {COUNT} images are missing ({COUNT - 1} × the image is black)" in doubts[0]


def test_what_a_generator_hands_over_is_copied(done: Done) -> None:
    plain = done.images("plain")
    assert len(plain) == COUNT
    for name in ("buffer", "twice", "shuffler", "after"):
        assert np.array_equal(done.images(name), plain), name
    fd = dict(pl.read_parquet(done.out / "scores.parquet").filter(metric="FD").select("generator", "value").iter_rows())
    assert fd["buffer"] == fd["twice"] == fd["plain"]


def test_counts_of_calls_that_are_none_fail_their_image_alone(done: Done) -> None:
    samples = done.samples("miscounting")
    bad = samples.filter(status="failed")
    # seven of each batch of eight
    assert bad.height == 7 * (COUNT // 8)
    assert all("its count of forward calls is" in reason for reason in bad["reason"])
    assert samples.filter(status="ok")["nfe"].to_list() == [3] * (COUNT // 8)


def test_grey_of_16_bits_is_scaled_and_not_cut_off(done: Done, folder: Path) -> None:
    pictures = (Image.open(path).convert("L").convert("RGB") for path in (folder / "pictures").rglob("*.png"))
    assert sorted(image.tobytes() for image in done.images("grey16")) == sorted(one.tobytes() for one in pictures)


def test_what_is_said_of_a_run_is_plain_values(done: Done) -> None:
    record = json.loads((done.out / "samples" / "unspeakable-steps0-guidance1" / "sampling.json").read_text())
    assert record["realised"]["grid"] == "[0 1 2]"


def test_missing_and_left_over_images_are_said_wherever_a_reader_looks(done: Done, folder: Path) -> None:
    """Of the first class 10 files, one empty, for 8 requests; of the five others 6 for 8 each."""
    missing = 1 + 5 * 2
    rows = pl.read_parquet(done.out / "scores.parquet")
    assert count_missing(rows)["lossy"] == missing
    assert count_missing(rows)["plain"] == 0
    doubts = json.loads((done.out / "doubts" / "lossy-steps0-guidance1.json").read_text())
    assert f"{missing} of {COUNT} images are missing" in doubts[0]
    assert "images left over (unused): 2" in doubts[1]
    record = json.loads((done.out / "samples" / "lossy-steps0-guidance1" / "sampling.json").read_text())
    assert record["realised"] == {"images": 40, "unused": 2}
    lines = plan_lines(done.recipe)
    text = " ".join(" ".join(lines).split())
    assert f"MISSING {missing} of {COUNT} images: 2 × no image left for class" in text
    assert "left over: 2 images that no request of this split asks for" in text
    assert f"Will not be whole, see MISSING: the images of lossy ({missing} missing)." in lines
    assert "Nothing is missing." not in lines


def test_a_second_run_says_the_same(done: Done) -> None:
    """Nothing is made or scored anew, and the end still says what is not whole."""
    before = pl.read_parquet(done.out / "scores.parquet")
    with pytest.raises(Unavailable) as again:
        flow.run_evaluate(done.recipe, done.out, report=False)
    assert str(again.value) == done.error
    assert pl.read_parquet(done.out / "scores.parquet").equals(before)
