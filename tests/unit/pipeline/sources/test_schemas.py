"""A schema is declared once: in a TOML file of this project, in one of the user's, or by another package."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.flows.curation.recipe import read_curate_recipe
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.columns import find_schema, name_columns
from relaionet.pipeline.sources.read import open_source
from relaionet.pipeline.sources.schemas import (
    SourceSchema,
    check_schema,
    list_schemas,
    read_schema,
    source_schemas_table,
)
from tests.toy_package.install import toy_installed
from tests.unit.pipeline.sources.builders import rows_of, url

MINE = """
name = "Mine"
unnamed = ["number", "words", "where"]
[columns]
url = "where"
caption = ["words", "said"]
"""
BUILT_IN = ["LAION-400M", "LAION-2B", "DataComp", "COYO-700M", "Re-LAION", "CC3M", "CC12M", "plain"]


def test_built_in_schemas_are_tried_in_the_order_they_state() -> None:
    assert [schema.name for schema in list_schemas()] == BUILT_IN
    # a table of LAION-400M has all columns of LAION-2B too
    assert find_schema(["URL", "TEXT", "NSFW"])[0].name == "LAION-400M"
    assert find_schema(["URL", "TEXT"])[0].name == "LAION-2B"
    for schema in list_schemas():
        assert schema.about, schema.name


def test_a_schema_of_the_users_own_is_a_file_named_in_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(MINE)
    pl.DataFrame({"where": [url(1)], "said": ["a crane"]}).write_parquet("rows.parquet")
    Path("recipe.toml").write_text('source = "rows.parquet"\n[candidates]\nschema = "mine.toml"\n')
    recipe = read_curate_recipe("recipe.toml")
    opened = open_source(recipe.source, recipe.candidates.schema)
    assert opened.describe().startswith("1 file, Mine schema, 1 row")
    assert rows_of("rows.parquet", schema="mine.toml")["caption"].to_list() == ["a crane"]
    told = CliRunner().invoke(main, ["source", "rows.parquet", "--schema", "mine.toml"])
    assert "1 file, Mine schema" in told.output
    with pytest.raises(BadInput, match=r"gone.toml cannot be read: No such file .*looked from"):
        open_source(recipe.source, "gone.toml")


def test_its_table_need_not_name_its_columns(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    schema = read_schema(tmp_path / "mine.toml")
    assert schema.lacks(["where", "words"]) == ["(no names)"]
    lines = "".join(f"{number}\ta crane\t{url(number)}\n" for number in range(3))
    (tmp_path / "rows.tsv").write_text(lines)
    rows = rows_of(tmp_path / "rows.tsv", schema=str(tmp_path / "mine.toml"))
    assert (rows["url"].to_list(), rows["caption"].unique().to_list()) == ([url(n) for n in range(3)], ["a crane"])
    fields = [line.split("\t") for line in lines.splitlines()]
    assert name_columns(fields) == (["column 1", "column 2", "column 3"], False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns]\nurl = 'a'\n", "caption is missing"),
        ("[columns]\nurl = 'a'\ncaption = 3\n", r"caption: expected the name of a column or a list .* found 3"),
        ("[columns]\nurl = 'a'\ncaption = 'b'\nwidth = 'c'\n", "'width' is none of ours. Did you mean 'width_px'"),
        ("mark = ['c']\n[columns]\nurl = 'a'\ncaption = 'b'\n", "unknown key 'mark'. Did you mean 'marks'"),
        ("unnamed = ['c', 'b']\n[columns]\nurl = 'a'\ncaption = 'b'\n", "which of the columns is the url"),
        ("order = 'last'\n[columns]\nurl = 'a'\ncaption = 'b'\n", "order = 'last'; expected int"),
        ("url = 'a'\n", "unknown key 'url'"),
        ("name = 'x'\n", r"\[columns\] is missing"),
        ("name = ", "is no TOML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_schema(tmp_path / "x.toml")


def test_a_package_declares_a_schema_and_nothing_else_is_changed(tmp_path: Path) -> None:
    columns = {"gallery_id": [7], "picture": [url(1)], "title": ["a crane"], "broad": [300], "high": [200]}
    pl.DataFrame(columns).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match="fit no known metadata"):
        open_source(tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match="'Open-Gallery' is not known"):
        check_schema("Open-Gallery", None)
    (tmp_path / "recipe.toml").write_text('source = "rows.parquet"\n[candidates]\nschema = "open-gallery"\n')
    with toy_installed(tmp_path):
        assert [schema.name for schema in list_schemas()] == [*BUILT_IN[:-1], "Open-Gallery", "plain"]
        assert read_curate_recipe(str(tmp_path / "recipe.toml")).candidates.schema == "open-gallery"
        told = CliRunner().invoke(main, ["source", str(tmp_path / "rows.parquet")]).output
        assert "1 file, Open-Gallery schema, 1 row" in told
        assert "Open-Gallery" in "".join(CliRunner().invoke(main, ["source", "--help"]).output.split())
        assert "| `Open-Gallery` | an open gallery's catalogue | `picture` | `title` |" in source_schemas_table()
        assert rows_of(tmp_path / "rows.parquet")["height_px"].to_list() == [200]
        # what is known already is taken for what it was
        assert find_schema(["url", "caption"])[0].name == "plain"
    assert "Open-Gallery" not in source_schemas_table()


def test_a_schema_of_another_package_without_marks_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from relaionet.pipeline.sources import schemas

    loose = SourceSchema(name="Loose", columns={"url": ("url",), "caption": ("caption",)})
    monkeypatch.setattr(schemas, "find_declared", lambda *_: {"Loose": loose})
    schemas._list_schemas.cache_clear()
    try:
        assert find_schema(["url", "caption"])[0].name == "plain"
        assert find_schema(["url", "caption"], "loose")[0] is loose
        monkeypatch.setattr(schemas, "find_declared", lambda *_: {"plain": loose})
        schemas._list_schemas.cache_clear()
        with pytest.raises(BadInput, match="leads to a schema of another name, 'Loose'"):
            list_schemas()
    finally:
        schemas._list_schemas.cache_clear()
