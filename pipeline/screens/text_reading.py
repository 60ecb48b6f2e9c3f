"""Text in pictures, read by RapidOCR (an extra that carries its own models), and whether it names the class.

A picture of a word is no picture of the thing: what counts is which share of the picture the naming lines cover.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import shape_table
from relaionet.manifests.tables.screens import TEXTS_READ
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.files import stored_path
from relaionet.pipeline.images.picture import read_picture

if TYPE_CHECKING:
    from PIL import Image

VERSION = "2"
MAX_LINES = 64
MAX_LINE_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Whether text in pictures is read, and when it rules a picture out.

    Reading takes longer than all other screens together, so it is asked for, and done after them.

    Attributes:
        read: read text in the pictures that passed the other screens; needs `pip install 'relaionet[ocr]'`.
        detect_side_px: longer side a picture is reduced to in which lines are looked for.
        min_score: how sure the reader must be of a line, 0 to 1.
        min_words_frac: share of the picture that the lines naming its class cover, at least, for `text_in_image`; a
            photo with a small label or sign stays below it.
        chunk_rows: pictures read between two receipts; what is lost when a run is killed.
    """

    read: bool = False
    detect_side_px: int = 640
    min_score: float = 0.6
    min_words_frac: float = 0.03
    chunk_rows: int = 256

    def __post_init__(self) -> None:
        for name in ("min_score", "min_words_frac"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"screen.text: {name} is {getattr(self, name)}; expected 0 to 1.")
        for name in ("detect_side_px", "chunk_rows"):
            if getattr(self, name) < 32:
                raise BadInput(f"screen.text: {name} is {getattr(self, name)}; expected 32 or more.")


@dataclass(frozen=True)
class TextLine:
    """One line of text found in a picture.

    Attributes:
        text: as read.
        score: how sure the reader is, 0 to 1.
        frac: share of the picture's area its box covers, 0 to 1.
    """

    text: str
    score: float
    frac: float


class TextReader(Protocol):
    """Finds and reads lines of text; called from several threads.

    Attributes:
        fingerprint: changes when models or settings change.
    """

    fingerprint: str

    def read(self, image: Image.Image) -> list[TextLine]:
        """Lines of an RGB picture."""
        ...


def has_reader() -> bool:
    """True where the extra `ocr` is installed."""
    return util.find_spec("rapidocr") is not None and util.find_spec("onnxruntime") is not None


class RapidReader:
    """RapidOCR with the models its package carries (PP-OCR: lines of Latin and Chinese script).

    Args:
        config: which reader, and how sure it must be.

    Raises:
        BadInput: the extra `ocr` is not installed.
    """

    def __init__(self, config: TextConfig) -> None:
        if not has_reader():
            raise BadInput(
                "reading text in pictures needs RapidOCR, which is not installed; run pip install 'relaionet[ocr]', or "
                "set read = false in [screen.text]."
            )
        import threading

        self.fingerprint = _reader_fingerprint(config)
        self._config = config
        self._local = threading.local()

    def read(self, image: Image.Image) -> list[TextLine]:
        """Lines of an RGB picture, in the order the reader gives them."""
        import numpy as np

        pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])  # [H, W, 3] uint8 BGR, as RapidOCR wants it
        found = self._engine()(pixels)
        if found.txts is None or found.boxes is None:
            return []
        area = image.width * image.height
        lines = zip(found.txts, found.scores, found.boxes, strict=True)
        return [TextLine(text, float(score), min(_area(box) / area, 1.0)) for text, score, box in lines]

    def _engine(self) -> Any:
        # a session of one thread per thread: a picture each is faster than all cores on one picture
        if not hasattr(self._local, "engine"):
            from rapidocr import RapidOCR

            self._local.engine = RapidOCR(
                params={
                    "Global.log_level": "error",
                    "Global.text_score": 0.0,
                    "Global.max_side_len": max(2000, self._config.detect_side_px),
                    "Global.use_cls": False,
                    "Det.limit_type": "max",
                    "Det.limit_side_len": self._config.detect_side_px,
                    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        return self._local.engine


def _reader_fingerprint(config: TextConfig) -> str:
    package = Path(str(util.find_spec("rapidocr").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    digest = hashlib.sha256(f"{metadata.version('rapidocr')}|{config.detect_side_px}|{VERSION}".encode())
    for path in sorted(package.glob("models/*.onnx")):
        digest.update(f"|{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()


def _area(box: Any) -> float:
    """Area of a polygon of corners [n, 2], in square pixels."""
    import numpy as np

    x, y = np.asarray(box, dtype=np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def read_texts(
    rows: pl.DataFrame, reader: TextReader, images: Path, *, max_pixels: int, threads: int,
    earlier: pl.DataFrame | None = None, progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Read the text in pictures.

    Args:
        rows: candidate_id, path (relative to `images`), image_sha256.
        reader: from `RapidReader`.
        images: folder of the stored bytes.
        max_pixels: largest picture decoded, width × height.
        threads: pictures read at once.
        earlier: TEXTS_READ of an earlier run; what the same reader read of the same bytes is not read again.
        progress: called with the number of rows just done.

    Returns:
        TEXTS_READ, the same rows in the same order.

    Raises:
        Corrupt: a stored picture cannot be decoded any more.
    """
    known = _known_lines(earlier, reader.fingerprint)
    paths = [stored_path(images, path) for path in rows["path"]]

    def read(path: Path, image_sha256: str) -> list[TextLine]:
        return known[image_sha256] if image_sha256 in known else _read_file(path, reader, max_pixels)

    found = []
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for lines in pool.map(read, paths, rows["image_sha256"]):
            found.append(sorted(lines, key=lambda line: (-line.score, line.text)))
            if progress:
                progress(1)
    table = rows.select("candidate_id", "image_sha256").with_columns(
        pl.Series("texts", [[line.text for line in lines] for lines in found], dtype=pl.List(pl.String)),
        pl.Series("text_scores", [[line.score for line in lines] for lines in found], dtype=pl.List(pl.Float32)),
        pl.Series("text_fracs", [[line.frac for line in lines] for lines in found], dtype=pl.List(pl.Float32)),
        pl.lit(reader.fingerprint).alias("reader"),
    )
    return shape_table(table, TEXTS_READ)


def _known_lines(earlier: pl.DataFrame | None, fingerprint: str) -> dict[str, list[TextLine]]:
    if earlier is None:
        return {}
    rows = earlier.filter(pl.col("reader") == fingerprint)
    columns = rows.select("image_sha256", "texts", "text_scores", "text_fracs").iter_rows()
    return {image_sha256: [TextLine(*line) for line in zip(*parts, strict=True)] for image_sha256, *parts in columns}


def _read_file(path: Path, reader: TextReader, max_pixels: int) -> list[TextLine]:
    try:
        image = read_picture(path, max_pixels=max_pixels)
    except (OSError, BrokenImage) as error:
        raise Corrupt(f"{path} was embedded and cannot be read now: {error}; fetch it again.") from error
    lines: Sequence[TextLine] = reader.read(image)
    kept = sorted(lines, key=lambda line: -line.score)[:MAX_LINES]
    return [TextLine(_one_line(line.text), line.score, line.frac) for line in kept]


def _one_line(text: str) -> str:
    """Text of a stranger's picture as one line of printable characters."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:MAX_LINE_CHARS]
