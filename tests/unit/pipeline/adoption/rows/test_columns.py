"""Which column is the picture and which its label, as the features of real repositories have them."""

from __future__ import annotations

from typing import Any

import datasets
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.adoption.rows.columns import Columns, pick_columns

IMAGE, TEXT, NUMBER = datasets.Image(), datasets.Value("string"), datasets.Value("int64")
TWO = datasets.ClassLabel(names=["tench", "goldfish"])


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"image": IMAGE, "label": TWO}, ("image", "image", "label", "number", ("tench", "goldfish"), None)),
        ({"id": NUMBER, "img": IMAGE, "fine": TWO}, ("img", "image", "fine", "number", ("tench", "goldfish"), None)),
        ({"image": IMAGE, "wnid": TEXT, "class_name": TEXT}, ("image", "image", "wnid", "text", None, None)),
        ({"image": IMAGE, "label": NUMBER, "wnid": TEXT}, ("image", "image", "wnid", "text", None, None)),
        (
            {"image": IMAGE, "label": datasets.List(NUMBER), "english_label": datasets.List(TEXT)},
            ("image", "image", "label", "number", None, "english_label"),
        ),
        ({"image": IMAGE, "labels": datasets.List(TWO)}, ("image", "image", "labels", "number", TWO.names, None)),
        ({"image": IMAGE, "labels": [TWO]}, ("image", "image", "labels", "number", TWO.names, None)),
        ({"jpg": datasets.Value("binary"), "cls": NUMBER}, ("jpg", "bytes", "cls", "number", None, None)),
        ({"file_name": TEXT, "class_name": TEXT}, ("file_name", "path", "class_name", "text", None, None)),
        ({"image": {"bytes": datasets.Value("binary"), "path": TEXT}}, ("image", "image", None, None, None, None)),
    ],
)
def test_columns(features: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = pick_columns(features, None)
    names = expected[4] if expected[4] is None else tuple(expected[4])
    assert found == Columns(
        image=expected[0], image_kind=expected[1], label=expected[2], label_kind=expected[3], names=names,
        words=expected[5],
    )  # fmt: skip


def test_the_user_says_which_column_is_the_label() -> None:
    features = {"image": IMAGE, "label": TWO, "kind": TEXT, "vector": datasets.List(datasets.Value("float32"))}
    assert pick_columns(features, "kind").label == "kind"
    with pytest.raises(BadInput, match=r"no column 'knd'.*kind"):
        pick_columns(features, "knd")
    with pytest.raises(BadInput, match="holds no labels"):
        pick_columns(features, "vector")
    with pytest.raises(BadInput, match="no column of pictures; its columns are a, b"):
        pick_columns({"a": NUMBER, "b": TWO}, None)


def test_absurdly_many_names_are_refused() -> None:
    many = datasets.ClassLabel(names=[str(number) for number in range(30_001)])
    with pytest.raises(BadInput, match="30,001 label names"):
        pick_columns({"image": IMAGE, "label": many}, None)
