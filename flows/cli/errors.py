"""What a user reads when something went wrong: one text that says what to do, and the exit code."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from types import TracebackType
from typing import Any

import click

from relaionet.flows.runs.console import echo, shown

EXIT_BAD, EXIT_STOPPED = 2, 130


class ErrorsAsText(click.Group):
    """A command group that shows the project's own errors as one readable text and exits with code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            SystemExit: 2 after an error the user can act on, 130 after Ctrl-C.
        """
        from relaionet.manifests.errors import ReLAIONetError

        sys.excepthook = show_traceback
        try:
            return super().invoke(ctx)
        except ReLAIONetError as error:
            self._stop(f"{_kind(error)}: {error}", error, ctx)
        except OSError as error:
            text = _system_error(error) or _prefect_error(error)
            if text is None:
                raise
            self._stop(text, error, ctx)
        except KeyboardInterrupt:
            echo("\nStopped. Nothing half-written is left; the same command continues from here.", err=True)
            ctx.exit(EXIT_STOPPED)
        except click.ClickException as error:
            error.message = shown(error.message)  # type: ignore[misc]  # final for users of click, and shown by it
            raise
        except Exception as error:
            text = _prefect_error(error)
            if text is None:
                raise
            self._stop(text, error, ctx)

    @staticmethod
    def _stop(text: str, error: BaseException, ctx: click.Context) -> None:
        if ctx.find_root().params.get("debug"):
            raise error
        echo(f"relaionet: {_set_in(text)}", err=True)
        ctx.exit(EXIT_BAD)


def _set_in(text: str) -> str:
    """All lines but the first set in, so that a line of a stranger's text does not pass for one of ours."""
    return text.replace("\n", "\n  ")


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what Python prints of an error nobody expected; the words in it may be a stranger's.

    Args:
        kind: of the error.
        error: itself.
        trace: where it was raised.
    """
    echo(_set_in("".join(traceback.format_exception(kind, error, trace)).rstrip("\n")), err=True)


def _kind(error: Exception) -> str:
    return {"BadInput": "error", "Unavailable": "not available", "Corrupt": "damaged data"}.get(
        type(error).__name__, "error"
    )


def _system_error(error: OSError) -> str | None:
    """Words for the errors of the file system a user can do something about."""
    where = f": {error.filename}" if error.filename else ""
    words = {
        errno.ENOSPC: f"the disk is full{where}. Free some space and run the same command again: it continues.",
        errno.EDQUOT: f"your disk quota is used up{where}. Free some space and run the same command again.",
        errno.EACCES: f"no permission{where}. Choose a folder you may write to (--out), or change its permissions.",
        errno.EPERM: f"not permitted{where}. Choose a folder you may write to (--out).",
        errno.EROFS: f"the file system is read-only{where}. Choose another folder (--out).",
        errno.ENOTDIR: f"a file stands where a folder is needed{where}. Choose another --out.",
        errno.EEXIST: f"a file stands where a folder is needed{where}. Choose another --out.",
        errno.EISDIR: f"a folder stands where a file is needed{where}.",
        errno.ENOENT: f"no such file or folder{where}.",
        errno.ENAMETOOLONG: "the path is too long. Choose a shorter one.",
    }
    number = error.errno if error.errno is not None else _number_in_text(error)
    return words.get(number) if number is not None else None


def _number_in_text(error: OSError) -> int | None:
    """The system's error number where a library (polars) states it in its text alone."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _prefect_error(error: BaseException) -> str | None:
    """Words for a failure of the Prefect server; None where it is not Prefect that failed."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = max((place for place, name in enumerate(frames) if name.startswith("relaionet.")), default=-1)
    if ours < 0 or not any(name.partition(".")[0] == "prefect" for name in frames[ours + 1 : ours + 4]):
        return None
    from relaionet.flows.runs.environment import server_address

    address, why = server_address(), str(error).strip().partition("\n")[0][:300]
    if address:
        return f"not available: the Prefect server at {address}: {why}. Start it, or unset PREFECT_API_URL."
    return f"not available: Prefect's temporary server: {why}. `relaionet doctor` looks for what it needs."
