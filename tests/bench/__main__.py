"""`make bench [ONLY=name]`: run the benchmarks, print a table, write bench.json.

A benchmark is a module `tests/bench/<topic>/<name>.py` with a function `measure()` that returns or yields rows
(`Row`); what it yields is printed at once. Each row compares ours with a peer in one run on one machine; only ratios
mean anything elsewhere.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.row import Row

FOLDER = Path(__file__).parent


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"system": platform.platform(), "cpu_count": os.cpu_count(), "gpu": gpu, "python": platform.python_version()}


def find_benchmarks() -> dict[str, str]:
    """Name -> module, of every module below this folder that measures."""
    return {
        path.stem: f"tests.bench.{path.parent.name}.{path.stem}"
        for path in FOLDER.glob("*/*.py")
        if "\ndef measure(" in path.read_text(encoding="utf-8")
    }


def main(only: list[str]) -> int:
    """Run the named benchmarks, or all; a missed goal is said, and is no failure of the run."""
    names = find_benchmarks()
    unknown = sorted(set(only) - names.keys())
    if unknown:
        print(f"no benchmark {unknown[0]}; there are: {', '.join(sorted(names))}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    print(f"{'name':<28}{'ours':>12}{'peer':>12}{'ratio':>9}{'goal':>9}  unit", flush=True)
    for name in only or sorted(names):
        for row in importlib.import_module(names[name]).measure():
            rows.append(row)
            mark = "" if row.met else "   MISSED"
            figures = f"{row.ours:>12.4g}{row.peer:>12.4g}{row.ratio:>9.3g}{row.goal:>9}"
            print(f"{row.name:<28}{figures}  {row.unit}{mark}", flush=True)
    values = [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows]
    Path("bench.json").write_text(json.dumps({"machine": machine(), "rows": values}, indent=2) + "\n")
    missed = sum(not row.met for row in rows)
    print(f"{len(rows) - missed} of {len(rows)} goals met; written to bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
