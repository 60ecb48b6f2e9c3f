"""`python -m tests.attempts [MODULE…]`: try the attempts of these modules, or all, and print what became of each."""

import sys

from tests.attempts.collected import attempt_modules
from tests.attempts.trial import try_module

if __name__ == "__main__":
    outcomes = [one for module in sys.argv[1:] or attempt_modules() for one in try_module(module)]
    for one in outcomes:
        about = f"{one.cpu_s:6.2f} s {one.peak_bytes / 1e6:6.0f} MB  {one.kind}: {one.name}: {one.happened}"
        print(f"{'WAY IN' if one.way_in else 'held':<7}{about!r}")
    print(f"{len(outcomes)} tried, {sum(one.way_in for one in outcomes)} ways in")
