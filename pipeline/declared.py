"""What other packages declare by entry points: screens, metrics, source schemas, export formats; each kind a group."""

from __future__ import annotations

import importlib.metadata
from typing import TypeVar

from relaionet.manifests.errors import BadInput

T = TypeVar("T")


def find_declared(group: str, kind: type[T]) -> dict[str, T]:
    """Load what installed packages declare; this imports them.

    Args:
        group: entry-point group, such as `relaionet.screens`.
        kind: the class each entry point must lead to an instance of.

    Returns:
        Name of the entry point -> the declaration, by name.

    Raises:
        BadInput: an entry point cannot be loaded, leads to something else, or two packages declare the same name.
    """
    found: dict[str, T] = {}
    for point in sorted(importlib.metadata.entry_points(group=group), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist is not None else point.value
        if point.name in found:
            raise BadInput(f"{group}: '{point.name}' is declared twice, once by {package}; uninstall one of the two.")
        try:
            declared = point.load()
        except Exception as error:  # importing a stranger's module runs its code
            raise BadInput(
                f"{group}: '{point.name}' of {package} cannot be loaded: {type(error).__name__}: {error}; mend or "
                f"uninstall {package}."
            ) from error
        if not isinstance(declared, kind):
            raise BadInput(
                f"{group}: '{point.name}' of {package} ({point.value}) is a {type(declared).__name__}; expected a "
                f"{kind.__name__} ({kind.__module__})."
            )
        found[point.name] = declared
    return found
