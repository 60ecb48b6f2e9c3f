"""Faces in a picture, by the frontal cascade that OpenCV's package carries: a hint that a person may be in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.detectors.config import FacesConfig

if TYPE_CHECKING:
    from PIL import Image

CASCADE = "haarcascade_frontalface_alt2.xml"


def find_faces(config: FacesConfig) -> Callable[[Image.Image], dict[str, Any]]:
    """A function from an RGB picture to its faces; it may be called in several threads.

    It gives `faces_count`, and in `faces_frac` the share of the picture that the largest covers (0 to 1; None where
    there is none).

    Source: Viola and Jones 2001; Lienhart's trained cascades, as OpenCV ships them.

    Args:
        config: how they are looked for.

    Raises:
        BadInput: OpenCV is not installed, or without its cascades.
    """
    try:
        import cv2
    except ImportError as error:
        raise BadInput(
            f"screen.faces: OpenCV cannot be loaded ({error}); run pip install opencv-python-headless, or set find = "
            "false."
        ) from None
    path = Path(str(cv2.__file__)).parent / "data" / CASCADE
    if not path.is_file():
        raise BadInput(f"screen.faces: {path} is missing; install opencv-python-headless anew, or set find = false.")
    local = threading.local()  # a cascade keeps its state while it searches

    def find(image: Image.Image) -> dict[str, Any]:
        if not hasattr(local, "cascade"):
            local.cascade = cv2.CascadeClassifier(str(path))
        return _search(local.cascade, image, config)

    return find


def tell_faces() -> pl.Expr:
    """What reviewers are told, such as `2 faces`: an expression over `faces_count`, null where there is none."""
    count = pl.col("faces_count")
    return pl.when(count > 0).then(pl.when(count == 1).then(pl.lit("1 face")).otherwise(pl.format("{} faces", count)))


def _search(cascade: Any, image: Image.Image, config: FacesConfig) -> dict[str, Any]:
    import numpy as np

    grey = image.convert("L")
    grey.thumbnail((config.side_px, config.side_px))
    pixels = np.ascontiguousarray(np.asarray(grey))  # [H, W] uint8
    least = (config.min_face_px, config.min_face_px)
    boxes = cascade.detectMultiScale(pixels, config.scale_step, config.min_hits, minSize=least)  # [n, 4] or ()
    areas = [int(width) * int(height) / pixels.size for _, _, width, height in boxes]
    return {"faces_count": len(areas), "faces_frac": min(max(areas), 1.0) if areas else None}
