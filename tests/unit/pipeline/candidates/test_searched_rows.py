"""What searches found, beside the rows of the source."""

from __future__ import annotations

from hashlib import sha256

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.tables import NEIGHBOURS, check_table
from relaionet.pipeline.candidates.searched_rows import gather_neighbours, merge_neighbours
from tests.depth import deep


def neighbours(*rows: tuple[int, str, str, float | None], status: str = "ok") -> pl.DataFrame:
    """NEIGHBOURS of (number of the URL, wnid, query, cosine)."""
    made = []
    for number, wnid, query, cosine in rows:
        url = f"http://a.example/{number}"
        row = dict.fromkeys(NEIGHBOURS.columns) | {
            "candidate_id": sha256(url.encode()).hexdigest(), "url": url, "caption": f"{wnid} {cosine}", "wnid": wnid,
            "query": query, "asked": "x", "rank": 0, "cosine": cosine, "width_px": 100, "height_px": 100,
            "source": "index", "source_row": 3, "status": status,
        }  # fmt: skip
        made.append(row)
    return check_table(pl.DataFrame(made, schema=NEIGHBOURS.schema), NEIGHBOURS)


def test_results_of_one_url_become_one_row() -> None:
    found = gather_neighbours(
        pl.concat([
            neighbours((1, "b", "text_search", 0.3), (1, "a", "image_search", 0.5), (1, "b", "image_search", 0.9)),
            neighbours((2, "a", "text_search", None), (2, "c", "text_search", 0.1)),
            neighbours((3, "a", "text_search", 0.9), status="malformed"),
        ])
    )  # fmt: skip
    assert found.height == 2
    assert found["candidate_id"].is_sorted()
    one, two = (found.row(by_predicate=pl.col("url") == f"http://a.example/{n}", named=True) for n in (1, 2))
    assert (one["found_by"], one["sought_wnids"], one["caption"]) == (
        ["image_search", "text_search"],
        ["b", "a"],
        "b 0.9",
    )
    assert (two["found_by"], two["sought_wnids"], two["caption"]) == (["text_search"], ["c", "a"], "c 0.1")


def test_rows_keep_their_order_and_number() -> None:
    rows = pl.DataFrame({"url": ["http://a.example/2", None, "http://a.example/9", "http://a.example/2"],
                         "lemma": ["x", None, "y", None]})  # fmt: skip
    merged = merge_neighbours(rows, gather_neighbours(neighbours((2, "a", "text_search", 0.1))))
    assert merged.select("url", "lemma").equals(rows)
    assert merged["found_by"].to_list() == [["lemma", "text_search"], [], ["lemma"], ["text_search"]]
    assert merged["sought_wnids"].to_list() == [["a"], [], [], ["a"]]
    for found in (None, gather_neighbours(NEIGHBOURS.empty())):
        plain = merge_neighbours(rows, found)
        assert plain["found_by"].to_list() == [["lemma"], [], ["lemma"], []]
        assert plain.schema == merged.schema


RESULTS = st.tuples(
    st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(["text_search", "image_search"]),
    st.sampled_from([0.1, 0.2, 0.3, None]),
)  # fmt: skip


@settings(max_examples=deep(40), deadline=None)
@given(results=st.lists(RESULTS, max_size=12), data=st.data())
def test_the_order_of_results_does_not_matter(
    results: list[tuple[int, str, str, float | None]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(results))
    assert gather_neighbours(neighbours(*results)).equals(gather_neighbours(neighbours(*shuffled)))
