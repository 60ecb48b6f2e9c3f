"""A 64-bit perceptual hash of a picture: near pictures differ in few bits, whatever their size or encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

HASH_BITS = 64


def phash_hex(image: Image.Image) -> str:
    """Perceptual hash of a picture.

    Args:
        image: any size, at least 1 × 1, any mode, as `picture.show_picture` gives it; only its grey values count.

    Returns:
        16 hex digits: the signs of the 8 × 8 lowest DCT coefficients of the 32 × 32 grey picture against their median.

    Source: `imagehash.phash` (bit for bit), after http://www.hackerfactor.com/blog/index.php?/archives/432.
    """
    import imagehash

    return str(imagehash.phash(image))


def phash_distance(left: str, right: str) -> int:
    """Bits in which two hashes differ, 0 to 64; about 32 for unrelated pictures.

    Args:
        left: 16 hex digits.
        right: 16 hex digits.

    Raises:
        ValueError: one of them is no hexadecimal number.
    """
    return (int(left, 16) ^ int(right, 16)).bit_count()
