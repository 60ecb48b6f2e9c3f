"""Image sets of every layout, drawn small: each picture gets the class the set itself says, or nothing is adopted."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.manifests.release.manifest_check import check_manifest
from relaionet.manifests.tables.adoption import ADOPTED
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.adoption.class_names import Unclear, find_by_name, fold_name
from relaionet.pipeline.adoption.mapping import read_mapping, write_template
from relaionet.pipeline.images.files import PictureLimits, list_pictures, read_pictures

WNIDS = [label.wnid for label in read_labels()]


def draw(path: Path, seed: int = 0) -> Path:
    """A small picture of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    image = Image.new("RGB", (12, 10), tuple(rng.randrange(256) for _ in range(3)))
    image.putpixel((seed % 12, 3), (seed % 256, 0, 0))
    image.save(path, format="PNG" if path.suffix == ".png" else "JPEG")
    return path


def config(**values: object) -> AdoptConfig:
    return AdoptConfig(name="set", **values)  # type: ignore[arg-type]


def adopt(source: Path, **values: object) -> pl.DataFrame:
    """ADOPTED of a set; its manifest passes every rule."""
    adoption = plan_adoption(source, config(**values))
    assert not adoption.unclear, adoption.unclear
    pictures = read_pictures(source, [place.path for place in adoption.places], PictureLimits())
    adopted = check_table(label_pictures(pictures, adoption), ADOPTED)
    assert adopted.height == len(adoption.places) + len(adoption.others)
    manifest = check_manifest(make_adopted_manifest(pictures, adopted))
    assert manifest.height == adopted.filter(pl.col("status") == "ok").height
    return adopted


def classes(adopted: pl.DataFrame) -> dict[str, str]:
    return dict(adopted.filter(pl.col("wnid").is_not_null()).select("path", "wnid").iter_rows())


# layouts ----------------------------------------------------------------------------------------------------------


def test_imagenetv2s_numbers_are_numbers(tmp_path: Path) -> None:
    """Sorted as text, "10" would be class 2; a thousand folders leave no doubt that they are class indices."""
    for number in range(1000):
        (tmp_path / str(number)).mkdir()
    for number in (0, 2, 10, 100, 999):
        draw(tmp_path / str(number) / "a.jpeg", number)
    with pytest.raises(BadInput, match="not all of 0 to 999"):
        plan_adoption(tmp_path, config())
    found = classes(adopt(tmp_path, kind="numbers"))
    assert found == {f"{number}/a.jpeg": WNIDS[number] for number in (0, 2, 10, 100, 999)}


def test_a_thousand_numbers_are_recognised_and_shown(tmp_path: Path) -> None:
    one = draw(tmp_path / "one.jpg").read_bytes()
    source = tmp_path / "set"
    for number in range(1000):
        (source / str(number)).mkdir(parents=True)
        (source / str(number) / "a.jpg").write_bytes(one)
    layout = plan_adoption(source, config()).layout
    assert layout.words.startswith("1,000 folders named 0…999: class numbers, as numbers and not as text")
    assert layout.found == {str(number): wnid for number, wnid in enumerate(WNIDS)}


@pytest.mark.parametrize(("names", "words"), [(("1", "1000"), "ILSVRC2012_IDs"), (("1", "01"), "two folders mean")])
def test_numbers_that_are_no_class_indices_are_refused(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    for name in names:
        draw(tmp_path / name / "a.jpg")
    with pytest.raises(BadInput, match=words):
        plan_adoption(tmp_path, config(kind="numbers"))


def test_wnid_folders_with_a_label_subset(tmp_path: Path) -> None:
    for number in range(0, 1000, 5):
        draw(tmp_path / WNIDS[number] / "deep" / "a.jpg", number)
    (tmp_path / "README.txt").write_text("about the set")
    draw(tmp_path / "grid.png")
    adoption = plan_adoption(tmp_path, config())
    assert adoption.layout.words == "200 folders named by wnid: 200 of the 1000 classes"
    adopted = adopt(tmp_path)
    assert set(classes(adopted).values()) == set(WNIDS[::5])
    rest = {row["path"]: (row["status"], row["reason"]) for row in adopted.filter(pl.col("wnid").is_null()).to_dicts()}
    assert rest == {
        "README.txt": ("skipped", "no picture by its name, hidden, or a link"),
        "grid.png": ("unlabelled", "it is in no class folder, or has no label"),
    }


def test_a_wnid_that_is_no_class_is_unclear(tmp_path: Path) -> None:
    draw(tmp_path / "n01440764" / "a.jpg")
    draw(tmp_path / "n00007846" / "a.jpg")  # person: a synset, but none of the 1000
    assert [one.folder for one in plan_adoption(tmp_path, config()).unclear] == ["n00007846"]


def test_class_names_are_matched_whatever_their_case_and_marks(tmp_path: Path) -> None:
    for name in (
        "tench",
        "great_white_shark",
        "Tree Frog",
        "three-toed_sloth,_ai,_Bradypus_tridactylus",
        "jack-o'-lantern",
    ):
        draw(tmp_path / name / "a.jpg")
    found = classes(adopt(tmp_path))
    names = {path.split("/")[0]: labels_by_wnid()[wnid].class_index for path, wnid in found.items()}
    assert names["tench"] == 0
    assert names["great_white_shark"] == 2
    assert names["Tree Frog"] == 31
    assert names["three-toed_sloth,_ai,_Bradypus_tridactylus"] == 364
    assert names["jack-o'-lantern"] == 607


TWO = {
    "crane": {134, 517},
    "maillot": {638, 639},
    "cardigan": {264, 474},
    "missile": {657, 744},
    "sunglasses": {836, 837},
}


@pytest.mark.parametrize("name", TWO)
def test_a_name_that_fits_two_classes_is_never_guessed(name: str) -> None:
    for written in (name, name.upper(), name.title()):
        found = find_by_name(written)
        assert isinstance(found, Unclear)
        assert {label.class_index for label in found.fits} == TWO[name]


def test_every_name_of_ours_is_its_own_class_or_asked_about() -> None:
    for label in read_labels():
        found = find_by_name(label.name)
        assert found == label.wnid or (isinstance(found, Unclear) and label in found.fits), label
    assert fold_name("Crème_Brûlée!") == "creme brulee"


def test_unclear_folders_are_listed_with_what_they_fit(tmp_path: Path) -> None:
    for name in ("tench", "crane", "tennch", "zzz"):
        draw(tmp_path / name / "a.jpg")
    unclear = {one.folder: one for one in plan_adoption(tmp_path, config()).unclear}
    assert set(unclear) == {"crane", "tennch", "zzz"}
    assert "n02012849 crane bird" in str(unclear["crane"])
    assert "n03126707 construction crane" in str(unclear["crane"])
    assert unclear["tennch"].near[0].name == "tench"
    assert str(unclear["zzz"]) == "'zzz' fits no class"


# mapping ----------------------------------------------------------------------------------------------------------


def test_a_template_filled_in_settles_everything(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for name in ("tench", "crane", "two, words", 'quo"te', "other"):
        draw(source / name / "a.jpg", len(name))
    adoption = plan_adoption(source, config())
    file = write_template(tmp_path, "set", adoption.unclear, {})
    assert read_mapping(file) == {}
    text = file.read_text()
    assert "n02012849 crane bird" in text
    lines = [
        line + ("n02012849" if line.startswith("crane") else "skip") if line.endswith(",") else line
        for line in text.splitlines()
    ]
    file.write_text("\n".join(lines))
    adopted = adopt(source, mapping=file)
    assert classes(adopted) == {"crane/a.jpg": "n02012849", "tench/a.jpg": "n01440764"}
    assert adopted.filter(pl.col("reason") == "the mapping file says skip").height == 3
    assert write_template(tmp_path, "set", (), {"crane": "skip"}).name == "set-mapping-2.csv"


def test_toml_mappings_and_objectnets_names(tmp_path: Path) -> None:
    source = tmp_path / "objectnet"
    for name in ("air_freshener", "banana", "bath_towel"):
        draw(source / name / "a.png", len(name))
    file = tmp_path / "map.toml"
    file.write_text('[folders]\nair_freshener = "skip"\nbanana = "n07753592"\nbath_towel = "n02808304"\n')
    assert set(classes(adopt(source, mapping=file)).values()) == {"n07753592", "n02808304"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("folder;wnid\na;b", "expected the first line"), ("", "expected the first line"),
        ("folder,wnid\na,b,c", "expected two cells"), ("folder,wnid\na,n1", "is no ImageNet-1k wnid"),
        ("folder,wnid\ncrane,skip\ncrane,skip", "stands twice"),
        ("folder,wnid\ntenhc,n01440764", "no folder 'tenhc'.*tench"),
        ('folder,wnid\n"a,b', "is no CSV"),
    ],
)  # fmt: skip
def test_a_mapping_is_checked(tmp_path: Path, text: str, words: str) -> None:
    for name in ("tench", "crane"):
        draw(tmp_path / "set" / name / "a.jpg")
    file = tmp_path / "map.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=words):
        plan_adoption(tmp_path / "set", config(mapping=file))


@pytest.mark.parametrize("text", ["[folders", "folders = 3", "[folders]\na = 3", "x = 1"])
def test_a_toml_mapping_is_checked(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(BadInput, match=r"map\.toml"):
        read_mapping(tmp_path / "map.toml")
    with pytest.raises(BadInput, match="does not exist"):
        read_mapping(tmp_path / "none.csv")


# ILSVRC -----------------------------------------------------------------------------------------------------------


def make_devkit(folder: Path, truth: list[int]) -> dict[int, str]:
    """The devkit's two files with ids in an order that is not that of the wnids, as in the real one."""
    import numpy as np
    from scipy.io import savemat

    order = list(range(1000))
    random.Random(0).shuffle(order)
    fields = [
        ("ILSVRC2012_ID", object),
        ("WNID", object),
        ("words", object),
        ("gloss", object),
        ("num_children", object),
    ]
    rows = [(number + 1, WNIDS[index], "words", "gloss", 0) for number, index in enumerate(order)]
    rows += [(1001, "n00001740", "entity", "", 3), (1002, "n00007846", "person", "", 2)]
    data = folder / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=fields)})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in truth))
    return {number + 1: WNIDS[index] for number, index in enumerate(order)}


def test_ilsvrc_ids_are_not_class_indices(tmp_path: Path) -> None:
    wnids = make_devkit(tmp_path / "ILSVRC2012_devkit_t12", [7, 1, 1000])
    source = tmp_path / "ILSVRC2012_img_val"
    for number in (1, 2, 3):
        draw(source / f"ILSVRC2012_val_{number:08d}.JPEG", number)
    with pytest.raises(BadInput, match="--devkit"):
        plan_adoption(source, config())
    adopted = adopt(source, devkit=tmp_path / "ILSVRC2012_devkit_t12")
    assert list(classes(adopted).values()) == [wnids[7], wnids[1], wnids[1000]]
    assert wnids[7] != WNIDS[7]
    assert (
        "not by ILSVRC2012_ID" in plan_adoption(source, config(devkit=tmp_path / "ILSVRC2012_devkit_t12")).layout.words
    )
    draw(source / "ILSVRC2012_val_00000004.JPEG", 4)
    with pytest.raises(BadInput, match="says nothing about ILSVRC2012_val_00000004"):
        plan_adoption(source, config(devkit=tmp_path / "ILSVRC2012_devkit_t12"))


def test_a_devkit_inside_the_set_is_found_and_a_wrong_one_refused(tmp_path: Path) -> None:
    wnids = make_devkit(tmp_path / "devkit", [3])
    draw(tmp_path / "ILSVRC2012_val_00000001.JPEG")
    assert set(classes(adopt(tmp_path)).values()) == {wnids[3]}
    (tmp_path / "devkit" / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("1001")
    with pytest.raises(BadInput, match="1001 is no ILSVRC2012_ID"):
        plan_adoption(tmp_path, config())
    (tmp_path / "devkit" / "data" / "meta.mat").write_bytes(b"no matlab")
    with pytest.raises(BadInput, match=r"is no meta\.mat"):
        plan_adoption(tmp_path, config())


def test_ilsvrc_files_that_name_their_wnid_need_no_devkit(tmp_path: Path) -> None:
    draw(tmp_path / "val" / "ILSVRC2012_val_00000293_n01440764.JPEG")
    assert set(classes(adopt(tmp_path)).values()) == {"n01440764"}


# parquet ----------------------------------------------------------------------------------------------------------


def write_parquet(path: Path, labels: list[int], names: list[str] | None, folder: Path, groups: int = 2) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [
        {"bytes": draw(folder / f"{number}.jpg", number).read_bytes(), "path": f"{number}.jpg"} for number in labels
    ]
    table = pa.table({"image": images, "label": labels})
    if names is not None:
        about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=groups)


def test_parquet_of_the_hub(tmp_path: Path) -> None:
    """All 1000 names in order: a name that two classes share is clear by its place."""
    names = [", ".join(label.lemmas) for label in read_labels()]
    assert names[134] == names[517] == "crane"
    write_parquet(tmp_path / "set" / "data" / "a.parquet", [134, 517, 3, -1, 999], names, tmp_path)
    adopted = adopt(tmp_path / "set")
    assert classes(adopted) == {
        f"data/a.parquet/{row}": WNIDS[number] for row, number in ((0, 134), (1, 517), (2, 3), (4, 999))
    }
    assert adopted.filter(pl.col("status") == "unlabelled")["path"].to_list() == ["data/a.parquet/3"]


def test_parquet_with_names_of_its_own_order(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set" / "a.parquet", [0, 1, 2], ["goldfish", "n01440764", "crane"], tmp_path)
    adoption = plan_adoption(tmp_path / "set", config())
    assert adoption.classes == {"0": "n01443537", "1": "n01440764"}
    assert [one.folder for one in adoption.unclear] == ["2"]
    (tmp_path / "map.csv").write_text("folder,wnid\n2,n03126707\n")
    assert classes(adopt(tmp_path / "set", mapping=tmp_path / "map.csv"))["a.parquet/2"] == "n03126707"


def test_parquet_without_names_is_not_guessed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set" / "a.parquet", [0, 1], None, tmp_path)
    with pytest.raises(BadInput, match="do not say what their label numbers are called"):
        plan_adoption(tmp_path / "set", config())


# what else lies there -----------------------------------------------------------------------------------------------


def test_bytes_that_stand_twice_and_broken_files_are_said(tmp_path: Path) -> None:
    one = draw(tmp_path / "tench" / "a.jpg", 1).read_bytes()
    (tmp_path / "tench" / "b.jpg").write_bytes(one)
    draw(tmp_path / "goldfish" / "c.jpg", 2)
    (tmp_path / "goldfish" / "d.png").write_bytes(one)
    (tmp_path / "goldfish" / "e.jpg").write_bytes(one[:200])
    (tmp_path / "goldfish" / "f").write_bytes(b"<html>")
    (tmp_path / "goldfish" / "g.jpg").write_bytes(b"")
    adopted = adopt(tmp_path)
    rows = {row["path"]: row for row in adopted.iter_rows(named=True)}
    assert rows["goldfish/d.png"]["same_bytes_as"] is None
    assert (rows["tench/a.jpg"]["same_bytes_as"], rows["tench/a.jpg"]["same_bytes_wnid"]) == (
        "goldfish/d.png",
        "n01443537",
    )
    assert adopted["status"].to_list().count("broken") == 3
    assert all(row["reason"] for row in rows.values() if row["status"] == "broken")


def test_a_folder_above_the_classes_is_pointed_down(tmp_path: Path) -> None:
    for name in ("n01440764", "n01443537"):
        draw(tmp_path / "val" / name / "a.jpg")
    with pytest.raises(BadInput, match=r"those in val are; adopt .*val"):
        plan_adoption(tmp_path, config())


def test_folders_named_in_several_ways_are_asked_about(tmp_path: Path) -> None:
    for name in ("n01440764", "goldfish", "7"):
        draw(tmp_path / name / "a.jpg")
    with pytest.raises(BadInput, match=r"several ways .*--kind"):
        plan_adoption(tmp_path, config())


def test_what_is_no_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder"):
        plan_adoption(tmp_path / "none", config())
    with pytest.raises(BadInput, match="holds no pictures"):
        plan_adoption(tmp_path, config())
    draw(tmp_path / "a.jpg")
    with pytest.raises(BadInput, match="one folder per class"):
        plan_adoption(tmp_path, config())
    with pytest.raises(BadInput, match="release name"):
        AdoptConfig(name="../x")


def test_links_to_folders_are_not_followed_round(tmp_path: Path) -> None:
    draw(tmp_path / "tench" / "a.jpg")
    (tmp_path / "tench" / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "tench" / "lost.jpg").symlink_to(tmp_path / "nowhere")
    places, others = list_pictures(tmp_path)
    assert [place.path for place in places] == ["tench/a.jpg"]
    assert others == ["tench/lost.jpg", "tench/round"]


def test_a_class_folder_may_be_a_link_and_hidden_folders_are_none(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "a.jpg")
    draw(tmp_path / "set" / ".cache" / "huggingface" / "b.jpg", 1)
    (tmp_path / "set" / "tench").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    adopted = adopt(tmp_path / "set").select("path", "status").rows()
    assert adopted == [(".cache/huggingface/b.jpg", "skipped"), ("tench/a.jpg", "ok")]


@pytest.mark.parametrize("name", ["C:tench", "ten\\ch"])
def test_names_a_manifest_cannot_hold_are_said_before_anything_is_read(name: str, tmp_path: Path) -> None:
    draw(tmp_path / name / "a.jpg")
    with pytest.raises(BadInput, match="1 paths cannot stand in a manifest"):
        plan_adoption(tmp_path, config())


def test_results_do_not_depend_on_threads_or_batches(tmp_path: Path) -> None:
    for number in range(30):
        draw(tmp_path / "tench" / f"{number}.jpg", number)
    paths = [place.path for place in list_pictures(tmp_path)[0]]
    whole = read_pictures(tmp_path, paths, PictureLimits(threads=8))
    parts = [read_pictures(tmp_path, paths[start : start + 7], PictureLimits(threads=1)) for start in range(0, 30, 7)]
    assert whole.equals(pl.concat(parts))
    counted: list[int] = []
    read_pictures(tmp_path, paths, PictureLimits(), counted.append)
    assert sum(counted) == 30
    small = read_pictures(tmp_path, paths, PictureLimits(max_bytes=10))
    assert small["reason"].unique().to_list() == ["longer than 10 bytes"]
