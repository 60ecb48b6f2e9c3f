"""Flows are Prefect flows of a module: importable by name, with plain parameters and nothing secret among them."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from prefect import Flow
from prefect.utilities.callables import parameter_schema

from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.loaded import Loaded, of_worker
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.runners import THREADS
from relaionet.flows.runs.served import served_flow
from relaionet.flows.runs.stages import run_shards, working_on
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import SCREENED

FLOWS = (
    "relaionet.flows.curate:curate", "relaionet.flows.review:review_push", "relaionet.flows.review:review_pull",
    "relaionet.flows.rebuild:rebuild", "relaionet.flows.evaluate:evaluate", "relaionet.flows.embed:embed",
    "relaionet.flows.demo:demo",
)  # fmt: skip
PLAIN = frozenset({"string", "boolean", "integer", "number", "null"})
# what may hold a password or is one; a proxy's address among them
SECRET = ("proxy", "token", "key", "password", "secret", "client", "download")


def load(name: str) -> Flow[Any, Any]:
    module, _, attribute = name.partition(":")
    found: Flow[Any, Any] = getattr(import_module(module), attribute)
    return found


def types(schema: dict[str, Any]) -> set[str]:
    return {schema["type"]} if "type" in schema else set().union(*(types(one) for one in schema["anyOf"]))


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_found_by_its_name_and_can_be_deployed(name: str) -> None:
    flow = load(name)
    assert isinstance(flow, Flow)
    assert flow._entrypoint == name
    assert flow.description  # shown by a deployment's page
    assert "Args:" in flow.description


@pytest.mark.parametrize("name", FLOWS)
def test_parameters_are_plain_and_none_is_secret(name: str) -> None:
    schema = parameter_schema(load(name).fn).model_dump()
    assert not schema.get("definitions")  # no object of ours
    for parameter, about in schema["properties"].items():
        assert types(about) <= PLAIN, (parameter, about)
        assert not any(word in parameter for word in SECRET)
        assert about.get("description"), f"{parameter} is not described"


def test_a_recipe_that_is_no_file_is_refused_by_the_flow(tmp_path: Path) -> None:
    """The body reads the recipe itself; it is called without Prefect here."""
    with pytest.raises(BadInput, match="is no file"):
        load("relaionet.flows.curate:curate").fn("nowhere.toml", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_handed_is_seen_by_the_flow_that_asks_for_its_type_alone() -> None:
    assert handed(str) is None
    with handing("a plan"):
        assert handed(str) == "a plan"
        assert handed(Path) is None
        with handing(Path("inner")):
            assert handed(str) is None
            assert handed(Path) == Path("inner")
        assert handed(str) == "a plan"
    assert handed(str) is None


def test_a_thing_is_made_once_and_a_large_one_is_alone() -> None:
    loaded, made = Loaded(), []

    def make(name: str) -> str:
        made.append(name)
        return name

    assert [loaded.once("a", lambda: make("a")), loaded.once("a", lambda: make("a"))] == ["a", "a"]
    assert loaded.once("outer", lambda: loaded.once("inner", lambda: make("inner"))) == "inner"
    assert made == ["a", "inner"]
    assert loaded.alone("big", lambda: make("big")) == loaded.alone("big", lambda: make("big"))
    loaded.once("a", lambda: make("a again"))
    assert made == ["a", "inner", "big", "a again"]


def test_what_is_loaded_stays_here_and_a_worker_has_its_own_for_all_its_shards() -> None:
    mine = Loaded()
    mine.once("model", lambda: object())
    sent = pickle.dumps(("shard 1", mine)), pickle.dumps(("shard 2", mine))
    there = [pickle.loads(one)[1] for one in sent]
    assert there[0] is there[1] is of_worker()
    assert there[0] is not mine
    assert there[0].once("model", lambda: "loaded by the worker") == "loaded by the worker"


def test_a_flow_can_be_sent_to_a_worker_without_what_it_was_handed() -> None:
    """Prefect sends the flow with every task; a lock in it, as a reporter has, could not be sent."""
    flow = load("relaionet.flows.curate:curate")
    with handing(Run(root=Path("x"))):
        sent = pickle.loads(cloudpickle.dumps(flow))
    assert sent.name == "curate"


@served_flow("outer")
def outer(root: Path) -> list[bool]:
    """A flow around another, as the demo is."""
    return inner(root)


@served_flow("inner")
def inner(root: Path) -> list[bool]:
    """Two shards, each worked on by a task."""
    run = Run(root=root)
    assert run.runner is None
    with working_on(run, THREADS, 2):
        assert run.runner is not None
        run_shards(run, SCREENED, note_shard, ["0", "1"], 2, root, is_counted=False)
    assert run.runner is None
    return [path.read_text() == path.stem for path in sorted(root.glob("*.txt"))]


def note_shard(run: Run, shard: str, root: Path, advance: Any) -> bool:
    advance(1)
    (root / f"{shard}.txt").write_text(shard)
    return run.root == root


def test_a_flow_in_a_flow_runs_its_shards_and_a_path_may_be_text(tmp_path: Path) -> None:
    assert outer(str(tmp_path)) == [True, True]  # type: ignore[arg-type]
