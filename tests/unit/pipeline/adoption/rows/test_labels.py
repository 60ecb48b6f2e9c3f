"""What label columns mean: numbers by their names or by the texts beside them, texts, lists."""

from __future__ import annotations

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables.adoption import ROW_LABELS
from relaionet.pipeline.adoption.class_names import Unclear
from relaionet.pipeline.adoption.rows.columns import Columns
from relaionet.pipeline.adoption.rows.labels import find_text, in_class_order, lay_out_rows
from relaionet.pipeline.adoption.rows.stream import RowsAbout
from tests.fakes.hub.sets import NAMES, WNIDS


def about(kind: str, names: list[str] | None = None, words: str | None = None) -> RowsAbout:
    columns = Columns(
        image="image", image_kind="image", label="label", label_kind=kind,  # type: ignore[arg-type]
        names=None if names is None else tuple(names), words=words,
    )  # fmt: skip
    return RowsAbout(format="parquet", split="test", columns=columns, files=("a",))


def rows(*labels: list[str], words: list[list[str]] | None = None) -> pl.DataFrame:
    said = words or [[] for _ in labels]
    given = [(f"a/{place}", "", list(some), said[place]) for place, some in enumerate(labels)]
    return pl.DataFrame(given, schema=dict(ROW_LABELS.schema), orient="row")


def test_names_in_class_order_as_the_hub_writes_them() -> None:
    """`datasets` takes no name twice, so that the second crane is crane2 there."""
    assert NAMES[517] == "crane2"
    assert in_class_order(NAMES)
    assert in_class_order(WNIDS)
    assert in_class_order([label.name for label in read_labels()])
    assert not in_class_order([*NAMES[1:], NAMES[0]])
    assert not in_class_order(NAMES[:999])
    layout = lay_out_rows(rows(["134"], ["517"], ["-1"], []), about("number", NAMES), "set")
    assert layout.found == {"134": WNIDS[134], "517": WNIDS[517]}
    assert set(layout.groups) == {"a/0", "a/1"}


def test_numbers_are_explained_by_the_texts_beside_them() -> None:
    beside = [["crane bird"], ["crane", "carton"]]
    layout = lay_out_rows(rows(["134"], ["517", "478"], words=beside), about("number", words="english_label"), "set")
    assert layout.found == {"134": WNIDS[134], "517": WNIDS[517], "478": WNIDS[478]}  # crane is clear by its number
    assert "class indices, as the texts beside say" in layout.words
    assert layout.several == {"a/1": ("517", "478")}
    other = lay_out_rows(rows(["0"], ["1"], words=[["goldfish"], ["crane"]]), about("number", words="name"), "set")
    assert other.found["0"] == WNIDS[1]
    assert isinstance(other.found["1"], Unclear)
    assert str(other.found["1"]).startswith("'1' (crane) fits 2 classes")
    twice = lay_out_rows(rows(["5"], ["5"], words=[["goldfish"], ["tench"]]), about("number", words="name"), "set")
    assert str(twice.found["5"]) == "'5' (goldfish or tench) fits no class"


def test_numbers_nobody_named_are_not_guessed() -> None:
    with pytest.raises(BadInput, match="have no names, so 0 to 999 may be in any order"):
        lay_out_rows(rows(["3"]), about("number"), "set")
    assert lay_out_rows(rows(["3"]), about("number"), "set", are_indices=True).found == {"3": WNIDS[3]}
    with pytest.raises(BadInput, match="label 1000 is no class index"):
        lay_out_rows(rows(["1000"]), about("number"), "set", are_indices=True)
    with pytest.raises(BadInput, match="label 9 has no name; 1 are named"):
        lay_out_rows(rows(["9"]), about("number", ["tench"]), "set")
    with pytest.raises(BadInput, match="none of its columns is a label"):
        lay_out_rows(rows(["3"]), RowsAbout(format="x", split="s", columns=Columns(
            image="image", image_kind="image", label=None), files=()), "set")  # fmt: skip


def test_texts_are_wnids_names_or_words_with_commas() -> None:
    assert find_text(f" {WNIDS[7]} ") == WNIDS[7]
    assert find_text("great white shark, white shark, man-eater") == WNIDS[2]
    assert isinstance(find_text("crane"), Unclear)
    layout = lay_out_rows(rows(["goldfish", "goldfish"], [WNIDS[5], "tench"]), about("text"), "set")
    assert layout.several == {"a/1": (WNIDS[5], "tench")}


def test_the_published_set_as_rows_stops_at_no_name() -> None:
    """As the Hub converts folders: numbers, named by the folders in their order."""
    names = ["Tench", "carpenter_s_kit", "crane", "misc", WNIDS[3]]
    given = rows(*([str(number)] for number in range(5)))
    layout = lay_out_rows(given, about("number", names), "set", published="relaionet")
    assert layout.is_whole
    assert [layout.found[str(number)] for number in (0, 1, 2, 4)] == [WNIDS[0], WNIDS[477], WNIDS[517], WNIDS[3]]
    assert layout.could_be == {"2": (WNIDS[134], WNIDS[517])}
    assert isinstance(layout.found["3"], Unclear)
    assert lay_out_rows(given, about("number", names), "set", published="fbf").could_be == {}
