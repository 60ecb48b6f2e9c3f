"""Where shards are worked on: what cannot work is said before anything starts."""

from __future__ import annotations

import pickle

import pytest
from prefect.task_runners import ThreadPoolTaskRunner

from relaionet.flows.runs.reporter import by_shard
from relaionet.flows.runs.runners import StaysHere, check_seen, connected, make_runner
from relaionet.manifests.errors import BadInput, Unavailable


def test_threads_need_no_ray() -> None:
    assert isinstance(make_runner("threads", 3), ThreadPoolTaskRunner)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("thread", "Did you mean 'threads'"),
        ("spark", "expected threads, ray or ray://host:port"),
        ("ray://cluster", "expected ray://host:port"),
        ("ray://cluster:many", "expected ray://host:port"),
        ("ray://cluster.example:10001", "PREFECT_API_URL"),
    ],
)
def test_what_cannot_work_is_said(monkeypatch: pytest.MonkeyPatch, where: str, says: str) -> None:
    pytest.importorskip("prefect_ray", reason="Ray is not installed: pip install 'relaionet[ray]'")
    monkeypatch.setattr("relaionet.flows.runs.runners.server_address", lambda: None)
    with pytest.raises(BadInput, match=says):
        make_runner(where, 2)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaionet.flows.runs.runners.has_module", lambda name: False)
    with pytest.raises(BadInput, match=r"relaionet\[ray\]"):
        make_runner("ray", 2)


def test_a_cluster_that_does_not_answer() -> None:
    with pytest.raises(Unavailable, match="ray start --head"), connected("ray"):
        raise ConnectionError("ray client connection timeout")
    with pytest.raises(ConnectionError), connected("threads"):
        raise ConnectionError("something else")


@pytest.mark.parametrize(("aborts", "tries"), [(0, 1), (2, 3), (9, 3)])
def test_a_busy_cluster_is_asked_again(monkeypatch: pytest.MonkeyPatch, aborts: int, tries: int) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'relaionet[ray]'")
    calls: list[str] = []

    def init(address: str, **_options: object) -> None:
        calls.append(address)
        if len(calls) <= aborts:
            raise ConnectionAbortedError("Initialization failure from server:\nTraceback\n  File\nRuntimeError: full.")

    monkeypatch.setattr(ray, "init", init)
    if aborts < tries:
        with connected("ray://127.0.0.1:1"):
            pass
    else:
        with (
            pytest.raises(Unavailable, match=r"in 3 tries: RuntimeError: full\. It may"),
            connected("ray://127.0.0.1:1"),
        ):
            raise AssertionError("nothing is worked on without a cluster")
    assert len(calls) == tries


def test_a_connection_of_the_callers_own_is_used_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'relaionet[ray]'")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    for name in ("init", "shutdown"):
        monkeypatch.setattr(ray, name, lambda *_arguments, **_options: pytest.fail("somebody else's connection"))
    entered = False
    with connected("ray://127.0.0.1:1"):
        entered = True
    assert entered


def test_a_folder_the_worker_does_not_see(tmp_path) -> None:
    check_seen(tmp_path)
    with pytest.raises(BadInput, match="has no folder"):
        check_seen(tmp_path / "elsewhere")


def test_what_stays_here_is_not_sent() -> None:
    import threading

    assert pickle.loads(pickle.dumps(StaysHere(threading.RLock()))).value is None


@pytest.mark.parametrize(("rows", "shards"), [(10, 3), (2, 5), (0, 2), (7, 7)])
def test_a_bar_ends_where_the_rows_end(rows: int, shards: int) -> None:
    moved: list[int] = []
    move = by_shard(moved.append, rows, shards)
    for _ in range(shards):
        move()
    assert sum(moved) == rows
    assert min(moved) >= 0
