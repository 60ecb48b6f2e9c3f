"""Every screen is declared once: tables, record and docs follow, and another package's screen is one of them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import counted_fields, digest_of
from relaionet.manifests.tables import COMPARED, MEASURED, SCREENED, check_table
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.plan import (
    check_screens,
    compared_table,
    further_digests,
    measured_table,
    place_screens,
    screened_table,
    screens_asked,
    screens_of,
    screens_table,
)  # fmt: skip
from relaionet.pipeline.screens.screen import screen_images
from relaionet.pipeline.screens.screens import SCREENS, Screen, find_screens
from tests.toy_package.install import toy_installed

SHARED = {"max_pixels", "threads", "device", "more"}  # of all screens, or of none that is built in
SOURCE = """
from dataclasses import dataclass
from pathlib import Path
import polars as pl
from relaionet.manifests.tables import columns
from relaionet.pipeline.screens.screens import Screen
def make(**told):
    given = dict(status="mostly_green", place=65, meaning="m", evidence={}, finds=lambda settings: pl.lit(False),
                 reason=lambda settings: "r", how=lambda settings, references: "h")
    return Screen(**{**given, **told})
"""


def green_config(**settings: object) -> ScreenConfig:
    return ScreenConfig(device="cpu", threads=1, more={"mostly_green": settings})


def test_every_status_column_and_setting_is_some_screens() -> None:
    assert [screen.status for screen in SCREENS] == [
        "unsafe", "watermark", "too_small", "thin", "plain", "placeholder", "leak", "duplicate", "drawing",
        "faces", "text_in_image",
    ]  # fmt: skip
    assert {screen.status for screen in SCREENS} == set(SCREENED.statuses) - {"ok"}
    assert sorted(screen.place for screen in SCREENS) == [screen.place for screen in SCREENS]
    told = {name for screen in SCREENS for name in screen.evidence}
    assert told == set(SCREENED.columns) - {"candidate_id", "status", "reason"}
    steered = {name for screen in SCREENS for name in screen.keys}
    assert steered == {field.name for field in dataclasses.fields(ScreenConfig)} - SHARED
    for screen in SCREENS:
        assert {screen.doubt, *screen.shown, *screen.beside} <= set(screen.evidence), screen.status


def test_without_further_screens_tables_and_digests_are_as_they_were() -> None:
    config = ScreenConfig()
    assert measured_table(config) is MEASURED
    assert compared_table(config) is COMPARED
    assert screened_table(config) is SCREENED
    assert further_digests(config) == further_digests(config, measuring=True) == []
    assert "more" not in counted_fields(config)
    # of the settings before there was `more`
    assert digest_of(config) == "8ac951b933b1923c3c4ed4864f58929da585650c4e5fc3fef4908fd596082a92"
    assert digest_of(config) != digest_of(green_config())


def test_an_installed_screen_is_off_until_a_recipe_names_it(tmp_path: Path) -> None:
    assert "mostly_green" not in find_screens()
    with toy_installed(tmp_path):
        assert list(find_screens())[5:8] == ["placeholder", "mostly_green", "leak"]
        assert "mostly_green" not in screens_asked(ScreenConfig())
        assert screens_asked(green_config(max_green_frac=0.25))["mostly_green"] == "over 25% green"
        assert "green_frac" in measured_table(green_config()).columns
        assert list(screened_table(green_config()).columns)[-3:] == ["green_frac", "status", "reason"]
        assert screened_table(green_config()).statuses["mostly_green"] == "most of the picture is green"
        assert set(compared_table(green_config()).statuses) == set(COMPARED.statuses) | {"mostly_green"}
        row = next(line for line in screens_table().splitlines() if "mostly_green" in line)
        assert row == (
            "| 65 | `mostly_green` | most of the picture is green | not run; named in a recipe: over 50% green | "
            "`green_frac` | `[screen.more.mostly_green]`, `max_green_frac` |"
        )
    assert "mostly_green" not in screens_table()


def test_settings_of_a_further_screen_are_checked(tmp_path: Path) -> None:
    with toy_installed(tmp_path):
        check_screens(green_config(max_green_frac=0.25))
        with pytest.raises(BadInput, match=r"screen\.more: .* 'mostly_grene'.* Did you mean 'mostly_green'"):
            check_screens(ScreenConfig(more={"mostly_grene": {}}))
        with pytest.raises(BadInput, match="no installed package declares a screen 'unsafe'"):
            check_screens(ScreenConfig(more={"unsafe": {}}))
        with pytest.raises(BadInput, match=r"unknown key 'max_green'.* Did you mean 'max_green_frac'"):
            check_screens(green_config(max_green=0.25))
        with pytest.raises(BadInput, match=r"max_green_frac is 'much'; it must be float"):
            check_screens(green_config(max_green_frac="much"))
        with pytest.raises(BadInput, match=r"max_green_frac is 2\.0; expected 0 to 1"):
            check_screens(green_config(max_green_frac=2))
    with pytest.raises(BadInput, match="no installed package declares a screen 'mostly_green'"):
        check_screens(green_config())


def test_version_and_settings_of_a_further_screen_are_in_the_digest(tmp_path: Path) -> None:
    with toy_installed(tmp_path):
        told = {digest_of(further_digests(green_config(**settings))) for settings in ({}, {"max_green_frac": 0.1})}
        assert len(told) == 2
        assert digest_of(further_digests(green_config(max_green_frac=0.5))) in told, "the usual value, spelled out"
        assert further_digests(green_config(), measuring=True) == further_digests(green_config())


def two_pictures(folder: Path) -> pl.DataFrame:
    rows = []
    for name, colour in (("meadow", (40, 170, 30)), ("sky", (60, 110, 220))):
        image = Image.effect_noise((200, 150), 90).convert("RGB")
        image.paste(colour, (0, 0, 200, 100))
        data = io.BytesIO()
        image.save(data, "PNG")
        (folder / name).write_bytes(data.getvalue())
        rows.append((name, name, phash_hex(image), *image.size))
    return pl.DataFrame(rows, schema=["candidate_id", "path", "phash", "width_px", "height_px"], orient="row")


def test_a_further_screen_rules_out_by_what_it_measures(tmp_path: Path) -> None:
    rows = two_pictures(tmp_path)
    usual = screen_images(rows, None, tmp_path, ScreenConfig(device="cpu", threads=1))
    assert usual["status"].to_list() == ["ok", "ok"]
    with toy_installed(tmp_path):
        config = green_config(max_green_frac=0.6)
        table = check_table(screen_images(rows, None, tmp_path, config), screened_table(config))
        lenient = screen_images(rows, None, tmp_path, green_config(max_green_frac=0.7))
    assert table.select("status", "reason").rows() == [
        ("mostly_green", "more than 60% of the picture is green"), ("ok", None),
    ]  # fmt: skip
    assert table["green_frac"].to_list() == pytest.approx([2 / 3, 0], abs=0.02)
    assert lenient["status"].to_list() == ["ok", "ok"]
    assert table.filter(status="ok").drop("green_frac").equals(usual.filter(candidate_id="sky"))


def replaced(folder: Path, declaration: str) -> None:
    (folder / "relaionet_toy" / "screens.py").write_text(SOURCE + declaration, encoding="utf-8")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("1 / 0", "'mostly_green' of relaionet-toy cannot be loaded: ZeroDivisionError"),
        ("MOSTLY_GREEN = 'green'", "is a str; expected a Screen"),
        ("MOSTLY_GREEN = make(status='greenish')", "leads to the screen 'greenish'; both must have one name"),
        ("MOSTLY_GREEN = make(evidence=columns('aspect f32 x'))", "has a column aspect already"),
        ("MOSTLY_GREEN = make(status='Mostly green')", "cannot be loaded: BadInput: screen 'Mostly green'"),
        ("MOSTLY_GREEN = make(config=dict)", "expected a dataclass of its settings"),
    ],
)
def test_a_package_at_fault_is_named(tmp_path: Path, declaration: str, message: str) -> None:
    with toy_installed(tmp_path) as folder:
        replaced(folder, declaration)
        with pytest.raises(BadInput, match=message):
            check_screens(green_config())
        check_screens(ScreenConfig())  # who names no screen of it does not even load it


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ("lambda settings: lambda image: 1 / 0", "screen mostly_green: .*meadow: ZeroDivisionError"),
        ("lambda settings: 1 / 0", "screen mostly_green: making it ready fails: ZeroDivisionError"),
        ("lambda settings: lambda image: {'grass': 1.0}", "it measured grass; its evidence is green_frac"),
        ("lambda settings: lambda image: {'green_frac': 'a lot'}", "screen mostly_green: green_frac"),
    ],
)
def test_a_screen_that_fails_says_which_and_where(tmp_path: Path, measures: str, message: str) -> None:
    rows = two_pictures(tmp_path)
    with toy_installed(tmp_path) as folder:
        replaced(folder, f"MOSTLY_GREEN = make(evidence=columns('green_frac f32 x'), measures={measures})")
        with pytest.raises(BadInput, match=message):
            screen_images(rows, None, tmp_path, green_config())


def test_paths_in_a_further_screens_settings_are_the_recipes_and_their_files_count(tmp_path: Path) -> None:
    declaration = """
@dataclass(frozen=True, kw_only=True)
class Config:
    model: Path | None = None
MOSTLY_GREEN = make(config=Config, evidence=columns('brightness f32 x'), derives=lambda settings: {
    'brightness': pl.col('contrast') / 2})
"""
    with toy_installed(tmp_path) as folder:
        replaced(folder, declaration)
        config = place_screens(green_config(model="model.bin"), tmp_path)
        assert config.more["mostly_green"] == {"model": str(tmp_path / "model.bin")}
        (tmp_path / "model.bin").write_bytes(b"one")
        before = digest_of(further_digests(config))
        (tmp_path / "model.bin").write_bytes(b"two")
        assert digest_of(further_digests(config)) != before
        assert measured_table(config) is MEASURED, "what is derived is not measured"
        table = screen_images(two_pictures(tmp_path), None, tmp_path, config)
        assert table["brightness"].to_list() == pytest.approx((table["contrast"] / 2).to_list())


def test_the_settings_a_screen_is_called_with_are_its_own(tmp_path: Path) -> None:
    with toy_installed(tmp_path):
        config = green_config(max_green_frac=0.25)
        own = {found.screen.status: found.settings for found in screens_of(config)}
    assert own["unsafe"] is config
    assert own["mostly_green"].max_green_frac == 0.25
    with pytest.raises(BadInput, match="screen 'ok'"):
        dataclasses.replace(SCREENS[0], status="ok")
    assert isinstance(SCREENS[0], Screen)
