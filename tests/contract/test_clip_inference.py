"""Stores written here are read by clip-retrieval's own tools, and what its clip_inference writes is read here."""

import hashlib
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from safetensors.torch import save_file

from relaionet.pipeline.embeddings.dataset import DatasetConfig, embed_samples
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.images.webdataset import find_shards
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture
from tests.contract.clip_retrieval_environment import NotHere, environment_variables, install_clip_retrieval
from tests.waiting import WATCHDOG_S

pytestmark = [pytest.mark.clip_retrieval, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("clip_retrieval_back.py")
COUNT, SIZE_PX = 18, 300
MODEL = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def python():
    try:
        return install_clip_retrieval()
    except NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two shards as img2dataset writes them, one picture of them damaged, and a model both can load."""
    import open_clip

    root = tmp_path_factory.mktemp("inference")
    (root / "shards").mkdir()
    for shard in range(2):
        with webdataset.TarWriter(str(root / "shards" / f"{shard:05d}.tar")) as writer:
            for number in range(shard * COUNT // 2, (shard + 1) * COUNT // 2):
                out = io.BytesIO()
                draw_picture(CLASSES[number], 900 + number, SIZE_PX).convert("RGB").save(out, "JPEG", quality=95)
                data = out.getvalue()[:400] if number == 4 else out.getvalue()
                about = {"url": f"http://a.invalid/{number}", "caption": f"Bild {number}", "key": str(number)}
                writer.write({"__key__": f"{number:09d}", "jpg": data, "txt": about["caption"], "json": about})
    (root / "configs").mkdir()
    (root / "configs" / "tiny-clip.json").write_text(json.dumps(MODEL))
    torch.manual_seed(0)
    model = open_clip.CLIP(**MODEL)
    torch.save(model.state_dict(), root / "weights.pt")
    (root / "model").mkdir()
    save_file(model.state_dict(), root / "model" / "open_clip_model.safetensors")
    # what open_clip applies to a model that says nothing else
    plain = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD, "interpolation": "bicubic"}
    (root / "model" / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": plain}))
    return root


@pytest.fixture(scope="module")
def encoder(root):
    return load_encoder(f"local-dir:{root / 'model'}", "cpu")


@pytest.fixture(scope="module")
def ours(root, encoder):
    tables = [
        embed_samples(shard, encoder, DatasetConfig(reduced_ratio=0), root / "ours")
        for shard in find_shards(str(root / "shards"), 1)
    ]
    assert [table["status"].to_list().count("broken") for table in tables] == [1, 0]
    return root / "ours"


def run(python, *arguments):
    done = subprocess.run(
        [str(python), str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False,
        timeout=WATCHDOG_S,
        env=environment_variables(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def url_id(number):
    return hashlib.sha256(f"http://a.invalid/{number}".encode()).hexdigest()


def test_its_reader_and_its_index_take_our_store(python, ours):
    theirs = json.loads(run(python, "read", ours).strip().splitlines()[-1])
    ids, vectors = read_embeddings(ours)
    assert theirs["indexed"] == len(ids) == COUNT - 1
    np.testing.assert_array_equal(np.array(theirs["rows"], dtype=np.float16), vectors)
    alive = [number for number in range(COUNT) if number != 4]
    assert [about["url"] for about in theirs["about"]] == [f"http://a.invalid/{number}" for number in alive]
    assert [about["caption"] for about in theirs["about"]] == [f"Bild {number}" for number in alive]
    assert ids == [url_id(number) for number in alive]


def test_what_its_inference_writes_is_read_here_and_says_the_same(python, root, ours):
    pattern = str(root / "shards" / "{00000..00001}.tar")
    run(python, "infer", pattern, root / "theirs", root / "configs", f"open_clip:tiny-clip/{root / 'weights.pt'}")
    ids, vectors = read_embeddings(root / "theirs")
    own_ids, own = read_embeddings(ours)
    assert sorted(ids) == sorted(own_ids)
    place = {name: row for row, name in enumerate(own_ids)}
    cosines = (vectors.astype(np.float32) * own[[place[name] for name in ids]].astype(np.float32)).sum(axis=1)
    assert cosines.min() > 0.9995
