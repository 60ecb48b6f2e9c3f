"""A picture in 384 bytes: enough to see that a part of it was replaced, which a perceptual hash does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

LUMA_SIDE, CHROMA_SIDE = 16, 8
HEX_DIGITS = 2 * (LUMA_SIDE**2 + 2 * CHROMA_SIDE**2)
# of the range of the eight neighbours: a picture scaled or cut by a pixel differs this much where it has edges
EDGE_SHARE = 0.15


def thumbprint_hex(image: Image.Image) -> str:
    """ThumbnailHash of a picture.

    Args:
        image: any size, at least 1 × 1, any mode, as `picture.show_picture` gives it.

    Returns:
        768 hex digits: 16 × 16 bytes of luma, then 8 × 8 of Cb and of Cr (JPEG's YCbCr), row by row.
    """
    from PIL import Image

    luma, *chroma = image.convert("RGB").convert("YCbCr").split()
    sides = (LUMA_SIDE, CHROMA_SIDE, CHROMA_SIDE)
    small = [
        plane.resize((side, side), Image.Resampling.HAMMING) for plane, side in zip((luma, *chroma), sides, strict=True)
    ]
    return b"".join(plane.tobytes() for plane in small).hex()


def thumbprint_distances(left: str, right: str) -> tuple[float, float]:
    """How far apart two thumbnail hashes are where they differ most.

    Args:
        left: 768 hex digits.
        right: 768 hex digits.

    Returns:
        Luma: the largest difference in any cell less 15 % of the range of the cells around it (the smaller of both
        pictures'), 0 to 255. Chroma: the largest difference of Cb or Cr in any cell, 0 to 255.

    Raises:
        ValueError: one of them is no thumbnail hash.
    """
    import numpy as np

    lumas, chromas = zip(_planes(left), _planes(right), strict=True)
    edges = np.minimum(_local_range(lumas[0]), _local_range(lumas[1]))
    luma = np.abs(lumas[0] - lumas[1]) - EDGE_SHARE * edges
    return max(0.0, float(luma.max())), float(np.abs(chromas[0] - chromas[1]).max())


def thumbprint_contrast(text: str) -> float:
    """Standard deviation of the 16 × 16 grey values of a thumbnail hash, 0 to 127.5.

    Raises:
        ValueError: it is no thumbnail hash.
    """
    return float(_planes(text)[0].std())


def _planes(text: str) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    values = np.frombuffer(bytes.fromhex(text), dtype=np.uint8).astype(np.float32)
    if len(text) != HEX_DIGITS:
        raise ValueError(f"a thumbnail hash has {HEX_DIGITS} hex digits; found {len(text)}.")
    return values[: LUMA_SIDE**2].reshape(LUMA_SIDE, LUMA_SIDE), values[LUMA_SIDE**2 :]  # [16, 16], [128]


def _local_range(luma: np.ndarray) -> np.ndarray:
    """Range of the 3 × 3 cells around each cell, [16, 16]."""
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(np.pad(luma, 1, mode="edge"), (3, 3))  # [16, 16, 3, 3]
    return np.asarray(windows.max(axis=(-1, -2)) - windows.min(axis=(-1, -2)))
