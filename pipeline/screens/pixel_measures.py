"""What the screens measure on a picture's pixels: decoded once, per shard, in threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt, ReLAIONetError
from relaionet.manifests.tables import shape_table
from relaionet.pipeline.images.decode import BrokenImage, StoredPicture, open_image
from relaionet.pipeline.images.files import stored_path
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import measure_clear, show_picture
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.plan import SetScreen, measured_evidence, measured_table, measuring_screens
from relaionet.pipeline.screens.registration import take_print

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

VERSION = "2"
CONTRAST_SIDE_PX = 64
STATISTICS_SIDE_PX = 128
PALETTE_COLOURS = 8
COLOUR_BITS = 4  # of a channel: 4096 colours
FLAT_RANGE = 2  # grey values within 3 × 3 pixels: the noise of a photograph is mostly more
BACKGROUND_FRAC = 0.98  # a picture of one colour has no foreground to judge


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measured on one picture.

    Attributes:
        phash_mirrored: perceptual hash of the mirrored picture, 16 hex digits.
        print: 32 × 32 grey values, 2048 hex digits.
        contrast: standard deviation of the grey values (0 to 127.5) of the picture reduced to 64 px.
        palette_frac: share of the foreground in its 8 commonest of 4096 colours, 0 to 1; 0 where there is no
            foreground. The foreground is what has not the commonest colour of the picture's rim.
        flat_frac: share of the foreground around which the grey values hardly change, 0 to 1.
        saturation: mean saturation (HSV) of the foreground, 0 to 1.
        clear_frac: share of the pixels that are transparent, 0 to 1.
    """

    phash_mirrored: str
    print: str
    contrast: float
    palette_frac: float
    flat_frac: float
    saturation: float
    clear_frac: float


def measure_picture(picture: StoredPicture, shown: Image.Image | None = None) -> Measures:
    """Measure a decoded picture.

    Args:
        picture: from `open_image`.
        shown: the same as it is shown, where that is known already.
    """
    from PIL import Image, ImageOps, ImageStat

    shown = shown or show_picture(picture)
    grey = shown.convert("L")
    grey.thumbnail((CONTRAST_SIDE_PX, CONTRAST_SIDE_PX))
    small = shown.copy()
    small.thumbnail((STATISTICS_SIDE_PX, STATISTICS_SIDE_PX), Image.Resampling.BOX)
    return Measures(
        phash_mirrored=phash_hex(ImageOps.mirror(shown)),
        print=take_print(shown).hex(),
        contrast=ImageStat.Stat(grey).stddev[0],
        clear_frac=measure_clear(picture),
        **_foreground_statistics(small),
    )


def _foreground_statistics(image: Image.Image) -> dict[str, float]:
    import numpy as np

    pixels = np.asarray(image)  # [H, W, 3] uint8
    codes = np.zeros(pixels.shape[:2], dtype=np.int64)
    for channel in range(3):
        codes = codes << COLOUR_BITS | pixels[:, :, channel] >> (8 - COLOUR_BITS)
    rim = np.concatenate([codes[0], codes[-1], codes[:, 0], codes[:, -1]])
    foreground = codes != np.bincount(rim).argmax()
    if foreground.mean() < 1 - BACKGROUND_FRAC:
        return {"palette_frac": 0.0, "flat_frac": 0.0, "saturation": 0.0}
    commonest = np.sort(np.bincount(codes[foreground]))[-PALETTE_COLOURS:]
    brightest, darkest = pixels.max(axis=2).astype(np.float64), pixels.min(axis=2)
    saturation = (brightest - darkest) / np.maximum(brightest, 1)
    return {
        "palette_frac": float(commonest.sum() / foreground.sum()),
        "flat_frac": float(_is_flat(np.asarray(image.convert("L")))[foreground].mean()),
        "saturation": float(saturation[foreground].mean()),
    }


def _is_flat(grey: np.ndarray) -> np.ndarray:
    """[H, W]: the 3 × 3 pixels around hardly differ."""
    import numpy as np

    padded = np.pad(grey.astype(np.int16), 1, mode="edge")

    def over_neighbours(pick: np.ufunc) -> np.ndarray:
        down = pick(pick(padded[:-2], padded[1:-1]), padded[2:])
        return np.asarray(pick(pick(down[:, :-2], down[:, 1:-1]), down[:, 2:]))

    return np.asarray(over_neighbours(np.maximum) - over_neighbours(np.minimum) <= FLAT_RANGE)


def measure_pictures(
    rows: pl.DataFrame, images: Path, config: ScreenConfig, *, progress: Callable[[int], None] | None = None
) -> pl.DataFrame:
    """Measure a shard's pictures.

    Args:
        rows: candidate_id, path (relative to `images`), status `ok` all of them.
        images: folder of the stored bytes.
        config: the settings of [screen]: bound on pixels, threads, and which other packages' screens are on.
        progress: called with the number of rows just done.

    Returns:
        MEASURED as `plan.measured_table` has it, the same rows in the same order.

    Raises:
        BadInput: a path leads out of the folder or cannot be read, or another package's screen fails.
        Corrupt: a stored picture cannot be decoded any more.
    """
    table = measured_table(config)
    further = [Measurer.of(found) for found in measuring_screens(config)]
    measured = _measure_all([stored_path(images, path) for path in rows["path"]], config, further, progress)
    values = {name: [found.get(name) for found in measured] for name in table.columns if name != "candidate_id"}
    of_further = {name: one.status for one in further for name in one.names}
    columns = []
    for name, held in values.items():
        try:
            columns.append(pl.Series(name, held, dtype=table.schema[name]))
        except (TypeError, OverflowError) as error:
            if name not in of_further:
                raise
            raise BadInput(f"screen {of_further[name]}: {name} is no {table.schema[name]}: {error}.") from error
    return shape_table(rows.select("candidate_id").with_columns(columns), table)


def _measure_all(
    paths: Sequence[Path], config: ScreenConfig, further: Sequence[Measurer], progress: Callable[[int], None] | None
) -> list[dict[str, Any]]:
    def measure(path: Path) -> dict[str, Any]:
        try:
            picture = open_image(path, config.max_pixels)
            shown = show_picture(picture)
            found = vars(measure_picture(picture, shown))
        except (FileNotFoundError, BrokenImage) as error:
            raise Corrupt(f"{path} was embedded and cannot be read now: {error}; fetch it again.") from error
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}; check its permissions.") from error
        if not further:
            return found
        return found | {name: value for one in further for name, value in one.measure(shown, path).items()}

    found = []
    with ThreadPoolExecutor(max_workers=config.threads) as pool:
        for measures in pool.map(measure, paths):
            found.append(measures)
            if progress:
                progress(1)
    return found


@dataclass(frozen=True, kw_only=True)
class Measurer:
    """What a screen measures on a picture where a recipe has it on.

    Attributes:
        status: of its screen.
        names: of the evidence it measures.
        function: picture -> that evidence, by name.
    """

    status: str
    names: frozenset[str]
    function: Callable[[Image.Image], Mapping[str, Any]]

    @classmethod
    def of(cls, found: SetScreen) -> Measurer:
        """Make it ready; a screen that needs a model loads it now.

        Raises:
            BadInput: the screen cannot be made ready.
        """
        status = found.screen.status
        try:
            function = found.screen.measures(found.settings)  # type: ignore[misc]
        except ReLAIONetError:
            raise
        except Exception as error:  # a stranger's code may raise anything
            raise BadInput(f"screen {status}: making it ready fails: {type(error).__name__}: {error}.") from error
        return cls(status=status, names=frozenset(measured_evidence(found)), function=function)

    def measure(self, image: Image.Image, path: Path) -> dict[str, Any]:
        """Measure a picture as it is shown, RGB.

        Raises:
            BadInput: the screen fails, or measures other columns than it declares.
        """
        try:
            found = dict(self.function(image.copy()))
        except ReLAIONetError as error:
            raise type(error)(f"screen {self.status}: {path}: {error}") from error
        except Exception as error:  # a stranger's code may raise anything
            raise BadInput(f"screen {self.status}: {path}: {type(error).__name__}: {error}.") from error
        if set(found) != self.names:
            told, declared = ", ".join(sorted(found)), ", ".join(sorted(self.names))
            raise BadInput(f"screen {self.status}: it measured {told}; its evidence is {declared}.")
        return found
