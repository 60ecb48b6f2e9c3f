"""All pages of a finished run: one frame, links that lead somewhere, nothing asked for from outside, words escaped."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from relaionet.flows.pages.frame import LINKS_START, MADE_BY, render
from relaionet.flows.pages.links import INDEX, find_pages, is_ours, list_links
from relaionet.flows.pages.run_overview import count_stages
from relaionet.flows.pages.write import write_index, write_page
from relaionet.manifests.files import write_json
from relaionet.manifests.store import Store
from relaionet.manifests.tables import TABLES
from tests.unit.flows.pages.finished import PAGES, make_finished_run

TRAP = "<script>alert('x')</script>"
OUTSIDE = re.compile(r"^(?!data:|#)(?:[a-z][a-z+.-]*:|//|/)", re.IGNORECASE)
PAPER = "https://arxiv.org/abs/2603.14186"
ASKING = {"src", "srcset", "href", "action", "poster", "data", "formaction", "background", "xlink:href"}


class Parsed(HTMLParser):
    """Tags with their attributes, ids, and the texts of styles and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def addresses(self) -> Iterator[str]:
        for _, attrs in self.tags:
            yield from (value for name, value in attrs.items() if name in ASKING)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_finished_run(tmp_path_factory.mktemp("finished"))


def parsed(root: Path, page: str) -> Parsed:
    return Parsed((root / page).read_text(encoding="utf-8"))


def test_every_page_is_there(root: Path) -> None:
    found = {path.relative_to(root).as_posix() for path in (*root.glob("*.html"), *root.glob("*/*.html"))}
    assert found == PAGES


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_has_the_one_frame(root: Path, name: str) -> None:
    text, page = (root / name).read_text(encoding="utf-8"), parsed(root, name)
    assert text.lstrip().startswith("<!doctype html>")
    assert MADE_BY in text
    assert [len(page.of(tag)) for tag in ("style", "script", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("style", "script"))
    other = (root / INDEX).read_text(encoding="utf-8")
    assert style is not None
    assert script is not None
    assert style.group(0) in other
    assert script.group(0) in other
    assert [attrs["aria-label"] for attrs in page.of("nav")] == ["Pages beside this one", "Parts of this page"]
    assert "script-src 'sha256-" in text


@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_is_asked_for_from_outside(root: Path, name: str) -> None:
    page = parsed(root, name)
    addresses = list(page.addresses())
    assert addresses
    outside = [address for address in addresses if OUTSIDE.match(address)]
    assert outside == ([PAPER] if name.endswith("report.html") else [])  # a reader may click on it; nothing loads it
    assert not [tag for tag, attrs in page.tags if PAPER in attrs.values() and tag != "a"]
    assert not page.of("link")
    assert not page.of("iframe")
    text = (root / name).read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_link_leads_to_something(root: Path, name: str) -> None:
    page, folder = parsed(root, name), (root / name).parent
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for attrs in page.of("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    files = {unquote(link) for link in links if not link.startswith("#") and link != PAPER}
    assert {path for path in files if not (folder / path).is_file()} == set()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_page_links_to_all_others_beside_it(root: Path, name: str) -> None:
    links = {attrs["href"] for attrs in parsed(root, name).of("a")}
    folder = Path(name).parent
    beside = {Path(page).name for page in PAGES if Path(page).parent == folder} - {Path(name).name}
    assert beside <= links
    assert ("evaluation/index.html" if folder == Path() else "../index.html") in links


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_can_be_read_without_seeing_it(root: Path, name: str) -> None:
    page = parsed(root, name)
    assert page.of("html") == [{"lang": "en"}]
    assert all("alt" in attrs for attrs in page.of("img"))
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.of("svg"))
    scrolled = [attrs for _, attrs in page.tags if "scroll" in attrs.get("class", "").split()]
    assert all(attrs.get("tabindex") == "0" and attrs.get("aria-label") for attrs in scrolled)


def test_captions_stay_text(root: Path) -> None:
    """The made world's captions hold scripts and pictures that would run."""
    for name in PAGES:
        page = parsed(root, name)
        assert len(page.of("script")) == 1
        assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    assert "&lt;script&gt;alert" in (root / "proposals.html").read_text(encoding="utf-8")


def test_the_index_says_where_every_stage_stands(root: Path) -> None:
    text = (root / INDEX).read_text(encoding="utf-8")
    assert "43 rows = 39 ok + 4 unclear" in text
    assert "30 rows = 19 accept + 11 reject" in text
    assert "made-before, version 1, 2026-11-30: 19 rows in 19 classes" in text
    assert "19 rows = 16 exact + 2 same picture + 1 gone; 18 images kept" in text
    assert "4 sets on made-before-v1, protocol miniature" in text
    assert "do not add up" not in text
    stages = {stage["stage"]: stage for stage in count_stages(Store(root))}
    assert list(stages) == [
        "candidates", "text_matches", "chosen", "downloads", "embeddings", "proposals", "screened", "routed",
        "verdicts",
    ]  # fmt: skip
    for name, stage in stages.items():
        assert sum(stage["statuses"].values()) == stage["rows_in"]
        if name != "candidates":  # of these, rows that were passed over are only counted
            assert stage["rows_in"] == Store(root).read_all(TABLES[name]).height


def test_the_index_of_an_evaluation_lists_its_files(root: Path) -> None:
    links = {attrs["href"] for attrs in parsed(root, "evaluation/index.html").of("a")}
    tables = {f"tables/{path.name}" for path in (root / "evaluation" / "tables").iterdir()}
    assert len(tables) == 6
    assert tables <= links
    assert {"report.html", "run.json", "sets.json", "scores.parquet", "../split/split.json"} <= links


def test_the_index_lists_what_is_there_and_only_that(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"recipe": {"name": f"a run {TRAP}"}})
    write_index(tmp_path)
    page = Parsed((tmp_path / INDEX).read_text(encoding="utf-8"))
    assert {link for link in page.addresses() if not link.startswith("#")} == {"run.json"}
    (tmp_path / "screens.html").write_text("made before pages had a frame")
    write_index(tmp_path)
    page = Parsed((tmp_path / INDEX).read_text(encoding="utf-8"))
    assert {link for link in page.addresses() if not link.startswith("#")} == {"run.json", "screens.html"}
    assert (tmp_path / "screens.html").read_text() == "made before pages had a frame"
    assert len(page.of("script")) == 1
    (tmp_path / "screens.html").unlink()
    write_index(tmp_path)
    assert "screens.html" not in (tmp_path / INDEX).read_text(encoding="utf-8")


def test_what_cannot_be_read_is_left_out_of_the_index(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"recipe": {"name": "broken"}})
    for name, receipt in (("candidates", "{}"), ("downloads", "no json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "all.receipt.json").write_text(receipt)
        (tmp_path / name / "all.parquet").write_bytes(b"no parquet")
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "release.json").write_text("[1, 2")
    assert write_index(tmp_path) == tmp_path / INDEX
    links = {attrs["href"] for attrs in Parsed((tmp_path / INDEX).read_text(encoding="utf-8")).of("a")}
    assert "release/release.json" in links
    assert "#stages" not in links


def test_somebody_elses_index_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("<h1>mine</h1>")
    write_page(tmp_path / "review.html", "index.html", overview=_nothing(), cards=())
    assert write_index(tmp_path) is None
    assert (tmp_path / INDEX).read_text() == "<h1>mine</h1>"
    assert find_pages(tmp_path) == ["review.html"]
    assert not is_ours(tmp_path / INDEX)


def test_pages_written_earlier_link_to_later_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "candidates.html", tmp_path / "proposals.html"
    write_page(first, "index.html", overview=_nothing(), cards=())
    before = first.read_text(encoding="utf-8")
    assert "proposals.html" not in before
    write_page(second, "index.html", overview=_nothing(), cards=())
    after = first.read_text(encoding="utf-8")
    assert '<a href="proposals.html">Proposals</a>' in after
    assert after.split(LINKS_START)[0] == before.split(LINKS_START)[0]
    assert after.count(LINKS_START) == 1
    second.unlink()
    write_index(tmp_path)
    assert first.read_text(encoding="utf-8") == before


def test_a_folder_with_an_index_is_linked_from_above(tmp_path: Path) -> None:
    (tmp_path / "a <b> & c").mkdir()
    write_index(tmp_path / "a <b> & c")
    write_index(tmp_path)
    above, below = (list_links(folder, INDEX) for folder in (tmp_path, tmp_path / "a <b> & c"))
    assert [link.href for link in above] == [INDEX, "a%20%3Cb%3E%20%26%20c/index.html"]
    assert [link.href for link in below] == ["../index.html", INDEX]
    assert "../index.html" in (tmp_path / "a <b> & c" / INDEX).read_text(encoding="utf-8")
    assert "<b> &" not in (tmp_path / INDEX).read_text(encoding="utf-8")


def test_counts_that_differ_from_the_receipts_are_told(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(Store(root).read_all(TABLES["proposals"]), TABLES["proposals"], "x")
    path = store.path(TABLES["proposals"])
    pl.read_parquet(path).head(40).write_parquet(path)
    write_json(tmp_path / "run.json", {})
    write_index(tmp_path)
    assert "the counts do not add up" in (tmp_path / INDEX).read_text(encoding="utf-8")


def test_a_value_that_is_missing_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("index.html")


def _nothing() -> object:
    from relaionet.flows.pages.overview import Overview

    return Overview(kind="Pages", title="nothing")
