import hashlib
import random
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.annotations.tasks.page import CHOICES, class_words, hint_line, label_config, page_labels
from relaionet.annotations.tasks.tasks import TasksConfig, answered_tasks, make_tasks, task_data
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label, read_labels
from relaionet.manifests.tables import TASKS, check_table
from tests.depth import deep

WNIDS = [label.wnid for label in read_labels()][100:140]


def key(*parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def make_rows(count, seed=0):
    rng = random.Random(seed)
    return pl.DataFrame(
        [
            {
                "candidate_id": key("row", seed, i), "wnid": (top := rng.sample(WNIDS, 5))[0], "top_wnids": top,
                "path": f"{i % 10}/{i}.jpg", "caption": rng.choice([None, f"caption {i}", "x" * 999]),
            }
            for i in range(count)
        ],
        schema_overrides={"caption": pl.String},
    )  # fmt: skip


def make_controls(count):
    return pl.DataFrame(
        [{"candidate_id": key("control", i), "wnid": WNIDS[i % len(WNIDS)], "path": f"c{i}.png"} for i in range(count)]
    )


@settings(max_examples=deep(25), deadline=None)
@given(count=st.integers(1, 60), seed=st.integers(0, 5), shuffle=st.integers(0, 1000))
def test_all_rows_once_and_order_of_input_does_not_matter(count, seed, shuffle):
    rows, controls = make_rows(count), make_controls(12)
    tasks = check_table(make_tasks(rows, controls, config=TasksConfig(seed=seed)), TASKS)
    assert set(tasks.filter(~pl.col("is_control"))["candidate_id"]) == set(rows["candidate_id"])
    assert tasks.filter("is_control").height == min(12, max(1, round(count * 0.1)))
    assert tasks["position"].to_list() == list(range(tasks.height))
    mixed = rows.sample(fraction=1, shuffle=True, seed=shuffle)
    assert make_tasks(mixed, controls.reverse(), config=TasksConfig(seed=seed)).equals(tasks)


def test_seed_and_round_change_the_order():
    rows = make_rows(50)
    first = make_tasks(rows)
    assert make_tasks(rows, config=TasksConfig(seed=1))["candidate_id"].to_list() != first["candidate_id"].to_list()
    assert make_tasks(rows, round_number=2)["candidate_id"].to_list() != first["candidate_id"].to_list()


def test_controls_look_like_other_rows():
    tasks = make_tasks(make_rows(400), make_controls(40), config=TasksConfig(controls_frac=0.1))
    controls = tasks.filter("is_control")
    wrong = controls.filter(pl.col("proposed_wnid") != pl.col("control_wnid"))
    assert wrong.height == 20
    # a wrong control's true class is mostly offered by a key, as a wrong row's is
    offered = sum(row["control_wnid"] in row["runner_up_wnids"] for row in wrong.iter_rows(named=True))
    assert 8 <= offered < 20
    assert controls["caption"].null_count() < controls.height
    shown = [task_data(row) for row in tasks.to_dicts()]
    assert len({tuple(one) for one in shown}) == 1
    told = str(shown)
    assert "control" not in told
    assert ".png" not in told


def test_proposed_class_is_never_among_the_runner_ups():
    for row in make_tasks(make_rows(100), make_controls(10)).iter_rows(named=True):
        assert row["proposed_wnid"] not in row["runner_up_wnids"]
        assert len(row["runner_up_wnids"]) == len(set(row["runner_up_wnids"])) <= 3


def test_data_shows_class_and_short_caption():
    row = make_tasks(make_rows(1)).to_dicts()[0] | {"caption": " a\n\tb " + "y" * 500}
    data = task_data(row)
    assert data["proposed"] == class_words(find_label(row["proposed_wnid"]))
    assert data["caption_line"].startswith("Caption: a b yyy")
    assert len(data["caption_line"]) <= 310
    assert [one["alias"] for one in data["runner_ups"]] == row["runner_up_wnids"]
    assert task_data(row | {"caption": None})["caption_line"] == "No caption"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop("caption"), "missing column caption"),
        (lambda rows: rows.with_columns(candidate_id=pl.lit("../../etc")), "64 hexadecimal"),
        (lambda rows: pl.concat([rows, rows]), "stands twice"),
        (lambda rows: rows.with_columns(wnid=pl.lit("n00000000")), "no ImageNet-1k wnid"),
    ],
)
def test_bad_rows_are_named(change, said):
    with pytest.raises(BadInput, match=said):
        make_tasks(change(make_rows(2)))


def test_a_control_cannot_be_a_row():
    rows = make_rows(3)
    with pytest.raises(BadInput, match="controls must be other pictures"):
        make_tasks(rows, rows.select("candidate_id", "wnid", "path"))


def test_page_is_what_the_sdk_takes_for_a_config():
    from label_studio_sdk.label_interface import LabelInterface

    page = label_config(read_labels())
    interface = LabelInterface(page)
    interface.validate()
    assert interface.get_control("answer").labels == list(CHOICES)
    assert len(interface.get_control("other_class").labels) == 1000
    assert len({hotkey for _, hotkey in CHOICES.values()}) == len(CHOICES)
    assert re.search(r'alias="n02012849"', page)


def test_hints_name_the_classes_that_are_easily_taken_for_each_other():
    bird, machine = find_label("n02012849"), find_label("n03126707")
    assert hint_line(bird) == f"Not: {machine.name} ({machine.gloss})"
    assert hint_line(find_label("n04355933")).startswith("Looks alike: sunglasses (")
    assert hint_line(find_label("n01440764")) == ""
    hinted = [label for label in read_labels() if hint_line(label)]
    assert 50 < len(hinted) < 120
    for label in hinted:
        assert f": {label.name} (" not in hint_line(label)
        assert f"; {label.name} (" not in hint_line(label)


def test_class_words_are_distinct():
    assert len({class_words(label) for label in read_labels()}) == 1000


def test_short_page_offers_every_class_a_task_needs():
    tasks = make_tasks(make_rows(5), make_controls(2))
    offered = {label.wnid for label in page_labels(tasks, [find_label("n02012849")])}
    assert {"n02012849", *tasks["proposed_wnid"], *tasks["control_wnid"].drop_nulls()} <= offered
    assert {wnid for row in tasks["runner_up_wnids"] for wnid in row} <= offered


def test_page_without_classes_is_refused():
    with pytest.raises(BadInput, match="at least one class"):
        label_config([])


def test_only_pictures_with_all_their_answers_are_asked_about_again():
    first = make_tasks(make_rows(4))
    one, two, three, four = first["candidate_id"]
    second = make_tasks(make_rows(4).filter(pl.col("candidate_id").is_in([three, four])), round_number=2)
    # as older tables have it: the recipe says how many answers are wanted
    first, second = (
        part.with_columns(pl.lit(None, pl.Int32).alias("answers_wanted_count")) for part in (first, second)
    )
    tasks = pl.concat([second, first])
    answers = [(one, 1, 1), (two, 1, 2), (two, 1, 2), (three, 1, 3), (three, 1, 4), (four, 1, 5), (four, 2, 6)]
    decisions = pl.DataFrame(
        answers, schema={"candidate_id": pl.String, "round": pl.Int32, "annotation_id": pl.Int64}, orient="row"
    )

    # one answer of two, one changed answer of two, round 2 open, round 2 answered
    assert answered_tasks(tasks, decisions, 2, 1)["candidate_id"].to_list() == [four]
    assert set(answered_tasks(tasks, decisions, 1, 1)["candidate_id"]) == {one, two, four}
    assert set(answered_tasks(first, decisions, 2, 1)["candidate_id"]) == {three}
    assert answered_tasks(tasks, decisions, 2, 1).columns == tasks.columns


def test_every_task_says_how_many_answers_it_wants():
    rows = make_rows(200)
    assert set(make_tasks(rows, make_controls(9), overlap=2)["answers_wanted_count"]) == {2}
    wanted = pl.Series("answers_wanted_count", [1 if place % 2 else None for place in range(200)], dtype=pl.Int32)
    tasks = make_tasks(rows.with_columns(wanted), make_controls(40), overlap=4, config=TasksConfig(controls_frac=0.2))
    asked = rows.with_columns(wanted.fill_null(4).alias("expected")).join(tasks, on="candidate_id")
    assert asked["expected"].to_list() == asked["answers_wanted_count"].to_list()
    # a control that always wanted what no other row wants would be no hidden one
    assert set(tasks.filter("is_control")["answers_wanted_count"]) == {1, 4}
    with pytest.raises(BadInput, match="at least 1"):
        make_tasks(rows.with_columns(pl.lit(0, pl.Int32).alias("answers_wanted_count")))


def test_answers_are_counted_against_what_the_task_wants():
    rows = make_rows(3).with_columns(pl.Series("answers_wanted_count", [1, 3, None], dtype=pl.Int32))
    tasks = make_tasks(rows, overlap=2)
    once, thrice, usual = rows["candidate_id"]
    answers = [(once, 1, 1), (thrice, 1, 2), (thrice, 1, 3), (usual, 1, 4), (usual, 1, 5)]
    decisions = pl.DataFrame(
        answers, schema={"candidate_id": pl.String, "round": pl.Int32, "annotation_id": pl.Int64}, orient="row"
    )
    assert set(answered_tasks(tasks, decisions, 9, 9)["candidate_id"]) == {once, usual}
    old = tasks.with_columns(pl.lit(None, pl.Int32).alias("answers_wanted_count"))
    assert set(answered_tasks(old, decisions, 1, 9)["candidate_id"]) == {once, thrice, usual}


def test_doubtful_rows_come_first_in_shuffled_blocks():
    rows = make_rows(120).with_columns(place=pl.int_range(120))
    config = TasksConfig(order="doubtful", block_count=40, controls_frac=0.2)
    tasks = make_tasks(rows, make_controls(24), config=config)
    asked = tasks.filter(~pl.col("is_control")).join(rows.select("candidate_id", "place"), on="candidate_id")
    blocks = asked.sort("position")["place"] // 40
    assert blocks.is_sorted()
    assert not asked.sort("position")["place"].is_sorted()
    spread = tasks.filter("is_control")["position"]
    assert spread.min() < 48 < 96 < spread.max()
    shuffled = make_tasks(rows, make_controls(24), config=TasksConfig(controls_frac=0.2))
    assert shuffled.sort("candidate_id").drop("position").equals(tasks.sort("candidate_id").drop("position"))


def test_a_control_that_shows_several_is_asked_about_with_one_of_them_or_with_none():
    several = WNIDS[:3]
    sets = [several if i % 2 else None for i in range(40)]
    controls = make_controls(40).with_columns(
        wnids=pl.Series(sets, dtype=pl.List(pl.String)),
        wnid=pl.when(pl.int_range(pl.len()) % 2 == 1).then(pl.lit(WNIDS[0])).otherwise("wnid"),
    )
    tasks = make_tasks(make_rows(60), controls, config=TasksConfig(controls_frac=1.0)).filter("is_control")
    shown = dict(zip(controls["candidate_id"], sets, strict=True))
    asked = set()
    for row in tasks.filter(pl.col("candidate_id").is_in([one for one, some in shown.items() if some])).to_dicts():
        fits = row["proposed_wnid"] in several
        assert fits == (row["control_wnid"] == row["proposed_wnid"])
        assert row["control_wnid"] in several
        if fits:  # what else it shows can be ticked
            asked.add(row["proposed_wnid"])
            assert set(several) - {row["proposed_wnid"]} <= set(row["runner_up_wnids"])
        else:  # one right answer among what is offered, at most
            assert len(set(several) & set(row["runner_up_wnids"])) <= 1
    assert len(asked) > 1
    assert 0 < tasks.filter(pl.col("control_wnid") == pl.col("proposed_wnid")).height < 40
    # a table that knows nothing of sets makes the tasks it always made
    plain = make_controls(40)
    none = plain.with_columns(wnids=pl.lit(None, pl.List(pl.String)))
    assert make_tasks(make_rows(60), none).equals(make_tasks(make_rows(60), plain))


def test_every_key_of_the_page_is_one_answers():
    tasks = make_tasks(make_rows(3), config=TasksConfig(runner_ups_count=4))
    data = task_data(tasks.to_dicts()[0], TasksConfig(runner_ups_count=4))
    offered = data["runner_ups"] + data["shown_classes"]
    used = [key for _, key in CHOICES.values()] + [one["hotkey"] for one in offered]
    assert len(used) == len(set(used)) == 8 + 4 + 5
    assert [one["alias"] for one in data["shown_classes"]] == [
        data["wnid"],
        *(one["alias"] for one in data["runner_ups"]),
    ]
    assert len({one["value"] for one in offered}) == len(offered)


def test_what_a_screen_saw_is_told_before_other_hints_for_controls_as_for_rows() -> None:
    rows = make_rows(6).with_columns(remark=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("2 faces")))
    controls = make_controls(3).with_columns(remark=pl.lit("1 face"))
    tasks = make_tasks(rows, controls, config=TasksConfig(controls_frac=0.5))
    told = {row["candidate_id"]: task_data(row)["hint"] for row in tasks.iter_rows(named=True)}
    first = rows["candidate_id"][0]
    assert told[first].startswith("2 faces.")
    hidden = tasks.filter("is_control")["candidate_id"].to_list()
    assert hidden
    assert all(told[one].startswith("1 face.") for one in hidden)
    assert not any("face" in told[one] for one in told if one not in (first, *hidden))
    assert make_tasks(make_rows(2))["remark"].to_list() == [None, None]
