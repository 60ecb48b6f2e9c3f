import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.evaluators.metrics.catalogue import ALIGNMENTS, DISTANCES
from relaionet.evaluators.metrics.lookup import is_lower_better
from relaionet.evaluators.scoring.score import REAL
from relaionet.evaluators.set_labels import set_label
from relaionet.flows.pages.charts.chart import Point, Series, choose_ticks, draw_chart, format_number
from relaionet.flows.pages.charts.score_charts import draw_curves, draw_ranks, draw_trade
from relaionet.flows.pages.evaluation.contents import Report, ReportConfig, SampleRow, SetFacts
from relaionet.flows.pages.evaluation.findings import (
    check_bounds,
    compare_settings,
    conclude_ranking,
    conclude_settings,
)
from relaionet.flows.pages.evaluation.leaderboard import make_leaderboard
from relaionet.flows.pages.evaluation.page import write_report
from relaionet.flows.pages.evaluation.pairs import widen_scores
from relaionet.flows.pages.evaluation.splits import compare_splits
from relaionet.flows.pages.stages import make_stages
from relaionet.flows.pages.thumbnails import PagePicture, make_thumbnail
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, shape_table

TRAP = "<script>alert('x')</script>"
ROLES = {"world": "upper bound", "noise": "lower bound"}


def make_scores(trade: str = "paper") -> pl.DataFrame:
    """Guidance 1, 2, 4 of one generator at two step counts, with bounds; `trade` says what guidance does."""
    rows = []

    def add(generator: str, steps: int, guidance: float, **values: float) -> None:
        for metric, value in values.items():
            name = metric.replace("_", " ")
            half = 0.2 if name in ("FD", "CLIP Score") else 0.01
            rows.append(
                (
                    generator,
                    "s",
                    "miniature",
                    steps,
                    guidance,
                    float(steps),
                    name,
                    value,
                    value - half,
                    value + half,
                    500,
                )
            )

    add("real images", 0, 1, IS=19.0, CLIP_Score=30.0)
    add("world", 0, 1, FD=2.0, IS=19.0, CLIP_Score=30.0, MMHM=1.0)
    add("noise", 0, 1, FD=200.0, IS=1.1, CLIP_Score=2.0, MMHM=0.001)
    for steps in (1, 4):
        for place, guidance in enumerate((1.0, 2.0, 4.0)):
            up = {"paper": place, "both": -place, "none": 0}[trade]
            add(
                "flow", steps, guidance, FD=20 - steps + 2 * up, IS=10 + steps / 10,
                CLIP_Score=20 + (0 if trade == "none" else 2 * place), MMHM=0.5 + place / 10,
            )  # fmt: skip
    return shape_table(
        pl.DataFrame(rows, schema=[*SCORES.columns][:11], orient="row").with_columns(
            method=pl.lit("m"), made_with=pl.lit("d")
        ),
        SCORES,
    )


def make_class_scores() -> pl.DataFrame:
    """Five classes of every setting, the last of them no class of ImageNet's."""
    wnids = ["n01440764", "n01443537", "n01484850", "n01491361", TRAP]
    rows = [
        ("flow", "s", "miniature", steps, guidance, "class", wnid, metric, 10.0 * place + guidance,
         10.0 * place + guidance - 1, 10.0 * place + guidance + 1, 7, "m")
        for steps in (1, 4) for guidance in (1.0, 2.0, 4.0) for metric in ("CLIP Score", "FD")
        for place, wnid in enumerate(wnids)
    ]  # fmt: skip
    rows += [("flow", "s", "miniature", 4, 2.0, "group", TRAP, "CLIP Score", 3.0, None, None, 35, "m")]
    return shape_table(pl.DataFrame(rows, schema=list(CLASS_SCORES.columns), orient="row"), CLASS_SCORES)


def make_differences() -> pl.DataFrame:
    """Every pair of the settings under FD, all of one size and hardly known but for one."""
    labels = [set_label("flow", steps, guidance) for steps in (1, 4) for guidance in (1.0, 2.0, 4.0)]
    rows = [
        ("s", "miniature", "FD", one, other, -1.0, -3.0, 1.0, 0.4, 0.001 if index == 0 else 0.9, 500)
        for index, (one, other) in enumerate(itertools.combinations(labels, 2))
    ]
    return shape_table(pl.DataFrame(rows, schema=list(DIFFERENCES.columns), orient="row"), DIFFERENCES)


def make_report(**more: object) -> Report:
    image = np.zeros((32, 32, 3), np.uint8)
    label = set_label("flow", 4, 2.0)
    facts = {
        "title": f"A run {TRAP}",
        "scores": make_scores(),
        "curation": {
            "stages": [
                {
                    "stage": "candidates", "rows_in": 10, "statuses": {"ok": 7, "no_label": 3},
                    "reasons": {"no_label": {TRAP: 3}}, "seconds": 1.0,
                },
                {
                    "stage": "verdicts", "rows_in": 7, "statuses": {"accept": 5, "reject": 2}, "reasons": {},
                    "seconds": 2.0,
                },
            ],
            "released": 5, "precision": 1.0, "recall": 0.9,
        },
        "gallery": {f"class {TRAP}": [PagePicture(image=image, alt=TRAP, note=f'"{TRAP}')] * 3},
        "samples": [
            SampleRow(name=TRAP, wnid="n1", pictures={label: PagePicture(image=image, alt=f"' onload='{TRAP}")})
        ],
        "agreement": {"alpha": 0.9, "low": 0.8, "high": 0.95},
        "reviewers": pl.DataFrame([{"reviewer": TRAP, "answered": 7, "controls": 2, "right": 2, "accuracy": 1.0}]),
        "class_scores": make_class_scores(),
        "differences": make_differences(),
        "sets": [SetFacts(label=label, split="s", record={"digest": TRAP, "nested": {"a": [1, 2]}}, warnings=[TRAP])],
        "pictures_of": lambda _split, _label, _wnid: [PagePicture(image=image, alt=TRAP)] * 2,
        "provenance": {TRAP: {"a": TRAP}},
        "roles": ROLES,
        "notes": [TRAP],
    }  # fmt: skip
    return Report(**{**facts, **more})  # type: ignore[arg-type]


class Page(HTMLParser):
    """Tags with their attributes, and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def page(tmp_path: Path) -> str:
    return write_report(tmp_path / "report.html", make_report(is_miniature=True, is_simulated=True)).read_text("utf-8")


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    tags = Page(page).tags
    links = [value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href", "srcset", "action")]
    assert links
    elsewhere = {"index.html", "https://arxiv.org/abs/2603.14186"}  # what a reader may click on; nothing loads it
    assert {link for link in links if not str(link).startswith(("data:image/", "#"))} == elsewhere
    assert page.count("https://") == 1
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_strangers_words_are_text_and_nothing_else(page: str) -> None:
    assert page.count("<script>") == 1
    assert "alert('x')</script>" not in page
    assert "&lt;script&gt;" in page
    assert not [attrs for _, attrs in Page(page).tags if "onload" in attrs]


def test_the_page_can_be_read_without_seeing_it(page: str) -> None:
    tags = Page(page).tags
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags)
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for tag, attrs in tags if tag == "svg")
    assert ("html", {"lang": "en"}) in tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = {str(attrs["href"])[1:] for tag, attrs in tags if tag == "a" and str(attrs["href"]).startswith("#")}
    assert anchors <= set(ids)


def test_banner_says_miniature_and_simulated_only_where_it_is(page: str, tmp_path: Path) -> None:
    assert "This is the miniature." in page
    assert "Simulated reviewers" in page
    other = write_report(tmp_path / "other.html", make_report()).read_text("utf-8")
    assert "This is the miniature" not in other
    assert "imulated" not in other


def test_a_report_of_scores_alone_is_whole(tmp_path: Path) -> None:
    text = write_report(tmp_path / "r.html", Report(title="t", scores=make_scores())).read_text("utf-8")
    assert 'id="scores"' in text
    assert 'id="rows"' not in text
    empty = write_report(tmp_path / "e.html", Report(title="t", scores=SCORES.empty())).read_text("utf-8")
    assert 'id="scores"' not in empty


def test_same_input_gives_the_same_page(tmp_path: Path) -> None:
    one, two = (write_report(tmp_path / name, make_report()).read_bytes() for name in ("a.html", "b.html"))
    assert one == two


def test_two_protocols_never_share_a_table(tmp_path: Path) -> None:
    scores = pl.concat([make_scores(), make_scores().with_columns(protocol=pl.lit("paper"))])
    text = write_report(tmp_path / "r.html", make_report(scores=scores)).read_text("utf-8")
    assert len(re.findall(r'<table class="sortable board leaders" id="board[-0-9]*">', text)) == 2
    ids = [attrs["id"] for _, attrs in Page(text).tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_pictures_are_limited(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    gallery = {f"c{index}": [PagePicture(image=image, alt="a")] * 40 for index in range(4)}
    config = ReportConfig(gallery_count=8)
    text = write_report(
        tmp_path / "r.html", Report(title="t", scores=SCORES.empty(), gallery=gallery), config
    ).read_text()
    assert text.count("<img") == 8
    assert "160 pictures" in text


def test_small_pictures_keep_every_pixel(tmp_path: Path) -> None:
    import base64
    import io

    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    uri = make_thumbnail(image, 96)
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
    (tmp_path / "bad.png").write_bytes(b"no")
    with pytest.raises(BadInput, match="cannot show"):
        make_thumbnail(tmp_path / "bad.png", 96)


def test_guidance_that_trades_distance_for_alignment_is_said_to() -> None:
    found = compare_settings(make_scores("paper"), "guidance", ["FD", "IS", "CLIP Score"])
    assert len(found) == 2
    verdicts = {change.metric: change.verdict for change in found[0].changes}
    assert verdicts == {"FD": "worse", "IS": "unclear", "CLIP Score": "better"}
    assert found[0].changes[0].best_at == 1
    text = conclude_settings(found, "guidance")
    assert "in 2 of 2 comparisons. A comparison is one generator at one number of steps" in text
    assert "arXiv 2603.14186 describes shows here" in text
    assert "FD from 16.00 to 20.00" in text


@pytest.mark.parametrize(("trade", "says"), [("both", "improves both"), ("none", "stays within its interval")])
def test_guidance_that_does_not_is_said_not_to(trade: str, says: str) -> None:
    text = conclude_settings(compare_settings(make_scores(trade), "guidance", ["FD", "CLIP Score"]), "guidance")
    assert "does not show here" in text
    assert says in text


def test_nothing_varied_says_so() -> None:
    assert "says nothing about guidance" in conclude_settings([], "guidance")
    assert "says nothing about steps" in conclude_settings([], "steps")


def test_bounds_are_checked_outside_the_intervals() -> None:
    assert [holds for _, holds in check_bounds(make_scores(), ROLES)] == [True, True]
    worse = make_scores().with_columns(
        value=pl.when(generator="world", metric="FD").then(15.9).otherwise("value"),
        high=pl.when(generator="world", metric="FD").then(16.1).otherwise("high"),
    )
    assert [holds for _, holds in check_bounds(worse, ROLES)] == [False, True]


def test_leaderboard_ranks_by_mmhm_and_marks_the_best_that_competes() -> None:
    board = make_leaderboard(make_scores(), ROLES)
    assert [row.generator for row in board.rows][:2] == ["real images", "world"]
    assert board.rows[-1].generator == "noise"
    best = {
        metric: [row.label for row in board.rows for name, cell in zip(board.metrics, row.cells, strict=True)
                 if name == metric and cell and cell.is_best]
        for metric in ("FD", "CLIP Score")
    }  # fmt: skip
    assert best["FD"] == ["flow, 4 steps, guidance 1"]
    assert best["CLIP Score"] == ["flow, 1 step, guidance 4", "flow, 4 steps, guidance 4"]
    bars = [end for row in board.rows for cell in row.cells if cell for end in (cell.start, cell.point, cell.end)]
    assert all(0 <= end <= 100 for end in bars if end is not None)


def test_curves_exist_for_what_was_varied() -> None:
    scores = make_scores()
    over = {along: draw_curves(scores, along, ["FD", "IS"], ROLES) for along in ("guidance", "steps")}
    assert [len(charts) for charts in over.values()] == [2, 2]
    chart = over["guidance"][0]
    assert chart.off == ["world 2.00", "noise 200.0"]
    for _, points in chart.lines:
        for point in points:
            assert chart.left <= point.x <= chart.right
            assert chart.top - 1 <= (point.high or 0) <= point.y <= (point.low or 0) <= chart.bottom + 1
    one = scores.filter((pl.col("guidance") == 1) & (pl.col("steps") != 4))
    assert draw_curves(one, "guidance", ["FD"], ROLES) == []
    assert draw_trade(one, "guidance", ROLES, DISTANCES, ALIGNMENTS) is None


def test_pieces_along_which_distance_and_alignment_disagree_are_set_off() -> None:
    traded, both = (
        draw_trade(make_scores(trade), "guidance", ROLES, DISTANCES, ALIGNMENTS) for trade in ("paper", "both")
    )
    assert traded is not None
    assert both is not None
    assert (len(traded.bands), len(both.bands)) == (4, 0)  # two lines of two pieces


def test_ranks_follow_direction_and_leave_bounds_out() -> None:
    chart = draw_ranks(widen_scores(make_scores("paper"), ROLES, ["FD", "CLIP Score"]))
    assert chart is not None
    assert len(chart.lines) == 6
    titles = [placed.title for _, points in chart.lines for placed in points]
    assert "flow, 4 steps, guidance 1: rank 1 of 6 by FD" in titles
    assert "flow, 4 steps, guidance 4: rank 1 of 6 by CLIP Score" in titles  # a tie: both are first
    assert "flow, 1 step, guidance 4: rank 1 of 6 by CLIP Score" in titles
    heights = [placed.y for _, points in chart.lines for placed in points]
    assert all(chart.top <= y <= chart.bottom for y in heights)
    held = draw_ranks(
        widen_scores(make_scores("paper"), ROLES, ["FD", "CLIP Score"]), {"FD": {"flow, 4 steps, guidance 1": (1, 3)}}
    )
    assert held is not None
    told = [placed.title for _, points in held.lines for placed in points if "differences hold" in placed.title]
    assert told == ["flow, 4 steps, guidance 1: rank 1 of 6 by FD; 1 to 3 as far as differences hold"]
    assert draw_ranks(widen_scores(make_scores("paper").filter(metric="FD"), ROLES, ["FD"])) is None


def test_the_best_by_distance_is_found_among_the_others() -> None:
    text = conclude_ranking(make_scores("paper"), ROLES)
    assert "nearly opposite" in text
    assert "the best by FD, flow, 4 steps, guidance 1, holds place 5–6 of 6 by CLIP Score" in text
    assert "partly alike (Kendall's τ 0.60" in conclude_ranking(make_scores("both"), ROLES)
    assert conclude_ranking(make_scores().filter(pl.col("metric") != "CLIP Score"), ROLES) == ""
    wide = make_scores("paper").with_columns(low=pl.lit(0.0), high=pl.lit(99.0))
    assert conclude_ranking(wide, ROLES).startswith("By FD and by CLIP Score no set can be told from another")


def test_a_tie_with_the_best_is_marked() -> None:
    board = make_leaderboard(make_scores("paper"), ROLES, make_differences())
    cells = {row.label: row.cells[board.metrics.index("FD")] for row in board.rows}
    tied = {label for label, cell in cells.items() if cell and cell.is_tied}
    best = {label for label, cell in cells.items() if cell and cell.is_best}
    assert best == {"flow, 4 steps, guidance 1"}
    assert tied == {label for label in cells if label.startswith("flow")} - best


def test_every_number_leads_to_itself(page: str) -> None:
    tags = Page(page).tags
    sources = {str(attrs["id"]) for tag, attrs in tags if tag == "tr" and "id" in attrs}
    links = {str(attrs["href"])[1:] for tag, attrs in tags if tag == "a" and str(attrs["href"]).startswith("#n-")}
    assert links == sources
    assert len(sources) == make_scores().height


def test_classes_and_groups_have_their_part(page: str) -> None:
    assert 'id="classes"' in page
    assert "great white shark" in page
    assert "CLIP Score by group" in page
    assert "All 5 classes, hardest first" in page


def test_splits_stand_side_by_side_with_what_may_not_be_read_into_them(tmp_path: Path) -> None:
    other = make_scores("both").with_columns(split=pl.lit("t"), n=pl.lit(400, pl.Int64))
    both = pl.concat([make_scores("paper"), other])
    tables = {table.metric: table for table in compare_splits(both, ROLES)}
    assert list(tables) == ["FD", "IS", "CLIP Score", "MMHM"]
    assert tables["FD"].splits == [("s", 500), ("t", 400)]
    assert "depends on the number of images" in tables["FD"].caution
    assert "never its values" in tables["MMHM"].caution
    assert tables["CLIP Score"].caution == ""
    assert tables["CLIP Score"].taus == [None, 1.0]
    assert tables["FD"].taus[1] == pytest.approx(-1 / 15)  # 7 pairs of 15 agree
    assert not {label for label, _ in tables["FD"].rows} & {REAL, *ROLES}
    assert compare_splits(make_scores(), ROLES) == []
    text = write_report(tmp_path / "r.html", make_report(scores=both)).read_text("utf-8")
    ids = [attrs["id"] for _, attrs in Page(text).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert 'id="splits"' in text


def test_a_stage_whose_counts_do_not_add_up_is_told() -> None:
    stages = make_stages(
        [{"stage": "a", "rows_in": 3, "statuses": {"ok": 2}}, {"stage": "b", "rows_in": 2, "statuses": {"ok": 2}}]
    )
    assert [stage["adds_up"] for stage in stages] == [False, True]


def test_levels_have_room_for_their_names() -> None:
    series = [Series(name="a", style=0, points=[Point(x=1, y=0), Point(x=2, y=1)])]
    chart = draw_chart(series, title="t", x_label="x", y_label="y", levels=[("a", 0.5), ("b", 0.501), ("c", 0.5)])
    labels = [label for _, label, _ in chart.levels]
    assert all(after - before >= 12 for before, after in itertools.pairwise(labels))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 17), (0.001, 0.002), (5, 5), (1e5, 9e6)])
def test_ticks_lie_between_and_are_few(low: float, high: float) -> None:
    ticks = choose_ticks(low, high)
    assert 1 <= len(ticks) <= 8
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in ticks)


def test_numbers_are_short() -> None:
    found = [
        format_number(value)
        for value in (None, float("nan"), 0, 0.0012345, 0.5, 12.346, 123.45, 1234.5, 216506.2, -2.5)
    ]
    assert found == ["–", "–", "0.000", "0.00123", "0.500", "12.35", "123.5", "1,234", "216,506", "−2.50"]


def test_direction_of_every_metric() -> None:
    assert [is_lower_better(name) for name in ("FID", "csFD (relative)", "KD", "IS", "csIS", "MMHM")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
