"""JSON and TOML that are deeper, longer or slower than any are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.registry import read_definition
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.flows.runs.recipes import read_recipe
from relaionet.manifests.files import read_json
from relaionet.manifests.release.info import read_info
from relaionet.manifests.store import Store
from relaionet.pipeline.adoption.mapping import read_mapping
from relaionet.pipeline.sources.schemas import read_schema
from tests.attempts.containers.trying import refused

JSON = [
    ("lists a hundred thousand deep", "[[[[…", b"[" * 100_000),
    ("lists that close again", "[[[[…]]]]", b"[" * 5000 + b"]" * 5000),
    ("objects a hundred thousand deep", '{"a":{"a":…', b'{"a":' * 100_000),
    ("depth hidden by texts of brackets", '["]",["]",…', b'["]",' * 5000 + b"0" + b"]" * 5000),
    ("depth in UTF-16", "[\0[\0[\0…", ("[" * 5000).encode("utf-16")),
    ("ten million empty lists", "[[],[],…", b"[" + b"[]," * 10_000_000 + b"0]"),
    ("a number of a million digits", "99999…", b"9" * 1_000_000),
    ("a text without end, of escaped quotes", r'"\"\"\"…', b'"' + b'\\"' * 2_000_000),
    ("40 MB of blanks", "    …", b" " * 40_000_000),
    ("bytes that are no text", r"\xff\xfe\xfd", b"\xff\xfe\xfd"),
]
TOML = [
    ("arrays a hundred thousand deep", "a = [[[[…", b"a = " + b"[" * 100_000),
    ("tables a hundred thousand deep", "a = {b = {b = …", b"a = " + b"{b = " * 100_000),
    ("a key of a hundred thousand parts", "a.a.a.… = 1", b"a." * 100_000 + b"a = 1"),
    ("a key of quoted parts", '"a"."a".… = 1', b'"a".' * 100_000 + b"a = 1"),
    ("a header of a hundred thousand parts", "[a.a.a.…]", b"[" + b"a." * 100_000 + b"a]"),
    ("a text without end, of escaped quotes", r'a = """\"\"…', b'a = """' + b'\\"""' * 500_000),
    ("a million quotes", 'a = """"""…', b"a = " + b'"' * 1_000_000),
    ("a million words' letters", "aaaa…", b"a" * 1_000_000),
    ("a million empty tables", "[[a]]…", b"[[a]]\n" * 600_000),
    ("bytes that are no text", r"\xff\xfe\xfd", b"\xff\xfe\xfd"),
]


def release(path: Path) -> Any:
    return read_info(path.parent)


def receipt(path: Path) -> Any:
    return Store(path.parent.parent).receipt(path.parent.name)


ATTEMPTS = [
    *refused("containers: JSON", "a table of facts", read_json, "a.json", JSON),
    *refused("containers: JSON", "release.json", release, "release.json", JSON),
    *refused("containers: JSON", "a receipt", receipt, "all.receipt.json", JSON[:5]),
    *refused(
        "containers: TOML", "a recipe", lambda path: read_recipe(path, EvaluateRecipe), "a.toml", TOML
    ),
    *refused("containers: TOML", "a schema", read_schema, "a.toml", TOML[:6]),
    *refused("containers: TOML", "a mapping", read_mapping, "a.toml", TOML[:6]),
    *refused("containers: TOML", "a generator", read_definition, "a.toml", TOML[:6]),
]  # fmt: skip
