"""`relaionet compare`: what people have on disk goes in; the page, the tables and the card come out."""

from __future__ import annotations

import csv
import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

import relaionet as rn
from relaionet.flows.cli.main import main
from relaionet.flows.compare import run_compare
from relaionet.flows.comparison.order import CompareOrder
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import check_release, read_release
from relaionet.manifests.tables import SHIFTS, check_table
from relaionet.pipeline.splits.export import ExportConfig, export_split

ARCHIVE = Path(__file__).parents[3] / "fixtures" / "made_by_57e12d1.tar.xz"
EXTRACTOR = f"{Path(__file__).parent / 'colours.py'}:Colours"
CLASSES = {"n01440764": (200, 40, 40), "n02102040": (40, 200, 40), "n03000684": (40, 40, 200)}


def make_pictures(folder: Path, seed: int, *, per_class: int = 5, shift: int = 0, flat: bool = False) -> Path:
    """Noisy pictures of one colour a class, in folders by wnid, or named by it."""
    rng = np.random.default_rng(seed)
    for wnid, colour in CLASSES.items():
        for number in range(per_class):
            pixels = np.clip(rng.normal(np.add(colour, shift), 30, size=(24 + number, 30, 3)), 0, 255).astype(np.uint8)
            path = folder / (f"{wnid}_{number}.png" if flat else f"{wnid}/{seed}-{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def compare(one: Path, other: Path, out: Path, **options) -> pl.DataFrame:
    return rn.compare(one, other, out=out, features=[EXTRACTOR], device="cpu", draws=2, **options)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "made"


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sets")
    make_pictures(root / "near", 1)
    make_pictures(root / "flat", 2, flat=True)
    make_pictures(root / "far", 3, shift=40)
    return root


def test_a_comparison_leaves_a_table_a_page_and_a_card_that_say_the_same(sets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = compare(sets / "near", sets / "flat", out)
    check_table(rows, SHIFTS)
    assert pl.read_parquet(out / "shifts.parquet").equals(rows)
    with (out / "shifts.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == rows.height
    facts = json.loads((out / "comparison.json").read_text())
    assert str(tmp_path) not in json.dumps(facts)
    card, page = (out / "card.md").read_text(), (out / "comparison.html").read_text()
    distance = rows.filter(metric="KD", mix="equal").row(0, named=True)
    assert f"{distance['value']:.4g}" in card
    assert f"{distance['low']:.4g} to {distance['high']:.4g}" in card
    assert (distance["n"], distance["representation"]) == (15, "colours")
    assert "near" in page
    assert "not told apart" in page
    far = compare(sets / "near", sets / "far", tmp_path / "far")
    assert far.filter(metric="KD", mix="equal")["low"].item() > distance["high"]
    assert far.filter(metric="class KD", mix="equal", part="")["low"].item() > 0


def test_run_again_nothing_is_read_or_extracted_twice(sets: Path, tmp_path: Path) -> None:
    first = compare(sets / "near", sets / "far", tmp_path)
    kept = {path: path.stat().st_mtime_ns for side in "AB" for path in (tmp_path / side).rglob("*") if path.is_file()}
    assert any(path.suffix == ".npy" for path in kept)
    assert compare(sets / "near", sets / "far", tmp_path).equals(first)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_batches_and_layouts_change_no_number(sets: Path, tmp_path: Path) -> None:
    """The same pictures by folders, by file names and by a table; the same features in batches of 5 and of 64."""
    flat, table = tmp_path / "renamed", tmp_path / "labels.csv"
    flat.mkdir()
    lines = ["file,wnid"]
    for number, path in enumerate(sorted((sets / "near").rglob("*.png"))):
        (flat / f"{number:03d}.png").write_bytes(path.read_bytes())
        lines.append(f"{number:03d}.png,{path.parent.name}")
    table.write_text("\n".join(lines))
    protocol = tmp_path / "mine.toml"
    protocol.write_text('name = "mine"\ndecode = "as shown"\nsize_px = 16\nbatch_count = 5\n')
    again = tmp_path / "again.toml"
    again.write_text('name = "mine2"\ndecode = "as shown"\nsize_px = 16\nbatch_count = 64\n')
    plain, named = (
        compare(one, sets / "far", tmp_path / f"out{place}", protocol=str(how), labels=(labels, None), names=("a", "b"))
        for place, (one, how, labels) in enumerate(((sets / "near", protocol, None), (flat, again, table)))
    )
    pairs = plain.join(named, on=["metric", "mix", "part", "about"], how="full")
    assert pairs.height == plain.height
    exact = pairs.filter(pl.col("mix") == "all")
    assert exact["value"].equals(exact["value_right"].rename("value"))
    # other names draw no other pictures here: both are taken whole
    assert np.allclose(pairs["value"], pairs["value_right"], rtol=1e-6)


def test_a_split_its_exports_and_its_pictures_are_the_same_set(made: Path, tmp_path: Path) -> None:
    split = made / "split"
    forms = {form: tmp_path / form for form in ("imagefolder", "parquet")}
    for form, place in forms.items():
        export_split(split, ExportConfig(format=form), place)
    digests = set()
    for name, place in {"split": split, **forms}.items():
        order = CompareOrder(one=place, other=split, representations=("miniature",), protocol="miniature", device="cpu")
        found = run_compare(order, tmp_path / f"out-{name}")
        digests.add(found.facts["digests"]["A"])
        same = found.rows.filter(metric="same bytes", about="A")
        assert same["value"].item() == 1
        assert same["n"].item() == 18
    assert len(digests) == 1
    export_split(split, ExportConfig(format="webdataset"), tmp_path / "tars")
    with pytest.raises(BadInput, match="webdataset"):
        run_compare(CompareOrder(one=tmp_path / "tars", other=split, representations=("miniature",)), tmp_path / "o")


def test_the_miniature_is_called_so_and_a_partial_split_says_what_is_gone(made: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"94\.7% of the release's rows came back"):
        rows = rn.compare(made / "split", made / "split", out=tmp_path, device="cpu", draws=2)
    assert set(rows["representation"]) == {"", "miniature"}
    for file in ("comparison.html", "card.md"):
        assert "miniature" in (tmp_path / file).read_text()
    for row in rows.filter(metric="KD").iter_rows(named=True):
        assert row["low"] <= 0 <= row["high"]


def test_numbers_stand_on_the_next_version_of_the_release(made: Path, tmp_path: Path) -> None:
    import shutil

    releases = tmp_path / "releases"
    shutil.copytree(made / "run" / "releases", releases)
    before = read_release(releases)
    bytes_before = {path: path.read_bytes() for path in before.path.iterdir()}
    options = ["--features", "miniature", "--protocol", "miniature", "--device", "cpu", "--draws", "1"]
    command = [
        "compare",
        str(made / "split"),
        str(made / "world" / "reference"),
        "--out",
        str(tmp_path / "out"),
        *options,
    ]
    done = CliRunner().invoke(main, [*command, "--card", str(before.path)])
    assert done.exit_code == 0, done.output
    after = check_release(releases)
    assert after.info.version == before.info.version + 1
    assert after.manifest.equals(before.manifest)
    assert {path: path.read_bytes() for path in bytes_before} == bytes_before
    card = (after.path / "README.md").read_text()
    assert "## How far out it is" in card
    assert "KD" in card
    row = after.info.notes["comparisons"][0]["rows"][0]
    assert {"value", "low", "high", "n"} <= set(row)
    assert CliRunner().invoke(main, [*command, "--card", str(after.path)]).exit_code == 2  # A is a split of the other


def test_statistics_stand_in_for_pictures(sets: Path, tmp_path: Path) -> None:
    compare(sets / "near", sets / "far", tmp_path / "first")
    files = list((tmp_path / "first" / "statistics").glob("*.npz"))
    assert len(files) == 2
    found = [compare(sets / "near", file, tmp_path / file.stem) for file in files]
    values = sorted(rows.filter(metric="FD")["value"].item() for rows in found)
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[1] > 0.1
    turned = compare(files[0], sets / "near", tmp_path / "turned")
    assert set(turned.filter(about="B")["metric"]) >= {"effective rank", "short side"}
    other = tmp_path / "other.toml"
    other.write_text('name = "other"\nsize_px = 8\n')
    with pytest.raises(BadInput, match="made with other choices"):
        compare(sets / "near", files[0], tmp_path / "wrong", protocol=str(other))
    with pytest.raises(BadInput, match="statistics both"):
        compare(files[0], files[1], tmp_path / "both")
    strange = tmp_path / "strange.npz"
    np.savez(strange, mu=np.zeros(12), sigma=np.eye(12))
    with pytest.warns(UserWarning, match="does not say"):
        compare(sets / "near", strange, tmp_path / "strange")


def test_broken_files_are_left_out_and_said(sets: Path, tmp_path: Path) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(sets / "near", broken)
    (broken / "n01440764" / "no.png").write_bytes(b"no picture")
    whole = next((broken / "n02102040").iterdir())
    whole.write_bytes(whole.read_bytes()[:100])
    with pytest.warns(UserWarning, match="2 of 16 files of broken are no pictures"):
        rows = compare(broken, sets / "far", tmp_path / "out")
    assert rows.filter(metric="KD", mix="equal")["n"].item() == 14
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "n01440764_0.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match="none of 1 file is a picture"):
        compare(empty, sets / "far", tmp_path / "out2")


def test_same_pictures_in_other_bytes_are_found_and_never_compared_with_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one, other = tmp_path / "one", tmp_path / "other"
    for number in range(8):
        coarse = rng.integers(0, 255, size=(6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        for folder in (one, other):
            (folder / "n01440764").mkdir(parents=True, exist_ok=True)
        picture.save(one / "n01440764" / f"{number}.png")
        picture.resize((80, 80)).save(other / "n01440764" / f"x{number}.jpg", quality=80)
    rows = compare(one, other, tmp_path / "out")
    assert rows.filter(metric="same bytes")["value"].to_list() == [0, 0]
    assert rows.filter(metric="same picture")["value"].to_list() == [1, 1]
    assert rows.filter(metric="KD", mix="equal")["n"].item() == 4
    assert "The same picture in other bytes" in (tmp_path / "out" / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--features", "incepton"], "no extractor 'incepton'"),
        (["--features", "nowhere.module:make"], "nowhere"),
        (["--features", EXTRACTOR, "--weights", "inception=file"], "none of the representations"),
        (["--features", EXTRACTOR, "--weights", "file"], "NAME=PATH"),
        (["--features", EXTRACTOR, "--mix", "equal", "--labels-a", "{labels}"], "no class is in both"),
        (["--features", EXTRACTOR, "--card", "{far}"], "release"),
        (["--features", EXTRACTOR, "--protocol", "nothing"], "no protocol 'nothing'"),
    ],
)
def test_what_is_wrong_is_said_in_words(sets: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    names = sorted(path.relative_to(sets / "near").as_posix() for path in (sets / "near").rglob("*.png"))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class_index\n" + "\n".join(f"{name},3" for name in names))
    filled = [one.format(labels=labels, far=sets / "far") for one in arguments]
    done = CliRunner().invoke(
        main, ["compare", str(sets / "near"), str(sets / "far"), "--out", str(tmp_path / "o"), *filled]
    )
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_places_that_hold_nothing_to_compare_are_refused(sets: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no pictures"):
        compare(next((made / "run" / "releases").glob("*-v1")), sets / "far", tmp_path / "o")
    (tmp_path / "none").mkdir()
    with pytest.raises(BadInput, match="holds no pictures"):
        compare(tmp_path / "none", sets / "far", tmp_path / "o")
    text = tmp_path / "words.npz"
    text.write_text("words")
    with pytest.raises(BadInput, match="npz"):
        compare(text, sets / "far", tmp_path / "o")


def test_the_digest_is_of_the_pictures_and_not_of_their_names(sets: Path, tmp_path: Path) -> None:
    order = CompareOrder(one=sets / "near", other=sets / "far", representations=(EXTRACTOR,), device="cpu")
    found = run_compare(order, tmp_path)
    files = sorted(
        (hashlib.sha256(path.read_bytes()).hexdigest(), path.parent.name) for path in (sets / "near").rglob("*.png")
    )
    assert len(files) == 15
    assert found.facts["digests"]["A"] != found.facts["digests"]["B"]
    assert found.facts["one"] == "near"
