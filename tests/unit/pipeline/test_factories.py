"""A wrong name of a factory is answered with those of the module, and with nothing that only lies in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relaionet.evaluators.generators.factories import import_factory
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.factories import find_factory

MODULE = '''
"""Mine."""
import os
from pathlib import Path

WIDTH = 3


class Noise:
    pass


def make_waves():
    pass


def _hidden():
    pass
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_noise_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_noise_module"
    sys.modules.pop("my_noise_module", None)


def test_a_wrong_factory_lists_what_the_module_makes(module: str, tmp_path: Path) -> None:
    asked = (
        lambda: import_factory(f"{module}:xyz"),
        lambda: find_factory(f"{module}:xyz", "relaionet.encoders"),
        lambda: find_factory(f"{tmp_path / module}.py:xyz", "relaionet.encoders"),
    )
    for ask in asked:
        with pytest.raises(BadInput) as refused:
            ask()
        assert str(refused.value).endswith("Known: Noise, make_waves.")


def test_a_near_name_is_offered_and_a_module_that_only_hands_on_names_those(module: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Did you mean 'Noise'"):
        import_factory(f"{module}:noise")
    (tmp_path / "hands_on.py").write_text(f"from {module} import Noise\n")
    with pytest.raises(BadInput, match=r"Known: Noise\.$"):
        import_factory("hands_on:xyz")
    sys.modules.pop("hands_on", None)
