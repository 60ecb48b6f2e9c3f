"""Every process this project starts: how it is spoken to, what it said, and that it ends with whoever started it.

    python -m relaionet.pipeline.child_process COMMAND…

runs a command that knows nothing of us and ends it when its starter ends, however that came about: the starter keeps
the other end of our standard input, and the system closes it when the starter ends, be it killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

STOP_S = 10.0

Output = IO[bytes] | Literal["read", "dropped", "inherited"]
Ask = Literal["signal", "close", "never"]


class ChildProcess:
    """A process that was started by `start_child`.

    Attributes:
        pid: process id, and that of its group where it has one of its own.
        writer: its standard input; None where it has none of ours.
        reader: its standard output; None where it is not read.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid: int = process.pid
        self.writer: IO[bytes] | None = process.stdin
        self.reader: IO[bytes] | None = process.stdout

    @property
    def code(self) -> int | None:
        """Exit status (the negative signal that ended it); None while it runs, as far as was noticed."""
        return self._process.returncode

    def is_running(self) -> bool:
        """True while the process is there."""
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end.

        Args:
            timeout_s: seconds at most; None waits for ever.

        Returns:
            The exit status; None where it still runs.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close_pipes(self) -> None:
        """Close our ends, which a child that reads its standard input takes as a wish to end."""
        for pipe in (self.writer, self.reader):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was left to write
                    pipe.close()

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal; nothing happens where the process is gone.

        Args:
            number: of the signal.
            group: to all of its group, also what it left behind; only where it has a group of its own.
        """
        if not group:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, *, ask: Ask = "signal", wait_s: float | None = STOP_S, group: bool = False) -> int:
        """End the process: it is asked to, and after some seconds made to; its pipes are closed.

        Args:
            ask: by SIGTERM, by closing its pipes, or not at all.
            wait_s: seconds between asking and SIGKILL; None waits for ever.
            group: signals go to all of its group; where it is asked by a signal, also to what it left behind.

        Returns:
            The exit status.
        """
        if ask == "signal":
            self.signal(signal.SIGTERM, group=group)
        elif ask == "close":
            self.close_pipes()
        ended = ask != "never" and self.wait(wait_s) is not None
        if not ended or (group and ask == "signal"):
            self.signal(signal.SIGKILL, group=group)
        code = self._process.wait()
        self.close_pipes()
        return code


def start_child(
    command: Sequence[str], *, held: bool = True, output: Output = "dropped", errors: Output | Literal["output"],
    folder: Path | None = None, environment: Mapping[str, str] | None = None, own_group: bool = False,
) -> ChildProcess:  # fmt: skip
    """Start a process.

    Args:
        command: program and arguments.
        held: give it a pipe as standard input, which is closed when we end: a child that watches it (`end_with_parent`,
            `guarded`) ends too. Else it has nothing to read.
        output: where its standard output goes: a file, our `reader`, nowhere, or where ours goes.
        errors: where its standard error goes; `output` is the same place. Not read by us, as a full pipe would stop it.
        folder: where it is started; None takes ours.
        environment: all of it; None takes ours.
        own_group: in a session of its own, so that Ctrl-C in a terminal does not reach it and all it starts can be
            ended with it.

    Raises:
        OSError: no such program, or it may not be run.
    """
    places = {"read": subprocess.PIPE, "dropped": subprocess.DEVNULL, "inherited": None, "output": subprocess.STDOUT}
    process = subprocess.Popen(
        list(command), stdin=subprocess.PIPE if held else subprocess.DEVNULL,
        stdout=places[output] if isinstance(output, str) else output,
        stderr=places[errors] if isinstance(errors, str) else errors,
        cwd=folder, env=environment, start_new_session=own_group,
    )  # fmt: skip
    return ChildProcess(process)


def environment_with(added: Mapping[str, str], dropped: Sequence[str] = ()) -> dict[str, str]:
    """This process's environment with other variables.

    Args:
        added: set in it.
        dropped: left out of what is there now.
    """
    return {name: value for name, value in os.environ.items() if name not in dropped} | dict(added)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a command came out.

    Attributes:
        code: exit status.
        output: what it printed.
        errors: what it printed on standard error.
    """

    code: int
    output: str
    errors: str


def run_to_end(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Finished:
    """Run a command that ends by itself, and collect what it prints.

    Args:
        command: program and arguments.
        environment: all of it; None takes ours.
    """
    done = subprocess.run(list(command), capture_output=True, text=True, env=environment, check=False)
    return Finished(code=done.returncode, output=done.stdout, errors=done.stderr)


def read_log(log: Path | IO[bytes]) -> str:
    """What a child has said into a file so far, whatever its bytes; empty where there is no such file.

    Args:
        log: path, or the file it was started with, which is read from its beginning.
    """
    if isinstance(log, Path):
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    log.seek(0)
    return log.read().decode(errors="replace")


def end_with_parent(code: int) -> None:
    """In a child: end at once when the process that started us is gone, seen by standard input being closed.

    Args:
        code: exit status of that end.
    """

    def watch() -> None:
        os.read(0, 1)
        os._exit(code)

    threading.Thread(target=watch, daemon=True).start()


def guarded(command: Sequence[str]) -> list[str]:
    """The command that runs another one and ends it when we end; for programs that do not look after that."""
    return [sys.executable, "-m", "relaionet.pipeline.child_process", *command]


def guard_command(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; its exit status.

    Args:
        command: program and arguments; it is asked to end (SIGTERM), as also when we are, and after `STOP_S` seconds
            made to, with all of our process group.
    """
    child = start_child(command, held=False, output="inherited", errors="inherited")

    def watch() -> None:
        sys.stdin.buffer.read()
        child.signal(signal.SIGTERM)
        if child.wait(STOP_S) is None:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: child.signal(signal.SIGTERM))
    return int(child.wait() or 0)


if __name__ == "__main__":
    sys.exit(guard_command(sys.argv[1:]))
