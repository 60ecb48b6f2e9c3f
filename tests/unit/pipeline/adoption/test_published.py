"""The published reLAIONet's layout: names of either fold, doubles, unknown folders, both rules."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.labels import find_label, labels_by_wnid, read_labels
from relaionet.manifests.tables.adoption import ADOPTED
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, plan_adoption
from relaionet.pipeline.adoption.class_names import Unclear
from relaionet.pipeline.adoption.published import find_published, fold_listed, listed_classes, read_double_names
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from tests.fakes.published import DOUBLES, FORMS, ROOT, draw, encode, make_published, name_folder

SOME = sorted({*range(0, 1000, 9), *(index for pair in DOUBLES.values() for index in pair), 477, 739, 986})
WNIDS = [label.wnid for label in read_labels()]


def adopt(source: Path, **values: object) -> pl.DataFrame:
    """ADOPTED of a set, with every path as it stands in `source`."""
    adoption = plan_adoption(source, AdoptConfig(name="set", **values))  # type: ignore[arg-type]
    assert adoption.layout.kind == "published", adoption.layout
    assert not adoption.unclear
    pictures = read_pictures(adoption.source, [place.path for place in adoption.places], PictureLimits())
    adopted = check_table(label_pictures(pictures, adoption), ADOPTED)
    above = adoption.source.relative_to(source).as_posix()
    return adopted.with_columns(path=pl.lit("" if above == "." else f"{above}/") + pl.col("path"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("published") / "parent"
    return folder, make_published(folder, 2, classes=SOME)


# names --------------------------------------------------------------------------------------------------------------


def test_every_name_of_the_list_is_its_class_in_every_form() -> None:
    """In any case, with hyphens, apostrophes and spaces or with `_` in their place, and by wnid."""
    checked = 0
    for label in read_labels():
        listed = label.lemmas[0]
        if fold_listed(listed) in read_double_names():
            continue
        for written in (listed, listed.lower(), listed.upper(), fold_listed(listed), label.wnid, label.wnid.upper()):
            assert find_published(written) == label.wnid, written
            assert find_published(written, "fbf") == label.wnid, written
            checked += 1
    assert checked == 6 * (1000 - 8)


def test_a_name_of_the_list_is_no_other_class_that_has_the_word_too() -> None:
    assert find_published("harp") == WNIDS[594]  # a harmonica is a mouth harp
    assert find_published("tub") == WNIDS[876]
    found = find_published("horn")  # not on the list: a cornet and a French horn
    assert isinstance(found, Unclear)
    assert [label.class_index for label in found.fits] == [513, 566]


def test_names_that_are_not_on_the_list_are_known_to_us_alone() -> None:
    for name in ("crane bird", "construction-crane", "Tank_Suit", "great white shark, white shark"):
        assert isinstance(find_published(name), str), name
        assert isinstance(find_published(name, "fbf"), Unclear), name


@pytest.mark.parametrize(
    ("name", "index"), [("crane", 517), ("maillot", 639), ("cardigan", 474), ("missile", 657), ("sunglasses", 837)]
)
def test_the_authors_rule_gives_a_double_name_to_the_later_class(name: str, index: int) -> None:
    assert find_published(name.upper(), "fbf") == WNIDS[index]
    same = [label.class_index for label in read_labels() if fold_listed(label.lemmas[0]) == name]
    assert index == max(same)


def test_the_mapping_that_ships_says_of_every_double_name_which_class_and_why() -> None:
    lines = read_double_names()
    assert set(lines) == set(DOUBLES)
    twice = {name for name in map(fold_listed, (label.lemmas[0] for label in read_labels())) if _count(name) > 1}
    assert twice <= set(lines)
    for name, line in lines.items():
        assert [labels_by_wnid()[wnid].class_index for wnid in line.could_be] == list(DOUBLES[name])
        assert line.wnid in line.could_be
        assert len(line.reason) > 20
    assert len(listed_classes()) == 1000 + 1000 - 3  # wnids, and names of which three stand for two


def _count(name: str) -> int:
    return sum(fold_listed(label.lemmas[0]) == name for label in read_labels())


# the layout -----------------------------------------------------------------------------------------------------------


def test_every_file_is_a_row_and_no_single_name_is_wrong(made: tuple[Path, pl.DataFrame]) -> None:
    folder, truth = made
    adopted = adopt(folder)
    told = {path.relative_to(folder).as_posix() for path in (folder / ROOT).rglob("*") if path.is_file()}
    assert set(adopted["path"]) == told
    assert adopted["status"].null_count() == 0
    assert adopted.filter((pl.col("status") != "ok") & pl.col("reason").is_null()).is_empty()
    rows = adopted.join(truth, on="path", how="inner", suffix="_true")
    assert rows.height == adopted.height
    single = rows.filter(pl.col("could_be_true").is_null() & pl.col("wnid_true").is_not_null())
    assert single.filter(pl.col("wnid").ne_missing(pl.col("wnid_true"))).is_empty()
    assert rows.filter(pl.col("wnid_true").is_null() & pl.col("wnid").is_not_null()).is_empty()
    assert rows.filter(pl.col("could_be").is_null() != pl.col("could_be_true").is_null()).is_empty()
    doubles = rows.filter(pl.col("could_be").is_not_null())
    assert doubles.height == 2 * 8
    assert set(doubles["decided_by"]) == {"mapping"}


def test_what_becomes_of_each_oddity(made: tuple[Path, pl.DataFrame]) -> None:
    folder, truth = made
    rows = adopt(folder).join(truth, on="path", suffix="_true")
    became = {
        str(oddity): set(some["status"]) for (oddity,), some in rows.group_by("oddity") if oddity is not None
    }  # fmt: skip
    assert became.pop("no picture") <= {"skipped", "broken"}  # LICENSE has no ending, and is opened
    assert became == {
        "double": {"ok"}, "unknown folder": {"unlabelled"}, "broken": {"broken"}, "large profile": {"ok"},
        "profile": {"ok"}, "turned": {"ok"}, "nested": {"ok"}, "hidden": {"skipped"}, "no ending": {"ok"},
        "wrong ending": {"ok"}, "same bytes": {"ok"}, "in no folder": {"unlabelled"},
    }  # fmt: skip
    unknown = rows.filter(pl.col("oddity") == "unknown folder")["reason"]
    assert "its folder 'Tenhc' fits no class; nearest: tench (n01440764)" in " ".join(unknown)
    same = rows.filter(pl.col("oddity") == "same bytes")
    assert same["same_bytes_as"].null_count() == 1


def test_by_the_authors_rule_what_their_loader_passes_over_is_left_out(made: tuple[Path, pl.DataFrame]) -> None:
    """Compared with their rule, written plainly: one level of folders, six endings, names of the list, later first."""
    folder, _ = made
    adopted = adopt(folder, names="fbf")
    listed = {
        **{fold_listed(label.lemmas[0]): label.wnid for label in read_labels()},
        **{wnid: wnid for wnid in WNIDS},
    }  # fmt: skip
    expected = {}
    for home in sorted((folder / ROOT / "images").iterdir()):
        wnid = listed.get(fold_listed(home.name))
        for file in sorted(home.iterdir()) if home.is_dir() and wnid else ():
            if file.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp", ".tiff", ".webp"} and file.name[0] != ".":
                expected[file.relative_to(folder).as_posix()] = wnid
    found = dict(adopted.filter(pl.col("status") == "ok").select("path", "wnid").iter_rows())
    broken = set(adopted.filter(pl.col("status") == "broken")["path"])
    assert {path: wnid for path, wnid in expected.items() if path not in broken} == found
    assert adopted["could_be"].null_count() == adopted.height
    assert adopted.filter(pl.col("reason").str.contains("authors' loader", literal=True)).height > 3


def test_the_same_from_the_parent_and_from_the_set_itself(made: tuple[Path, pl.DataFrame]) -> None:
    folder, _ = made
    above, itself = (plan_adoption(place, AdoptConfig(name="set")) for place in (folder, folder / ROOT))
    assert above == itself
    inside = plan_adoption(folder / ROOT / "images", AdoptConfig(name="set"))
    assert inside.layout.kind == "published"
    assert inside.layout.found == itself.layout.found


def test_without_images_and_under_another_name(tmp_path: Path) -> None:
    truth = make_published(tmp_path / "a", 1, classes=SOME, has_images=False, has_oddities=False)
    adopted = adopt(tmp_path / "a").join(truth, on="path", suffix="_true")
    assert adopted.filter(pl.col("could_be").is_null() & (pl.col("wnid") != pl.col("wnid_true"))).is_empty()
    assert adopted.height == truth.height
    assert (tmp_path / "a" / ROOT).rename(tmp_path / "other").is_dir()
    assert len(set(SOME)) > 100
    assert adopt(tmp_path / "other").height == truth.height


def test_names_alone_under_another_name_are_asked_about_unless_it_is_said(tmp_path: Path) -> None:
    for name in ("tench", "crane", "zzz"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "a.jpg").write_bytes(encode(draw(name), ".jpg"))
    assert {one.folder for one in plan_adoption(tmp_path / "set", AdoptConfig(name="set")).unclear} == {"crane", "zzz"}
    assert adopt(tmp_path / "set", kind="published")["wnid"].to_list() == [WNIDS[517], WNIDS[0], None]


def test_a_mapping_file_says_more_than_the_one_that_ships(made: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    folder, _ = made
    file = tmp_path / "mine.csv"
    file.write_text(f"folder,wnid\ncrane,{WNIDS[134]}\nmisc,skip\nnot_a_class,{WNIDS[3]}\n")
    adopted = adopt(folder, mapping=file)
    by_folder = {
        folder: set(some["wnid"]) | set(some["status"]) for (folder,), some in adopted.group_by("folder")
    }  # fmt: skip
    assert by_folder["crane"] == {WNIDS[134], "ok"}
    assert by_folder["not_a_class"] == {WNIDS[3], "ok"}
    assert by_folder["misc"] == {None, "skipped"}
    assert adopted.filter(pl.col("folder") == "crane")["could_be"].null_count() == 4


def test_a_path_that_cannot_stand_in_a_manifest_stops_nothing(tmp_path: Path) -> None:
    make_published(tmp_path, 1, classes=[0, 134], has_oddities=False)
    (tmp_path / ROOT / "images" / "tench" / "C:\\a.jpg").write_bytes(encode(draw("x"), ".jpg"))
    adopted = adopt(tmp_path)
    assert adopted.filter(pl.col("status") == "skipped")["reason"].to_list() == ["its path cannot stand in a manifest"]
    assert adopted.height == 3


def test_the_stand_in_writes_names_in_every_form() -> None:
    names = {form: name_folder(find_label(WNIDS[place])) for place, form in enumerate(FORMS)}
    assert names["wnid"] == WNIDS[2]
    assert names["as listed"] == "goldfish"
    assert name_folder(read_labels()[477]) in ("carpenter_s_kit", "carpenter's_kit", "carpenter's kit")
