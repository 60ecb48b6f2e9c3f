"""The command lines and the recipes that pages show, so that a test can try them."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from relaionet.evaluators.generators.registry import adapter_kinds
from relaionet.evaluators.protocols import Protocol
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.settings import build
from relaionet.pipeline.sources.schemas import read_schema

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`(relaionet\s[^`]+)`")
NEEDED: dict[type, dict[str, Any]] = {
    CurateRecipe: {"source": "rows.parquet"},
    Protocol: {"name": "mine"},
    EvaluateRecipe: {"split": "split", "generators": [{"generator": "miniature-flow"}]},
}


def command_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every `relaionet …` of a page: what stands there, and its words without the first; `a|b` gives one for each."""
    shown = [block.replace("\\\n", " ") for language, block in FENCE.findall(text) if language in ("", "sh", "bash")]
    lines = [line.strip().removeprefix("$ ") for block in shown for line in block.splitlines()]
    lines += SPAN.findall(FENCE.sub("", text))
    for line in lines:
        if not re.match(r"relaionet\s", line) or re.match(r"relaionet\s+[:=0-9]", line):
            continue
        whole = re.sub(r"<[^>]+>|…|\.\.\.", "X", " ".join(line.split()).split(" #")[0])
        words = shlex.split(re.sub(r" [>|] .*|[\[\]]", "", whole))[1:]
        for choice in product(
            *(word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word) else [word] for word in words)
        ):
            yield line, list(choice)


def recipe_blocks(text: str) -> list[str]:
    """The TOML a page shows."""
    return [block for language, block in FENCE.findall(text) if language == "toml"]


def try_recipe(block: str, where: str) -> None:
    """Read a block as what its keys say it is: an evaluation, a curation, a generator or part of a package's pyproject.

    Raises:
        BadInput: it fits none, or not the one it is.
    """
    values = tomllib.loads(block)
    if "project" in values:
        return
    if "type" in values:
        if values["type"] not in adapter_kinds():
            raise BadInput(f"{where}: there is no adapter '{values['type']}'.")
        return
    if "columns" in values:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "schema.toml"
            path.write_text(block, encoding="utf-8")
            read_schema(path)
        return
    kinds = [kind for kind in NEEDED if set(values) <= {one.name for one in fields(kind)}]
    if not kinds:
        raise BadInput(f"{where}: {sorted(values)} are keys of no recipe.")
    failures = []
    for kind in kinds:
        try:
            build(kind, {**NEEDED[kind], **values}, where=where)
            return
        except BadInput as error:
            failures.append(str(error))
    raise BadInput("; ".join(failures))
