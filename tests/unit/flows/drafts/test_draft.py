"""A recipe written by `relaionet init` is one, says every key, and changes nothing until something is filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from relaionet.flows.cli.main import main
from relaionet.flows.curation.recipe import CurateRecipe, read_curate_recipe
from relaionet.flows.drafts.draft import Kind, draft_lines, draft_recipe
from relaionet.flows.drafts.keys import list_keys, list_tables
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry, read_evaluate_recipe
from relaionet.manifests.errors import BadInput

RECIPES: dict[Kind, type] = {"curate": CurateRecipe, "evaluate": EvaluateRecipe}
SET = re.compile(r"^#?(\w+) = (.*)$")


def test_as_it_is_written_it_has_the_defaults(tmp_path: Path) -> None:
    draft_recipe(tmp_path / "new" / "my.toml", "curate")
    draft_recipe(tmp_path / "scores.toml", "evaluate")
    (tmp_path / "plain.toml").write_text('source = "laion/*.parquet"\n')
    (tmp_path / "plain_scores.toml").write_text('split = "split"\n[[generators]]\ngenerator = "my-samples.toml"\n')
    read = read_curate_recipe(str(tmp_path / "new" / "my.toml"))
    plain = read_curate_recipe(str(tmp_path / "plain.toml"))
    assert {name: getattr(read, name) for name in read.__dataclass_fields__ if name != "source"} == {
        name: getattr(plain, name) for name in plain.__dataclass_fields__ if name != "source"
    }
    assert read.source == (str(tmp_path / "new" / "laion" / "*.parquet"),)
    scores = read_evaluate_recipe(str(tmp_path / "scores.toml"))
    assert scores == read_evaluate_recipe(str(tmp_path / "plain_scores.toml"))
    assert isinstance(scores.generators[0], GeneratorEntry)


@pytest.mark.parametrize("kind", ["curate", "evaluate"])
def test_every_key_stands_in_it_with_its_default(kind: Kind) -> None:
    lines = draft_lines(kind, "my.toml")
    said = [SET.match(line) for line in lines]
    names = [found[1] for found in said if found]
    wanted = [key for _, table in list_tables(RECIPES[kind]) for key in list_keys(table) if not key.table]
    assert sorted(names) == sorted(key.name for key in wanted)
    given = {found[2] for found in said if found}
    assert {key.default.strip("`") for key in wanted} - {"none", "required"} <= given
    for heading, _ in list_tables(RECIPES[kind]):
        assert not heading or heading in {line.removeprefix("#") for line in lines}


@pytest.mark.parametrize("kind", ["curate", "evaluate"])
def test_what_stands_behind_a_mark_is_the_default(kind: Kind, tmp_path: Path) -> None:
    """With every mark but those of what is not set taken away, it is the same recipe."""
    unset = re.compile(r'= (\["TEXT"\]|"PATH"|"TEXT"|N)$')
    lines, skip = [], False
    for line in draft_lines(kind, "my.toml"):
        if re.match(r"#?\[", line):
            skip = line.startswith("#")  # a table that is not there unless it is asked for
        take = SET.match(line) and not skip and not unset.search(line)
        lines.append(line.removeprefix("#") if take else line)
    (tmp_path / "all.toml").write_text("\n".join(lines))
    draft_recipe(tmp_path / "new.toml", kind)
    read = read_curate_recipe if kind == "curate" else read_evaluate_recipe
    everything, new = read(str(tmp_path / "all.toml")), read(str(tmp_path / "new.toml"))
    differ = {
        name for name in new.__dataclass_fields__ if getattr(everything, name) != getattr(new, name)
    }  # fmt: skip
    assert not differ


def test_the_command_writes_it_once(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    done = CliRunner().invoke(main, ["init", "curate", str(path)])
    assert done.exit_code == 0
    assert f"relaionet curate --recipe {path} --out DIR" in done.output
    path.write_text("mine")
    again = CliRunner().invoke(main, ["init", "curate", str(path)])
    assert again.exit_code == 2
    assert path.read_text() == "mine"
    with pytest.raises(BadInput, match="is there already"):
        draft_recipe(path, "evaluate")
