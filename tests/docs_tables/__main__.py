"""`python -m tests.docs_tables [--check]`: write every part of the documentation that is read from the code.

With `--check` nothing is written; what differs is named, and the command ends with 1.
"""

from __future__ import annotations

import sys

from tests.docs_tables.pages import stored, write
from tests.docs_tables.parts import ATTEMPTS, PARTS


def main(check: bool) -> int:
    """Write or compare all parts; the number of those that differed where they were only compared."""
    changed = [
        part for part in (*PARTS, ATTEMPTS) if (stored(part) != part.render().strip("\n") if check else write(part))
    ]
    for part in changed:
        print(f"{'differs' if check else 'written'}  {part.page}: {part.name}")
    return len(changed) if check else 0


if __name__ == "__main__":
    sys.exit(min(1, main("--check" in sys.argv[1:])))
