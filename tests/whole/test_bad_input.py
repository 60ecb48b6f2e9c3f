"""Bad input of every command: one readable error that says what to do, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from relaionet.flows.runs.folder_lock import hold_folder
from tests.waiting import WATCHDOG_S, children_s, wait_until
from tests.whole.conftest import Command, clean_environment, command_line


def check(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, f"exit {done.returncode}: {done.stderr[-1500:]}"
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr, done.stderr[-1500:]


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


COMMANDS = ["demo", "curate", "rebuild", "evaluate", "trace", "doctor", "generators list", "miniature serve",
            "review push", "review pull", "review status", "review serve", "review install"]  # fmt: skip


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_answers_at_once(relaionet: Command, command: str) -> None:
    before = children_s()
    done = relaionet(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage: relaionet" in done.stdout
    assert children_s() - before < 5  # of the processor, far above what it takes: a slow one, not a heavy import


def test_unknown_command_and_option(relaionet: Command) -> None:
    check(relaionet("curat"), "No such command")
    check(relaionet("demo", "--outt", "x"), "No such option")
    check(relaionet("review", "pus"), "No such command")


@pytest.mark.parametrize("command", ["curate", "evaluate"])
def test_recipes(relaionet: Command, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    check(relaionet(command, "--recipe", tmp_path / "no.toml", "--out", out), "no.toml", "no file")
    check(relaionet(command, "--recipe", recipe(tmp_path, "a = ["), "--out", out), "is no TOML")
    check(relaionet(command, "--recipe", recipe(tmp_path, "nonsense = 1"), "--out", out), "unknown key 'nonsense'")
    assert not out.exists()


def test_curate_sources(relaionet: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    base = 'encoder = "miniature"\n'
    check(relaionet("curate", "--recipe", recipe(tmp_path, base + 'source = "no.parquet"'), "--out", out), "no.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is none PAR1")
    check(relaionet("curate", "--recipe", recipe(tmp_path, base + 'source = "bad.parquet"'), "--out", out),
          "bad.parquet")  # fmt: skip
    check(relaionet("curate", "--recipe", recipe(tmp_path, 'source = "x"\ncandidats = 1'), "--out", out),
          "Did you mean 'candidates'")  # fmt: skip


def test_curate_stops_where_nothing_can_be_fetched(relaionet: Command, tmp_path: Path) -> None:
    (tmp_path / "urls.csv").write_text("url,caption\nhttp://127.0.0.1:9/a.jpg,a goldfish\nhttp://nas/b.jpg,a tench\n")
    path, out = recipe(tmp_path, 'encoder = "miniature"\nsource = "urls.csv"'), tmp_path / "out"
    done = relaionet("curate", "--recipe", path, "--out", out)
    check(done, "none of 2 images", "the host is a private address", "[download] allow_private = true")
    assert "downloads         2 = 2 refused" in done.stderr
    assert "embeddings" not in done.stderr


def test_rebuild(relaionet: Command, tmp_path: Path) -> None:
    check(relaionet("rebuild", tmp_path / "nothing", "--out", tmp_path / "out"), "nothing", "release")
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "release.json").write_text("{")
    check(relaionet("rebuild", tmp_path / "release", "--out", tmp_path / "out"), "release.json")
    check(relaionet("rebuild", tmp_path, "--out", tmp_path / "out", "--policy", "loose"), "same_picture")


def test_evaluate_names(relaionet: Command, tmp_path: Path) -> None:
    text = 'split = "nothing"\nprotocol = "{}"\n[[generators]]\ngenerator = "{}"\n'
    path = recipe(tmp_path, text.format("miniatur", "miniature-noise"))
    check(relaionet("evaluate", "--recipe", path, "--out", tmp_path / "out"), "miniature")
    path = recipe(tmp_path, text.format("miniature", "miniature-nois"))
    check(relaionet("evaluate", "--recipe", path, "--out", tmp_path / "out"), "miniature-noise")
    path = recipe(tmp_path, text.format("miniature", "miniature-noise") + "steps = [0]\n")
    check(relaionet("evaluate", "--recipe", path, "--out", tmp_path / "out"), "nothing", "rebuild")
    path = recipe(tmp_path, text.format("miniature", "miniature-noise") + "guidance = [7]\nsteps = [0]\n")
    check(relaionet("evaluate", "--recipe", path, "--plan"), "guidance")


@pytest.mark.parametrize("command", ["push", "pull", "status"])
def test_review_without_a_run(relaionet: Command, tmp_path: Path, command: str) -> None:
    check(relaionet("review", command, "--run", tmp_path / "none"), "relaionet curate")


def test_review_without_a_server_or_key(relaionet: Command, tmp_path: Path, a_run: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    check(relaionet("review", "push", "--run", a_run, LABEL_STUDIO_URL=url), "LABEL_STUDIO_API_KEY")
    done = relaionet("review", "push", "--run", a_run, LABEL_STUDIO_URL=url, LABEL_STUDIO_API_KEY="not-shown")
    check(done, url)
    assert "not-shown" not in done.stderr


def test_trace(relaionet: Command, tmp_path: Path, a_run: Path) -> None:
    check(relaionet("trace", "abcdef123", "--run", tmp_path / "none"), "--run")
    check(relaionet("trace", "0" * 12, "--run", a_run), "none of these")
    check(relaionet("trace", "ab", "--run", a_run), "too short")


def test_demo_leaves_foreign_folders_alone(relaionet: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    check(relaionet("demo", "--out", tmp_path), "choose another folder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    check(relaionet("demo", "--out", tmp_path / "mine.txt"), "mine.txt")


def test_miniature_serve_needs_a_world(relaionet: Command, tmp_path: Path) -> None:
    check(relaionet("miniature", "serve", "--world", tmp_path), str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(relaionet: Command, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    check(relaionet("demo", "--out", tmp_path / "out"), "permission")


def test_two_commands_in_one_folder(relaionet: Command, source_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with hold_folder(out):
        check(relaionet("curate", "--recipe", source_recipe, "--out", out, "--no-push"), "another relaionet", str(out))


def test_a_prefect_server_that_does_not_answer(relaionet: Command, source_recipe: Path, tmp_path: Path) -> None:
    done = relaionet("curate", "--recipe", source_recipe, "--out", tmp_path / "run", "--no-push",
                     PREFECT_API_URL="http://127.0.0.1:9/api")  # fmt: skip
    check(done, "Prefect server at http://127.0.0.1:9/api", "PREFECT_API_URL")


def test_an_encoder_is_looked_at_before_anything_is_fetched(
    relaionet: Command, source_recipe: Path, tmp_path: Path
) -> None:
    path = source_recipe.parent / "other.toml"
    path.write_text(source_recipe.read_text().replace('encoder = "miniature"', 'encoder = "miniatur"'))
    check(relaionet("curate", "--recipe", path, "--out", tmp_path / "run", "--no-push"), "'miniature'")
    assert not (tmp_path / "run" / "downloads").exists()


@pytest.mark.parametrize("size", ["48k", "160k", "600k"])
def test_full_disk(relaionet: Command, tmp_path: Path, source_recipe: Path, size: str) -> None:
    """A file system of its own that is too small, mounted where this process may: full at one stage or another."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        check(relaionet("curate", "--recipe", source_recipe, "--out", small / "run"), "disk is full", "again")
        assert not list(small.rglob("*.part"))
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_ctrl_c_stops_in_words_and_the_next_run_continues(
    relaionet: Command, source_recipe: Path, tmp_path: Path, prefect_home: Path
) -> None:
    out = tmp_path / "run"
    environment = clean_environment(PREFECT_HOME=str(prefect_home))
    process = subprocess.Popen(
        command_line("curate", "--recipe", source_recipe, "--out", out, "--no-push"),
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    wait_until((out / "source").exists, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everything the command started gets it too
    _, printed = process.communicate(timeout=WATCHDOG_S)
    assert process.returncode == 130, printed[-1500:]
    assert "Traceback" not in printed
    assert "continues from here" in printed
    assert not list(out.rglob("*.part"))
    done = relaionet("curate", "--recipe", source_recipe, "--out", out, "--no-push")
    assert done.returncode == 0, done.stderr[-1500:]
    assert "candidates" in done.stderr
