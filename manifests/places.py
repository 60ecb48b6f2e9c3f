"""The registry of places: which kinds of address may be named where, and how text becomes a folder or file.

Everything a user can name (`--out`, `--to`, stores, splits, releases, images, keys of recipes) is asked of it. A kind
of place is one declaration in `PLACES`; what a scheme may not be used for is refused with the schemes that may.
"""

from __future__ import annotations

import os
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.urls import show_url

Use = Literal["folder", "tables", "release", "weights", "pictures"]
LOCAL = "file"
# one letter is a drive of Windows, and a name with a colon is a name: only `scheme://` is an address. A Path has lost
# one of the slashes
SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://.*", re.DOTALL)
COLLAPSED = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(/.*)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PlaceKind:
    """A kind of place.

    Attributes:
        scheme: what its addresses begin with.
        about: what it is, in a few words.
        uses: what may be there.
    """

    scheme: str
    about: str
    uses: frozenset[Use]


PLACES = (
    PlaceKind(
        scheme=LOCAL, about="this machine: a path, or file:///path",
        uses=frozenset({"folder", "tables", "release", "weights"}),
    ),
    PlaceKind(scheme="http", about="a web server", uses=frozenset({"tables", "pictures"})),
    PlaceKind(scheme="https", about="a web server", uses=frozenset({"tables", "pictures"})),
    PlaceKind(scheme="s3", about="a bucket", uses=frozenset({"tables", "pictures"})),
    PlaceKind(scheme="gs", about="a bucket of Google", uses=frozenset({"pictures"})),
    PlaceKind(scheme="azure-blob", about="a container of Azure", uses=frozenset({"pictures"})),
    PlaceKind(scheme="hf", about="the Hugging Face Hub", uses=frozenset({"tables", "release", "weights"})),
)  # fmt: skip
KNOWN = frozenset(kind.scheme for kind in PLACES)
WORDS: dict[Use, str] = {
    "folder": "folders and files that are worked in", "tables": "metadata tables", "release": "releases",
    "weights": "weights", "pictures": "pictures for reviewers",
}  # fmt: skip


def schemes_for(use: Use) -> tuple[str, ...]:
    """The schemes whose places may be used so, in the order they are declared."""
    return tuple(kind.scheme for kind in PLACES if use in kind.uses)


def scheme_of(place: str | os.PathLike[str]) -> str:
    """The scheme of a place in lower case; `file` for a path, with whatever colons in it."""
    text = os.fspath(place).strip()
    found = SCHEME.fullmatch(text)
    if found is None:
        found = COLLAPSED.fullmatch(text.replace("\\", "/"))
        if found is None or Path(place).exists() or (not found[2] and found["scheme"].lower() not in KNOWN):
            return LOCAL
    return found["scheme"].lower()


def check_place(place: str | os.PathLike[str], use: Use, what: str = "") -> str:
    """Refuse a place that cannot be used so.

    Args:
        place: as the user wrote it.
        use: what is wanted there.
        what: the option or key it was given for, shown in the error.

    Returns:
        Its scheme.

    Raises:
        BadInput: its scheme is not known, or not for this use.
    """
    scheme, schemes = scheme_of(place), schemes_for(use)
    if scheme in schemes:
        return scheme
    told = ", ".join(f"{kind.scheme}:// ({kind.about})" for kind in PLACES if kind.scheme in schemes)
    why = "cannot be used here" if scheme in KNOWN else f"is none of the schemes known ({', '.join(sorted(KNOWN))})"
    hint = nearest_name(scheme, KNOWN) if scheme not in KNOWN else ""
    hint = hint if hint.startswith(" Did") else ""
    raise BadInput(f"{_shown(place, what)}: {scheme}:// {why}. For {WORDS[use]}: {told}.{hint}")


def local_path(place: str | os.PathLike[str], what: str = "") -> Path:
    """The folder or file of this machine that a text names: a path, or file:///path.

    Args:
        place: as the user wrote it.
        what: the option or key it was given for, shown in the error.

    Raises:
        BadInput: it is a place elsewhere, or of a scheme that is not known.
    """
    check_place(place, "folder", what)
    if "\0" in os.fspath(place):
        raise BadInput(f"{_shown(place, what)}: a path holds no zero byte.")
    if not isinstance(place, str) or SCHEME.fullmatch(place.strip()) is None:
        path = Path(place)  # which loses the dot of ./s3:/x
        return path.absolute() if COLLAPSED.fullmatch(path.as_posix()) else path
    parts = urlsplit(place.strip())
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise BadInput(f"{_shown(place, what)}: expected file:///path, without a host.")
    return local_path(Path(urllib.request.url2pathname(parts.path)), what)


def _shown(place: str | os.PathLike[str], what: str) -> str:
    return f"{what}{' ' if what else ''}'{show_url(os.fspath(place)):.200}'"
