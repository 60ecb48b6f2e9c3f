import json

import pytest

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.adoption.real_labels import IMAGES_COUNT, choose_label, read_real_labels

WNIDS = [label.wnid for label in read_labels()]


def write(tmp_path, lists):
    (tmp_path / "real.json").write_text(json.dumps(lists))
    return tmp_path / "real.json"


def test_labels_by_number_in_class_order(tmp_path):
    lists = [[] for _ in range(IMAGES_COUNT)]
    lists[1], lists[-1] = [970, 795, 970], [0]
    read = read_real_labels(write(tmp_path, lists))
    assert (read[1], read[2], read[IMAGES_COUNT]) == ((), (WNIDS[795], WNIDS[970]), (WNIDS[0],))
    assert len(read) == IMAGES_COUNT


@pytest.mark.parametrize("wrong", [[1000], [-1], [True], ["7"], 7, None, [1.0], {"0": 1}])
def test_what_is_no_list_of_classes_is_refused_with_its_image(tmp_path, wrong):
    lists = [[] for _ in range(IMAGES_COUNT)]
    lists[2] = wrong
    with pytest.raises(BadInput, match="image 3"):
        read_real_labels(write(tmp_path, lists))


def test_another_file_is_refused(tmp_path):
    for value, told in (([[1]], "1 items"), ({}, "dict")):
        with pytest.raises(BadInput, match=told):
            read_real_labels(write(tmp_path, value))
    (tmp_path / "real.json").write_text("[[1")
    with pytest.raises(Corrupt):
        read_real_labels(tmp_path / "real.json")
    with pytest.raises(BadInput, match="does not exist"):
        read_real_labels(tmp_path / "none.json")


def test_a_picture_of_several_is_filed_under_its_usual_label():
    some = (WNIDS[5], WNIDS[3])
    assert choose_label(some, WNIDS[5]) == WNIDS[5]
    assert choose_label(some, WNIDS[9]) == choose_label(some) == WNIDS[3]
    assert choose_label((), WNIDS[9]) is None
