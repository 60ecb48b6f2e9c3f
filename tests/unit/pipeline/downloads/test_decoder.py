"""The decoding process: its answers, and its end by what it was asked to decode."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from relaionet.pipeline.downloads.decoder import Decoder, read_picture
from relaionet.pipeline.images.decode import BrokenImage
from tests.fakes.web.pictures import jpeg, many_scans_jpeg, png_claiming

MAX_PIXELS = 64_000_000
# as long as one may be that is not refused ahead: seconds of decoding
SLOW = many_scans_jpeg(44, 8000)


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(MAX_PIXELS, 60)
    yield decoder
    decoder.close()


def stored(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a b\nc.part"  # names are quoted
    path.write_bytes(data)
    return path


def test_it_tells_the_same_as_decoding_here(decoder: Decoder, tmp_path: Path) -> None:
    here = read_picture(jpeg(), MAX_PIXELS)
    assert decoder.read(stored(tmp_path, jpeg())) == here
    assert (here.facts.format, here.facts.width_px, here.facts.height_px) == ("jpeg", 96, 64)
    with pytest.raises(BrokenImage, match="pixels"):
        decoder.read(stored(tmp_path, png_claiming(9999, 9999)))


def test_a_picture_that_takes_too_long_ends_and_the_next_is_read(tmp_path: Path) -> None:
    decoder = Decoder(MAX_PIXELS, 0.3)
    with pytest.raises(BrokenImage, match=r"decoding takes more than 0\.3 s"):
        decoder.read(stored(tmp_path, SLOW))
    decoder._timeout_s = 60
    decoder.close()
    assert decoder.read(stored(tmp_path, jpeg())).facts.format == "jpeg"


def test_a_jpeg_of_thousands_of_scans_is_not_even_begun(decoder: Decoder, tmp_path: Path) -> None:
    with pytest.raises(BrokenImage, match="20006 scans, which takes minutes"):
        decoder.read(stored(tmp_path, many_scans_jpeg(20_000, 2000)))


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "too much memory"), (signal.SIGSEGV, "crashed on it .exit code -11")]
)
def test_a_decoder_that_dies_is_a_broken_picture_and_a_new_decoder(
    decoder: Decoder, tmp_path: Path, number: signal.Signals, words: str
) -> None:
    decoder.read(stored(tmp_path, jpeg()))
    assert decoder._child is not None
    killer = threading.Timer(0.2, os.kill, (decoder._child.pid, number))
    killer.start()
    with pytest.raises(BrokenImage, match=words):
        decoder.read(stored(tmp_path, SLOW))
    assert decoder.read(stored(tmp_path, jpeg())).facts.format == "jpeg"


# serves as the module itself does, but with 8 MB of memory beyond what it has at the start
SMALL_DECODER = """
import imagehash, psutil, scipy.fftpack
import relaionet.pipeline.downloads.decoder as process
now = psutil.Process().memory_info().vms
process.BASE_BYTES, process.BYTES_PER_PIXEL = now + 8_000_000, 0
process.serve_pictures(10_000_000, 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the room of addresses")
def test_memory_has_a_limit(decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """27 MB of pixels where 8 MB are left: no picture, and no harm to the next one."""
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **told: real([sys.executable, "-c", SMALL_DECODER], **told)
    )
    large = tmp_path / "large.png"
    Image.new("RGB", (3000, 3000)).save(large)
    with pytest.raises(BrokenImage, match=r"too much memory|crashed"):
        decoder.read(large)
    assert decoder.read(stored(tmp_path, jpeg())).facts.format == "jpeg"
