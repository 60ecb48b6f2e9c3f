"""Colours as they are shown: any mode and colour profile in sRGB.

Source: the ICC profile in the file, by Little CMS with the perceptual intent; PNG's gAMA where there is no profile.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

# profiles of printers hold large tables, of 0.5 to 3 MB
MAX_PROFILE_BYTES = 8 << 20
PROFILE_NOTE = f"a colour profile of more than {MAX_PROFILE_BYTES:,} bytes"
# profile's colour space -> the mode it is for
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
# grey levels: what a profile changes less than this is sRGB, written by another program
UNSEEN = 2
# exponents of displays: 1/2.2 as files give it, and what may be told from it
GAMMA, GAMMA_TOLERANCE, MAX_GAMMA = 1 / 2.2, 0.05, 10.0
PROBE_STEPS = 9


def to_srgb(image: Image.Image, profile: bytes | None, gamma: float | None = None) -> Image.Image:
    """Bring a picture without transparency to sRGB.

    Args:
        image: L, 1, RGB, YCbCr, CMYK, LAB or HSV, 8 bits.
        profile: ICC profile of its file; one that is broken, too long, or of another kind of colours is left aside.
        gamma: exponent that PNG's gAMA gives, 0.45455 for sRGB; only used where there is no profile.

    Returns:
        RGB.
    """
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        managed = _apply_profile(image, bytes(profile))
        if managed is not None:
            return managed
    if image.mode == "LAB":
        return _convert_lab(image)
    shown = image if image.mode == "RGB" else image.convert("RGB")
    if profile or gamma is None or not 1 / MAX_GAMMA <= gamma <= MAX_GAMMA:
        return shown
    return shown if abs(gamma / GAMMA - 1) <= GAMMA_TOLERANCE else shown.point(_gamma_table(round(gamma, 5)) * 3)


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The managed picture; None where the profile is none, or says nothing of such colours."""
    from PIL import ImageCms

    try:
        wanted = _profile_mode(profile)
        if wanted is None or (wanted in ("CMYK", "LAB", "L") and image.mode != wanted and image.mode != "1"):
            return None
        if wanted == "RGB" and image.mode in ("CMYK", "LAB"):
            return None
        ready = image if image.mode == wanted else image.convert(wanted)
        transform = _find_transform(profile, wanted)
        return ready.convert("RGB") if transform is None else ImageCms.applyTransform(ready, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=64)
def _profile_mode(profile: bytes) -> str | None:
    from PIL import ImageCms

    found = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    return MODES.get(found.xcolor_space.strip())


@lru_cache(maxsize=64)
def _find_transform(profile: bytes, mode: str) -> Any:
    """What brings `mode` to sRGB; None where nobody would see a difference."""
    from PIL import ImageCms

    made = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB",
        renderingIntent=ImageCms.Intent.PERCEPTUAL,
    )  # fmt: skip
    if mode not in ("RGB", "L"):
        return made
    probe = _probe(mode)
    return None if _largest_difference(ImageCms.applyTransform(probe, made) or probe, probe) <= UNSEEN else made


@lru_cache(maxsize=2)
def _probe(mode: str) -> Image.Image:
    """Colours from all over the space."""
    import numpy as np
    from PIL import Image

    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, PROBE_STEPS).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3))


def _largest_difference(shown: Image.Image, probe: Image.Image) -> int:
    import numpy as np

    return int(np.abs(np.asarray(shown, np.int16) - np.asarray(probe.convert("RGB"), np.int16)).max())


def _convert_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    return ImageCms.applyTransform(image, _lab_transform()) or image


@lru_cache(maxsize=1)
def _lab_transform() -> Any:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


@lru_cache(maxsize=64)
def _gamma_table(gamma: float) -> list[int]:
    return [round(255 * (level / 255) ** (GAMMA / gamma)) for level in range(256)]
