"""`python -m tests.fuzz.guided TARGET -runs=N`: atheris looks for inputs that reach further; it is no dependency."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["relaionet.manifests.containers", "relaionet.pipeline.arrays"]):
    from relaionet.manifests.errors import ReLAIONetError
    from tests.fuzz.targets import FOLDER, TARGETS


def main() -> None:
    """Fuzz one target from its seeds."""
    target = TARGETS[sys.argv[1]]
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)

    def once(data: bytes) -> None:
        try:
            target.read(data)
        except ReLAIONetError:
            return

    atheris.Setup([sys.argv[0], str(corpus), "-rss_limit_mb=4096", "-timeout=20", *sys.argv[2:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
