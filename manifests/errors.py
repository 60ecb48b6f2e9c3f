"""What can go wrong, in three kinds a caller can act on.

    ReLAIONetError
      + BadInput       the user can fix it; trying again changes nothing
      + Unavailable    a service or network failed; trying again may help
      + Corrupt        stored data is not what its receipt says

A message says what and where, what was expected and found, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from relaionet.manifests.escape import drop_codes, show_text
from relaionet.manifests.urls import hide_secrets


class ReLAIONetError(Exception):
    """Any error this project raises on purpose; the command line shows its text without a traceback.

    Passwords and tokens of the URLs in the text are hidden when it is made, so that no message carries one, and every
    character in it shows: names and answers of strangers move nothing on a terminal or in a log. Libraries' bold and
    colours are left out whole.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(_clean(one) if isinstance(one, str) else one for one in args))


def _clean(text: str) -> str:
    return show_text(hide_secrets(drop_codes(text)), lines=True)


class BadInput(ReLAIONetError):
    """A file, name, key or option is wrong and the user can put it right."""


class Unavailable(ReLAIONetError):
    """A server or network did not answer as it should; the same call may succeed later."""


class Corrupt(ReLAIONetError):
    """A stored file differs from its receipt; it must be made again, not used."""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name.

    Args:
        name: what the user wrote, in any case.
        known: all names that would have been right.

    Returns:
        " Did you mean 'x'?" when something is near, else " Known: a, b, c." (at most 20 names).
    """
    names = sorted(set(known))
    by_fold = {known_name.casefold(): known_name for known_name in reversed(names)}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{by_fold[near[0]]}'?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f" Known: {shown}." if names else ""
