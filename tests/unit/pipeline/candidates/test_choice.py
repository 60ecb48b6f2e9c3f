"""Laws of the choice: counts add up, budgets hold, more budget only adds, and nothing depends on the rows' order."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CHOSEN, alive, check_table
from relaionet.pipeline.candidates.choice import (
    FULL,
    FULL_UNNAMED,
    ChooseConfig,
    choose_candidates,
    make_keys,
    share_out,
    site_of,
)
from tests.depth import deep

WNIDS = ["n01440764", "n01443537", "n02012849", None]
rows_of = st.lists(
    st.tuples(
        st.sampled_from(WNIDS),
        st.none() | st.floats(-1, 1, width=32),
        st.sampled_from(["http://a.example/", "https://www.A.example/", "http://b.example:80/", "http://u@c.example/"]),
        st.sampled_from(["a tench", "A  Tench ", "goldfish in a bowl", None]),
    ),
    max_size=60,
)
configs = st.builds(
    ChooseConfig,
    per_class_count=st.none() | st.integers(0, 12),
    total_count=st.none() | st.integers(0, 40),
    shape=st.sampled_from(["balanced", "proportional"]),
    unnamed_count=st.none() | st.integers(0, 12),
    pick=st.sampled_from(["spread", "similar", "random"]),
    strata_count=st.integers(1, 6),
    per_site_count=st.integers(1, 3),
    seed=st.integers(0, 3),
)


def frame(items: list[tuple[str | None, float | None, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "candidate_id": [sha256(str(place).encode()).hexdigest() for place in range(len(items))],
            "wnid": [item[0] for item in items],
            "cosine": [item[1] for item in items],
            "url": [item[2] + str(place) for place, item in enumerate(items)],
            "caption": [item[3] for item in items],
        },
        schema=dict.fromkeys(("candidate_id", "wnid", "cosine", "url", "caption"), pl.String) | {"cosine": pl.Float32},
    )


def choose(rows: pl.DataFrame, config: ChooseConfig) -> pl.DataFrame:
    return choose_candidates(make_keys(rows, config), config)


@settings(deadline=None, max_examples=deep(120))
@given(rows_of, configs)
def test_same_rows_out_and_budgets_hold(items, config: ChooseConfig) -> None:
    rows = frame(items)
    table = check_table(choose(rows, config), CHOSEN)
    assert table["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert table["wnid"].to_list() == rows["wnid"].to_list()
    taken = Counter(alive(table)["wnid"])
    there = Counter(rows["wnid"])
    unnamed = taken.pop(None, 0)
    assert unnamed == min(there.pop(None, 0), 10**9 if config.unnamed_count is None else config.unnamed_count)
    assert dict(taken) == {wnid: count for wnid, count in share_out(there, config).items() if count}
    left = table.filter(pl.col("status") == "over_budget")
    reasons = pl.when(pl.col("wnid").is_null()).then(pl.lit(FULL_UNNAMED)).otherwise(pl.lit(FULL))
    assert left["reason"].equals(left.select(reasons.alias("reason"))["reason"])
    # places of a class are 0, 1, 2, … and the chosen ones come first
    for _, part in table.group_by("wnid"):
        ordered = part.sort("place")
        assert ordered["place"].to_list() == list(range(part.height))
        assert ordered["status"].to_list() == sorted(ordered["status"])


@settings(deadline=None, max_examples=deep(80))
@given(rows_of, configs, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(items, config: ChooseConfig, random) -> None:
    rows = frame(items)
    order = list(range(rows.height))
    random.shuffle(order)
    mixed = choose(rows[order], config)
    assert mixed.sort("candidate_id").equals(choose(rows, config).sort("candidate_id"))


@settings(deadline=None, max_examples=deep(80))
@given(rows_of, configs, st.integers(0, 10))
def test_a_larger_budget_only_adds(items, config: ChooseConfig, count: int) -> None:
    def chosen(per_class: int) -> set[str]:
        small = ChooseConfig(per_class_count=per_class, pick=config.pick, strata_count=config.strata_count)
        return set(alive(choose(frame(items), small))["candidate_id"])

    assert chosen(count) <= chosen(count + 1)


@settings(deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 50), max_size=8), configs)
def test_shares_are_within_what_is_there_and_sum_to_the_total(available: dict[str, int], config: ChooseConfig) -> None:
    shares = share_out(available, config)
    limits = {name: min(count, config.per_class_count or 0) if config.per_class_count is not None else count
              for name, count in available.items()}  # fmt: skip
    assert set(shares) == set(available)
    assert all(0 <= shares[name] <= limits[name] for name in shares)
    reachable = sum(limits.values())
    assert sum(shares.values()) == (reachable if config.total_count is None else min(reachable, config.total_count))
    if config.shape == "balanced" and config.total_count is not None:
        # nobody has two more than a class that could have had another
        held_back = [shares[name] for name in shares if shares[name] < limits[name]]
        assert not held_back or max(shares.values()) - min(held_back) <= 1


def test_a_total_in_proportion_keeps_the_proportions() -> None:
    config = ChooseConfig(total_count=100, shape="proportional")
    assert share_out({"a": 800, "b": 150, "c": 50}, config) == {"a": 80, "b": 15, "c": 5}


def test_the_spread_takes_from_the_whole_range_and_the_similar_from_the_top() -> None:
    items = [(WNIDS[0], place / 1000, f"http://{place}.example/", f"tench {place}") for place in range(1000)]
    spread = alive(choose(frame(items), ChooseConfig(per_class_count=50)))
    assert Counter(spread["stratum"]) == dict.fromkeys(range(5), 10)
    similar = alive(choose(frame(items), ChooseConfig(per_class_count=50, pick="similar")))
    assert set(similar["candidate_id"]) == set(frame(items)["candidate_id"][950:])


def test_sites_and_captions_take_turns() -> None:
    shop = [(WNIDS[0], 0.9, "http://shop.example/", f"tench {place}") for place in range(90)]
    others = [(WNIDS[0], 0.5, f"http://{place}.example/", f"tench on a plate {place}") for place in range(10)]
    table = choose(frame(shop + others), ChooseConfig(per_class_count=15, per_site_count=5))
    assert table["status"].to_list()[90:] == ["ok"] * 10  # one turn of the shop leaves room for all others
    again = [(WNIDS[0], 0.9, f"http://{place}.example/", "the same tench") for place in range(50)]
    table = choose(frame(again + others), ChooseConfig(per_class_count=11))
    assert table["status"].to_list()[50:] == ["ok"] * 10


def test_another_seed_is_another_choice() -> None:
    items = [(WNIDS[0], None, f"http://{place}.example/", f"tench {place}") for place in range(200)]
    chosen = [set(alive(choose(frame(items), ChooseConfig(per_class_count=20, seed=seed)))["candidate_id"])
              for seed in (0, 0, 1)]  # fmt: skip
    assert chosen[0] == chosen[1] != chosen[2]


@pytest.mark.parametrize(
    ("name", "value"), [("shape", "square"), ("pick", "best"), ("strata_count", 0), ("per_class_count", -1)]
)
def test_what_makes_no_sense_is_refused(name: str, value: object) -> None:
    with pytest.raises(BadInput, match=name):
        ChooseConfig(**{name: value})


def test_every_spelling_of_a_host_is_one_site() -> None:
    same = ["http://www.example.org/a", "https://EXAMPLE.org:8080/b?c", "http://example.org./", "http://%65xample.org/",
            "http://ｅｘａｍｐｌｅ．org/x", " http://example%2Eorg"]  # fmt: skip
    assert site_of(pl.Series("url", same)).to_list() == ["example.org"] * len(same)
    other = [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://my_site.example/",
        "http://a%3A22/",
        None,
        "x",
    ]
    assert site_of(pl.Series("url", other)).to_list() == ["127.0.0.1"] * 3 + ["my_site.example", None, None, None]
