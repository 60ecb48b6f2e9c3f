"""What decoding JPEGs at a reduced scale changes, on real photos: less than saving them again does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relaionet.pipeline.embeddings.dataset import DatasetConfig
from relaionet.pipeline.embeddings.embed import decode_picture, input_side_px
from relaionet.pipeline.embeddings.encoders import load_encoder

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
COUNT = 40

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (REAL / "encoder").is_dir(), reason="no real material at ../shared/real"),
]


def jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


@pytest.mark.parametrize("side_px", [1024, 1600])
def test_reduced_decoding_changes_less_than_saving_again(side_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    encoder = load_encoder(f"{REAL / 'encoder' / 'conse.py'}:ConseEncoder", "cpu")
    whole, reduced, again = [], [], []
    for path in sorted((REAL / "photos" / "full").iterdir())[:COUNT]:
        photo = Image.open(path).convert("RGB")
        scale = side_px / max(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
        data = jpeg(photo, 92)
        side = round(DatasetConfig().reduced_ratio * input_side_px(encoder))
        whole.append(decode_picture(data, encoder, 10**8, hashes=False).pixels)
        reduced.append(decode_picture(data, encoder, 10**8, hashes=False, reduced_side_px=side).pixels)
        again.append(decode_picture(jpeg(Image.open(io.BytesIO(data)), 75), encoder, 10**8, hashes=False).pixels)
    rows = [encoder.encode_images(torch.stack(pixels)) for pixels in (whole, reduced, again)]
    assert not np.array_equal(rows[0], rows[1])
    by_reducing = (rows[0] * rows[1]).sum(axis=1)
    by_saving = (rows[0] * rows[2]).sum(axis=1)
    print(f"reduced: {np.quantile(by_reducing, [0, 0.1, 0.5])}, saved again: {np.quantile(by_saving, [0, 0.1, 0.5])}")
    assert np.median(by_reducing) > 0.999
    for share in (0.1, 0.5):  # the encoder keeps five classes of a picture: now and then another fifth one is near
        assert np.quantile(by_reducing, share) >= np.quantile(by_saving, share)
    assert by_reducing.min() > 0.95
