"""`python -m tests.docs_tables [--check] [PART …]`: write every part of the documentation that is read from the code.

With `--check` nothing is written; what differs is named, and the command ends with 1. `attempts` tries every attempt of
tests/attempts, which takes minutes; `-attempts` leaves that part out.
"""

from __future__ import annotations

import sys

from tests.docs_tables.pages import stored, write
from tests.docs_tables.parts import ATTEMPTS, PARTS


def main(check: bool, names: list[str]) -> int:
    """Write or compare parts; the number of those that differed where they were only compared.

    Args:
        check: only compare.
        names: of the parts; none means all, and one with a `-` in front is left out.
    """
    without = {name[1:] for name in names if name.startswith("-")}
    only = {name for name in names if not name.startswith("-")}
    parts = [one for one in (*PARTS, ATTEMPTS) if one.name not in without and (not only or one.name in only)]
    if unknown := (without | only) - {one.name for one in (*PARTS, ATTEMPTS)}:
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}")
    changed = [part for part in parts if (stored(part) != part.render().strip("\n") if check else write(part))]
    for part in changed:
        print(f"{'differs' if check else 'written'}  {part.page}: {part.name}")
    return len(changed) if check else 0


if __name__ == "__main__":
    sys.exit(min(1, main("--check" in sys.argv[1:], [name for name in sys.argv[1:] if name != "--check"])))
