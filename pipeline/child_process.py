"""Child processes that end with whoever started them, however that came about.

    python -m relaionet.pipeline.child_process COMMAND…

The starter keeps the other end of our standard input; the system closes it when the starter ends, be it killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

STOP_S = 10.0


def guard_command(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; its exit status.

    Args:
        command: program and arguments; it is asked to end (SIGTERM), as also when we are, and after `STOP_S` seconds
            made to, with all of our process group.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch() -> None:
        sys.stdin.buffer.read()
        child.terminate()
        try:
            child.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return child.wait()


if __name__ == "__main__":
    sys.exit(guard_command(sys.argv[1:]))
