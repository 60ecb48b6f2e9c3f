"""Pictures of the miniature's classes, drawn by code and decided wholly by (class, seed).

Everything random is drawn in unit coordinates, so the size only changes the resolution.
"""

from __future__ import annotations

import hashlib
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.miniature.drawings import nature, objects
from relaionet.pipeline.miniature.drawings.brush import Brush, colour_of, shade
from relaionet.pipeline.miniature.drawings.scenes import draw_rubble, draw_scene, grain, new_brush

# wnid -> (drawing, largest turn in degrees, most copies in one picture)
DRAWINGS = {
    "n01443537": (nature.draw_goldfish, 30, 2),
    "n02012849": (nature.draw_crane_bird, 8, 2),
    "n02165456": (nature.draw_ladybug, 180, 2),
    "n02708093": (objects.draw_clock, 15, 1),
    "n02782093": (objects.draw_balloon, 10, 3),
    "n02948072": (objects.draw_candle, 5, 1),
    "n03126707": (objects.draw_crane_machine, 6, 1),
    "n04146614": (objects.draw_school_bus, 8, 1),
    "n04254680": (objects.draw_soccer_ball, 180, 2),
    "n04507155": (objects.draw_umbrella, 35, 2),
    "n04612504": (objects.draw_yawl, 10, 1),
    "n06874185": (objects.draw_traffic_light, 8, 1),
    "n07734744": (nature.draw_mushroom, 15, 2),
    "n07745940": (nature.draw_strawberry, 60, 3),
    "n07747607": (nature.draw_orange, 180, 3),
    "n07749582": (nature.draw_lemon, 180, 3),
    "n07753592": (nature.draw_banana, 180, 1),
    "n07873807": (objects.draw_pizza, 180, 1),
    "n09472597": (nature.draw_volcano, 4, 1),
    "n11939491": (nature.draw_daisy, 30, 3),
}
CLASSES: tuple[str, ...] = tuple(sorted(DRAWINGS))
# Seeds are handed out in ranges, so that nothing is ever tested on a picture it was trained on. From 3*10^9 to 2^40:
# the miniature's generators and classifier (evaluators/miniature). From 2^40: rows, references and controls of worlds.
ENCODER_SEEDS = range(10**9, 2 * 10**9)
ENCODER_CHECK_SEEDS = range(2 * 10**9, 3 * 10**9)
WORLD_SEEDS = range(2**40, 2**62)
UPRIGHT_SCALE = {"n09472597": 1.1}


def rng_of(*parts: object) -> Random:
    """A generator decided by the parts alone, the same on every machine."""
    text = "\x1f".join(map(str, ("miniature-1", *parts)))
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def _scale_of(size_px: int) -> int:
    if not 8 <= size_px <= 2048:
        raise BadInput(f"size_px is {size_px}; expected 8 to 2048.")
    return 3 if size_px <= 96 else 2


def _paste_lit(canvas: Image.Image, layer: Image.Image, rng: Random) -> None:
    """Put a drawn layer on the canvas with a soft shadow under it."""
    size = canvas.width
    alpha = layer.getchannel("A")
    small = alpha.resize((24, 24), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 1.4)))
    strength = rng.uniform(0.0, 0.55)
    shadow = small.resize((size, size), Image.Resampling.BILINEAR).point([int(v * strength) for v in range(256)])
    dx, dy = int(rng.uniform(-0.06, 0.06) * size), int(rng.uniform(0.0, 0.07) * size)
    canvas.paste((10, 10, 20), (dx, dy), shadow)
    canvas.paste(layer, (0, 0), alpha)


def _place(pen: Brush, rng: Random, turn_deg: float, crowd: int, scale: float = 1.0) -> Brush:
    reach = rng.uniform(0.55, 0.95) * scale * (1.0, 1.0, 0.62, 0.5)[crowd]
    room = max(0.05, 1.0 - reach) if crowd == 1 else 0.62
    placed = pen.at(rng.uniform(-room, room), rng.uniform(-room, room), reach, rng.uniform(-turn_deg, turn_deg))
    mirror = rng.choice([-1.0, 1.0])
    lean, wide, high = rng.uniform(-0.14, 0.14), rng.uniform(0.88, 1.08), rng.uniform(0.86, 1.06)
    tilt = np.array([[mirror * wide, lean], [0.0, high]])
    return Brush(draw=placed.draw, matrix=placed.matrix @ tilt, offset=placed.offset)


def _finish(canvas: Image.Image, size_px: int, rng: Random) -> Image.Image:
    """Light, colour cast, blur and grain of the camera, at the final size."""
    image = canvas.resize((size_px, size_px), Image.Resampling.BOX)
    blur = rng.choice([0.0, 0.0, 0.0, rng.uniform(0.003, 0.009)]) * size_px
    if blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    pixels = np.asarray(image, dtype=np.float32)  # [H, W, 3] 0 to 255
    ramp = np.linspace(-1, 1, size_px, dtype=np.float32)
    gain = 1 + rng.uniform(-0.22, 0.22) * ramp[:, None, None] + rng.uniform(-0.22, 0.22) * ramp[None, :, None]
    gain = gain - rng.uniform(0.0, 0.14) * (ramp[:, None, None] ** 2 + ramp[None, :, None] ** 2)
    cast = np.array([rng.uniform(0.9, 1.1) for _ in range(3)], dtype=np.float32)
    pixels = (pixels - 128) * rng.uniform(0.78, 1.12) + 128 + rng.uniform(-16, 16)
    pixels = pixels * gain * cast + grain(rng, size_px, rng.uniform(1.0, 9.0))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _scene(rng: Random, size_px: int) -> Image.Image:
    size = size_px * _scale_of(size_px)
    canvas = Image.new("RGB", (size, size))
    pen = new_brush(canvas).at(0, 0, 1.0, rng.uniform(-6, 6))
    draw_scene(pen, rng)
    return canvas


def _add(canvas: Image.Image, wnid: str, rng: Random, crowd: int, scale: float) -> None:
    draw, turn_deg, _ = DRAWINGS[wnid]
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    draw(_place(new_brush(layer), rng, turn_deg, crowd, scale), rng)
    _paste_lit(canvas, layer, rng)


def draw_picture(wnid: str, seed: int, size_px: int = 128) -> Image.Image:
    """One picture of a class, decided by (wnid, seed).

    Args:
        wnid: one of `CLASSES`.
        seed: any integer; rows of a synthetic world, the training of the encoder and of the generators use ranges of
            their own.
        size_px: side of the square, 8 to 2048; changes the resolution only.

    Returns:
        RGB image of size_px x size_px.

    Raises:
        BadInput: an unknown class or size.
    """
    if wnid not in DRAWINGS:
        raise BadInput(f"the miniature has no class '{wnid}'.{nearest_name(wnid, CLASSES)}")
    rng = rng_of("picture", wnid, seed)
    canvas = _scene(rng, size_px)
    draw_rubble(new_brush(canvas), rng, rng.choice([0, 0, 1, 2, 4]))
    crowd = rng.choice([1, 1, 1, rng.randint(1, DRAWINGS[wnid][2])])
    for _ in range(crowd):
        _add(canvas, wnid, rng, crowd, UPRIGHT_SCALE.get(wnid, 1.0))
    return _finish(canvas, size_px, rng)


def draw_array(wnid: str, seed: int, size_px: int = 32) -> NDArray[np.uint8]:
    """`draw_picture` as an array [H, W, 3] uint8 RGB."""
    return np.asarray(draw_picture(wnid, seed, size_px))


def draw_pair(wnids: tuple[str, str], seed: int, size_px: int = 128) -> Image.Image:
    """A picture in which two classes stand side by side, equally large."""
    rng = rng_of("pair", *wnids, seed)
    canvas = _scene(rng, size_px)
    for wnid, x in zip(wnids, (-0.5, 0.5), strict=True):
        draw, turn_deg, _ = DRAWINGS[wnid]
        layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
        pen = new_brush(layer).at(x, rng.uniform(-0.3, 0.3), rng.uniform(0.42, 0.5))
        draw(pen.at(0, 0, 1, rng.uniform(-turn_deg, turn_deg) * 0.5), rng)
        _paste_lit(canvas, layer, rng)
    return _finish(canvas, size_px, rng)


def draw_word(text: str, seed: int, size_px: int = 128) -> Image.Image:
    """A picture OF a word: the text on a plain or textured ground, nothing else."""
    rng = rng_of("word", text, seed)
    if rng.random() < 0.4:
        canvas = _scene(rng, size_px)
    else:
        plain = colour_of(rng, rng.random(), rng.uniform(0, 0.5), rng.uniform(0.6, 1))
        canvas = Image.new("RGB", (size_px * _scale_of(size_px),) * 2, plain)
    ink = colour_of(rng, rng.random(), rng.uniform(0, 0.9), rng.uniform(0.0, 0.35))
    size = canvas.width
    words = text.split() if rng.random() < 0.7 else [text]
    longest = max(words, key=len)
    height = max(8.0, min(size * 0.4, 1.3 * size / max(len(longest), 3)))
    font = ImageFont.load_default(size=height)
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    for index, word in enumerate(words):
        y = size / 2 + (index - (len(words) - 1) / 2) * height * 1.15
        pen.text((size / 2, y), word, fill=ink, font=font, anchor="mm")
    layer = layer.rotate(rng.uniform(-14, 14), Image.Resampling.BILINEAR)
    if rng.random() < 0.4:
        new_brush(canvas).box(-0.95, -0.5, 0.95, 0.5, shade((255, 255, 255), rng.uniform(0.85, 1)))
    canvas.paste(layer, (0, 0), layer)
    return _finish(canvas, size_px, rng)


def draw_clutter(seed: int, size_px: int = 128) -> Image.Image:
    """A scene with things of none of the classes."""
    rng = rng_of("clutter", seed)
    canvas = _scene(rng, size_px)
    draw_rubble(new_brush(canvas), rng, rng.randint(0, 9))
    return _finish(canvas, size_px, rng)
