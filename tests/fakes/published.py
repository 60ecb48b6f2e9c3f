"""A stand-in of the published reLAIONet: its layout with every oddity a folder of pictures has, and the truth about it.

    truth = make_published(tmp_path / "set", per_class_count=2)     # <set>/reLAIONet-cleaned-v1/images/<class>/…

Nothing of it is the real set: pictures are drawn, and each has bytes of its own unless its oddity says otherwise.
"""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from relaionet.manifests.labels import Label, find_label, read_labels

ROOT = "reLAIONet-cleaned-v1"
# name of a folder -> the two classes whose pictures are in it
DOUBLES = {
    "crane": (134, 517), "maillot": (638, 639), "cardigan": (264, 474), "missile": (657, 744), "sunglasses": (836, 837),
}  # fmt: skip
UNKNOWN = ("not_a_class", "misc", "n00007846", "Tenhc")
ENDINGS = (".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".Png", ".webp", ".WEBP", ".bmp")
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP"}
# how the names of folders are written, class by class
FORMS = ("folded", "as listed", "wnid", "spaces", "folded", "capitals", "folded")
SIZE = (24, 18)


def make_published(
    folder: Path, per_class_count: int = 10, *, pictures: Sequence[tuple[Path, str]] = (), has_images: bool = True,
    classes: Sequence[int] | None = None, has_oddities: bool = True,
) -> pl.DataFrame:  # fmt: skip
    """Write the stand-in.

    Args:
        folder: the parent; made where it is missing. The set itself is `folder / ROOT`.
        per_class_count: pictures drawn for each class.
        pictures: further files, each with its wnid; their bytes are put into the folders of their classes.
        has_images: the class folders are in `images/`; else directly in the root.
        classes: class indices that have a folder; None takes all 1,000.
        has_oddities: False leaves out everything but the ways names are written and the double names.

    Returns:
        One row per file, sorted by path: path (in `folder`), wnid (what it truly shows; null where nobody can say),
        could_be (wnids its folder may mean, where it is a double name; else null), oddity (null where there is none).
    """
    top = folder / ROOT / ("images" if has_images else ".")
    top.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[Path, str | None, str | None]] = []
    chosen = [read_labels()[index] for index in (range(1000) if classes is None else classes)]
    for label in chosen:
        home = top / name_folder(label)
        home.mkdir(exist_ok=True)
        rows += [_draw_one(home, label, number) for number in range(per_class_count)]
    for file, wnid in pictures:
        place = top / name_folder(find_label(wnid)) / file.name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(file.read_bytes())
        rows.append((place, wnid, "given"))
    if has_oddities:
        rows += _make_oddities(folder, top, chosen)
    return _tell_truth(folder, rows)


def name_folder(label: Label) -> str:
    """What the folder of a class is called: its first word or its wnid, in one of several forms."""
    for name, indices in DOUBLES.items():
        if label.class_index in indices and (name == label.lemmas[0].lower() or name not in ("missile", "sunglasses")):
            return name
    listed = label.lemmas[0]
    return {
        "folded": listed.lower().replace(" ", "_").replace("-", "_").replace("'", "_"),
        "as listed": listed.replace(" ", "_"), "wnid": label.wnid, "spaces": listed,
        "capitals": listed.upper().replace(" ", "_"),
    }[FORMS[label.class_index % len(FORMS)]]  # fmt: skip


def draw(seed: str, side: str = "") -> Image.Image:
    """A picture of its own: blocks of colour; `side` "red" or "blue" says which prevails, "purple" neither."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    blocks = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    if side:
        blocks //= 4
        blocks[..., [0] if side == "red" else [2] if side == "blue" else [0, 2]] += 180
    return Image.fromarray(blocks).resize(SIZE, Image.Resampling.BICUBIC)


def encode(image: Image.Image, ending: str, **options: object) -> bytes:
    """A picture's bytes in the format an ending names."""
    stream = io.BytesIO()
    image.save(stream, format=FORMATS[ending.lower().lstrip(".")], **options)  # type: ignore[arg-type]
    return stream.getvalue()


def _draw_one(home: Path, label: Label, number: int) -> tuple[Path, str | None, str | None]:
    """One picture of a class; of a double name in one file of five nobody can say by looking."""
    ending = ENDINGS[(label.class_index + number) % len(ENDINGS)]
    place = home / f"{label.class_index:03d}-{number:05d}{ending}"
    name = home.name
    if name not in DOUBLES:
        place.write_bytes(encode(draw(place.name), ending))
        return place, label.wnid, None
    is_open = number % 5 == 4
    side = "purple" if is_open else "red" if label.class_index == DOUBLES[name][0] else "blue"
    place.write_bytes(encode(draw(place.name, side), ".png"))
    return place, label.wnid, "double, unsure" if is_open else "double"


def _make_oddities(folder: Path, top: Path, chosen: Sequence[Label]) -> Iterator[tuple[Path, str | None, str | None]]:
    for name in UNKNOWN:
        for number in range(2):
            yield _write(top / name / f"{number}.jpg", encode(draw(f"{name}{number}"), ".jpg"), None, "unknown folder")
    single = [label for label in chosen if name_folder(label) not in DOUBLES]
    for place, label in enumerate(single[:: max(1, len(single) // 40)]):
        yield from _make_odd(top / name_folder(label), label, place)
    root = folder / ROOT
    for other in (root / "README.md", root / "LICENSE", root / ".gitattributes", top / "names.txt"):
        yield _write(other, b"no picture\n", None, "no picture")
    yield _write(top / "loose.jpg", encode(draw("loose"), ".jpg"), None, "in no folder")
    (top / "empty_folder").mkdir()


def _make_odd(home: Path, label: Label, number: int) -> Iterator[tuple[Path, str | None, str | None]]:
    """What lies in one class folder beside the plain pictures; of several kinds one per class, in turn."""
    jpeg = encode(draw(f"odd{number}"), ".jpg")
    many: list[tuple[str, bytes, str, bool]] = [
        ("page.jpg", b"<!doctype html><html>gone</html>", "broken", False), ("empty.png", b"", "broken", False),
        ("short.jpg", jpeg[: len(jpeg) // 2], "broken", False),
        ("wide.PNG", encode(draw(f"wide{number}"), ".png", icc_profile=make_profile(number)), "large profile", True),
        ("managed.jpg", encode(draw(f"icc{number}"), ".jpg", icc_profile=make_profile(number, 5_000)), "profile", True),
        ("turned.jpg", encode(draw(f"turn{number}"), ".jpg", exif=_turned()), "turned", True),
        ("deeper/down.jpg", encode(draw(f"deep{number}"), ".jpg"), "nested", True),
        (".hidden.jpg", encode(draw(f"hidden{number}"), ".jpg"), "hidden", False),
        ("._a.jpg", b"\0\5\x16\7", "hidden", False), ("Thumbs.db", b"\0" * 40, "no picture", False),
        ("no_ending", encode(draw(f"none{number}"), ".jpg"), "no ending", True),
        ("wrong.png", encode(draw(f"wrong{number}"), ".jpg"), "wrong ending", True),
        ("twice.jpg", encode(draw("the same in several classes"), ".jpg"), "same bytes", True),
    ]  # fmt: skip
    for name, data, oddity, is_picture in many[number % 3 :: 3] if number else many:
        yield _write(home / name, data, label.wnid if is_picture else None, oddity)


def make_profile(seed: int, length: int = 3 << 20) -> bytes:
    """An sRGB profile with a private tag that makes it as long as printers' profiles are."""
    from PIL import ImageCms

    plain = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    plain += random.Random(seed).randbytes(1_000) * ((length - len(plain)) // 1_000 + 1)
    plain = plain[: length & ~3]
    plain[:4] = len(plain).to_bytes(4, "big")
    return bytes(plain)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _write(place: Path, data: bytes, wnid: str | None, oddity: str) -> tuple[Path, str | None, str | None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place, wnid, oddity


def _tell_truth(folder: Path, rows: Sequence[tuple[Path, str | None, str | None]]) -> pl.DataFrame:
    labels = read_labels()
    told = [
        (
            place.relative_to(folder).as_posix(), wnid,
            [labels[index].wnid for index in DOUBLES[place.parent.name]] if place.parent.name in DOUBLES else None,
            oddity,
        )
        for place, wnid, oddity in rows
    ]  # fmt: skip
    schema: dict[str, pl.DataType] = {
        "path": pl.String(), "wnid": pl.String(), "could_be": pl.List(pl.String()), "oddity": pl.String(),
    }  # fmt: skip
    return pl.DataFrame(told, schema=schema, orient="row").sort("path")
