"""An adapter is declared once: in a module of this project, or by another package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from relaionet.evaluators.generators.registry import (
    adapter_kinds,
    generator_adapters_table,
    get_adapter,
    list_adapters,
    load_generator,
    look_ahead,
)
from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput
from tests.toy_package.install import toy_installed

KINDS = ["command", "diffusers", "flow_map", "http", "python", "samples"]


def test_every_module_of_adapters_declares_the_kind_it_is_named_by() -> None:
    assert adapter_kinds() == KINDS
    for kind in KINDS:
        adapter = get_adapter(kind)
        assert adapter.kind == kind
        assert adapter.about
    with pytest.raises(BadInput, match=r"no adapter 'flowmap'\. Did you mean 'flow_map'"):
        get_adapter("flowmap")


def test_every_key_of_a_file_has_its_meaning() -> None:
    for adapter in list_adapters():
        keys = adapter.keys()
        assert keys
        assert not {"device", "base", "about"} & set(keys)
        assert [key for key, meaning in keys.items() if not meaning.endswith((".", "number"))] == [], adapter.kind
    assert get_adapter("http").keys()["wait_s"] == "before asking again, seconds; doubled each time."


def test_listing_adapters_imports_neither_torch_nor_the_adapters() -> None:
    code = (
        "import sys\n"
        "from relaionet.evaluators.generators.registry import adapter_kinds, list_adapters\n"
        "adapter_kinds()\n"
        "print(any('adapters.' in name for name in sys.modules))\n"
        "list_adapters()\n"
        "print('torch' in sys.modules, 'diffusers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_a_package_declares_an_adapter_and_nothing_else_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "grey.toml"
    file.write_text('type = "grey"\nname = "Grey 7"\nlevel = 7\nnative_size_px = 16\n')
    with pytest.raises(BadInput, match="type 'grey' is unknown"):
        load_generator(file)
    with toy_installed(tmp_path):
        assert adapter_kinds() == sorted([*KINDS, "grey"])
        made = load_generator(file)
        assert (made.info.name, made.info.native_size_px) == ("Grey 7", 16)
        assert look_ahead(str(file)).here == ("nothing is needed",)
        checked = CliRunner().invoke(main, ["generators", "check", str(file)])
        assert checked.output.startswith("Grey 7 at ")
        assert "grey       grey pictures" in CliRunner().invoke(main, ["generators", "--help"]).output
        assert "| | `level` | darkest value of a pixel, 0 to 247. |" in generator_adapters_table()
        file.write_text('type = "grey"\nname = "x"\nlevle = 7\nnative_size_px = 16\n')
        with pytest.raises(BadInput, match="unknown key 'levle'"):
            load_generator(file)
    assert "grey" not in generator_adapters_table()


def test_help_says_what_each_adapter_reaches() -> None:
    told = CliRunner().invoke(main, ["generators", "--help"]).output
    assert "http       a model behind a web address" in told
    for kind in KINDS:
        assert kind in told
