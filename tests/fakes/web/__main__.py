"""`python -m tests.fakes.web [--write]`: fetch all faults, print each result, write docs/reference/security.md."""

import sys
import tempfile
from pathlib import Path

from tests.fakes.web.table import fetch_faults, render_table, write_table

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = render_table(fetch_faults(Path(folder)))
    print(text)
    if "--write" in sys.argv[1:]:
        write_table(text)
