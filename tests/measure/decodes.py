"""What becomes of a folder of picture files, and whether Chromium shows the same.

    python -m tests.measure.decodes FOLDER [--names] [--max-pixels N]

Each sub-folder is a collection: the test images of Pillow, libjpeg-turbo, libwebp, libavif, PngSuite, or yours. Every
file is decoded as consumers get it, and shown by a real Chromium on white, an implementation that shares nothing with
ours but some libraries; both are compared at 64 × 64 pixels. Prints a Markdown table for docs/reference/pictures.md.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from relaionet.pipeline.images.decode import BrokenImage, open_image
from relaionet.pipeline.images.picture import read_picture, show_picture
from tests.browser.conftest import NO_BROWSER, Page, find_browser, open_page

SIDE_PX = 64
# grey levels by which two ways of scaling and two sets of colour tables may differ, on the mean
ALIKE = 6.0
SHOW = """
(async () => {
  const image = new Image();
  image.src = DATA;
  try { await image.decode(); } catch (error) { return null; }
  if (!image.naturalWidth) return null;
  const large = document.createElement('canvas');
  large.width = image.naturalWidth; large.height = image.naturalHeight;
  const first = large.getContext('2d');
  first.fillStyle = 'white'; first.fillRect(0, 0, large.width, large.height);
  first.drawImage(image, 0, 0);
  return [large.width, large.height, large.toDataURL('image/png')];
})()
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a file.

    Attributes:
        name: of the file.
        refused: why it was; None where it was read.
        seconds: the decode took.
        apart: mean difference from what Chromium shows, grey levels; None where nothing can be compared.
        is_shown: Chromium shows something.
        is_animated: which frame Chromium shows is a matter of time, so that nothing is compared.
    """

    name: str
    refused: str | None
    seconds: float
    apart: float | None = None
    is_shown: bool
    is_animated: bool = False


def small(image: Image.Image) -> np.ndarray:
    """[64, 64, 3] int16: each cell the mean of what lies in it."""
    return np.asarray(image.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.int16)


def show(page: Page, data: bytes) -> Image.Image | None:
    """The picture as Chromium shows it; None where it shows none."""
    uri = f"data:image/x-any;base64,{base64.b64encode(data).decode()}"
    found = page.eval(SHOW.replace("DATA", json.dumps(uri)))
    if found is None or not found[2].startswith("data:image/png;base64,"):
        return None
    return read_picture(base64.b64decode(found[2].partition(",")[2]))


def try_file(page: Page, path: Path, name: str, max_pixels: int) -> Outcome:
    """Decode a file here and there."""
    data = path.read_bytes()
    theirs, started = show(page, data), time.perf_counter()
    try:
        stored = open_image(data, max_pixels)
        ours = show_picture(stored)
    except BrokenImage as error:
        seconds = time.perf_counter() - started
        return Outcome(name=name, refused=str(error), seconds=seconds, is_shown=theirs is not None)
    seconds, animated = time.perf_counter() - started, stored.facts.is_animated
    if theirs is None or animated:
        return Outcome(name=name, refused=None, seconds=seconds, is_shown=theirs is not None, is_animated=animated)
    same_shape = (ours.width > ours.height) == (theirs.width > theirs.height)
    apart = float(np.abs(small(ours) - small(theirs)).mean()) if same_shape else 255.0
    return Outcome(name=name, refused=None, seconds=seconds, apart=apart, is_shown=True)


def kind_of(reason: str) -> str:
    """A reason without what is of this file alone."""
    return reason.partition(":")[0].partition(" (")[0]


def line_of(name: str, outcomes: list[Outcome]) -> str:
    """A collection's row of the table."""
    read = [one for one in outcomes if one.refused is None]
    compared = [one for one in read if one.apart is not None]
    alike = sum(one.apart <= ALIKE for one in compared if one.apart is not None)
    animated = sum(one.is_animated for one in read)
    unseen = sum(not one.is_shown for one in read)
    refused = [one for one in outcomes if one.refused is not None]
    reasons = Counter(kind_of(one.refused or "") for one in refused)
    why = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none"
    if any(one.is_shown for one in refused):
        why += f" ({sum(one.is_shown for one in refused)} of them Chromium shows)"
    slowest = max(one.seconds for one in outcomes) * 1000
    return (
        f"| {name} | {len(outcomes)} | {len(read)} | {alike} of {len(compared)} | {animated} | {unseen} | {why} | "
        f"{slowest:.0f} ms |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", action="store_true", help="name the files that differ or were refused")
    parser.add_argument("--max-pixels", type=int, default=64_000_000)
    asked = parser.parse_args()
    print("| files of | files | read | as Chromium shows it | animated | Chromium shows nothing | refused | slowest |")
    print("|---|---|---|---|---|---|---|---|")
    odd: list[Outcome] = []
    executable = find_browser() or sys.exit(f"{NO_BROWSER}.")
    with open_page(executable) as page:
        for folder in sorted(path for path in asked.folder.iterdir() if path.is_dir()):
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            names = [path.relative_to(asked.folder).as_posix() for path in files]
            found = [try_file(page, *one, asked.max_pixels) for one in zip(files, names, strict=True)]
            print(line_of(folder.name, found), flush=True)
            odd += [one for one in found if one.refused is not None or (one.apart or 0) > ALIKE]
    for one in odd if asked.names else ():
        shown = " (Chromium shows it)" if one.refused is not None and one.is_shown else ""
        print(f"{one.name}: {one.refused or f'differs by {one.apart:.1f}'}{shown}")


if __name__ == "__main__":
    main()
