"""A real clip-retrieval back end over this project's embeddings: its answers, its client's, and exact search here."""

import hashlib
import json
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.flows.curation.neighbours import label_shards, search_shard
from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.labels import find_label
from relaionet.manifests.tables import NEIGHBOURS, check_table
from relaionet.manifests.tables.lookups import NEAR
from relaionet.pipeline.embeddings.encoders import MINIATURE_WEIGHTS, load_encoder
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.lookup.near import search_service as look_up
from relaionet.pipeline.lookup.near import search_stores
from relaionet.pipeline.lookup.places import LookupConfig
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture
from relaionet.pipeline.neighbours.folder_search import search_folder
from relaionet.pipeline.neighbours.queries import NeighboursConfig, embed_queries, make_queries
from relaionet.pipeline.neighbours.service import NoAnswer, RetrievalService
from relaionet.pipeline.neighbours.service_search import search_service
from tests.contract.clip_retrieval_environment import NotHere, environment_variables, install_clip_retrieval
from tests.waiting import wait_until

pytestmark = [pytest.mark.clip_retrieval, pytest.mark.slow]

PER_CLASS = 12
INDEX = "miniature"
SCRIPT = Path(__file__).with_name("clip_retrieval_back.py")
LABELS = [find_label(wnid) for wnid in CLASSES]


@pytest.fixture(scope="module")
def python():
    try:
        return install_clip_retrieval()
    except NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("miniature", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder):
    """Two shards of embeddings, the example pictures, and what the back end is started with."""
    import torch

    root = tmp_path_factory.mktemp("retrieval")
    drawn = [(wnid, draw_picture(wnid, 700_000 + i, 96)) for i in range(PER_CLASS) for wnid in CLASSES]
    vectors = encoder.encode_images(torch.stack([encoder.preprocess(picture) for _, picture in drawn]))
    urls = [f"http://miniature.invalid/{i}.jpg" for i in range(len(drawn))]
    rows = pl.DataFrame(
        {
            "candidate_id": [hashlib.sha256(url.encode()).hexdigest() for url in urls],
            "url": urls,
            "caption": [f"Ein Bild – {i} \U0001f34b <b>&amp;" for i in range(len(drawn))],
        }
    )
    cut = len(drawn) // 3
    write_embeddings(root / "made.embeddings", 0, vectors[:cut], rows[:cut])
    write_embeddings(root / "made.embeddings", 1, vectors[cut:], rows[cut:])
    (root / "indices.json").write_text(json.dumps({INDEX: str(root / "made")}))
    (root / "configs").mkdir()
    model = json.loads((MINIATURE_WEIGHTS / "open_clip_config.json").read_text())["model_cfg"]
    (root / "configs" / "miniature.json").write_text(json.dumps(model))
    for wnid in CLASSES[:3]:
        (root / "pictures" / wnid).mkdir(parents=True)
        draw_picture(wnid, 710_000, 96).save(root / "pictures" / wnid / "example.png")
    return root


class BackEnd:
    """A real `clip-retrieval back` on one port of this machine, which can be killed and started again."""

    def __init__(self, python, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        model = f"open_clip:miniature/{MINIATURE_WEIGHTS / 'open_clip_model.safetensors'}"
        command = [python, SCRIPT, "back", folder / "indices.json", port, folder / "configs", model]
        self.command, self.log = [str(part) for part in command], folder / "back.log"
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment_variables())

    def wait(self):
        def answer():
            with suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/indices-list", timeout=5, trust_env=False).raise_for_status()

        return wait_until(answer, self.process, every_s=0.2, about=lambda: self.log.read_text()[-3000:])

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def clip_client(python, url):
    """clip-retrieval's own client, in its own environment."""
    process = subprocess.Popen(
        [str(python), str(SCRIPT), "client", url, INDEX], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=environment_variables(), text=True,
    )  # fmt: skip

    def ask(**query):
        process.stdin.write(json.dumps(query) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        yield process, ask
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture(scope="module")
def service(python, folder):
    """The back end and its client; they start side by side, since each takes seconds."""
    back_end = BackEnd(python, folder)
    try:
        with clip_client(python, back_end.url) as (client, ask):
            back_end.wait()
            assert client.stdout.readline() == "ready\n"
            yield back_end, ask
    finally:
        back_end.kill()


def same_order(rows, exact):
    """The same pictures in the same places, but where two cosines are closer than rounding."""
    assert rows.select("wnid", "query", "asked", "rank").equals(exact.select("wnid", "query", "asked", "rank"))
    assert (rows["cosine"] - exact["cosine"]).abs().max() < 2e-4
    other = rows["candidate_id"] != exact["candidate_id"]
    assert other.mean() < 0.02


@pytest.mark.parametrize("asking", ["service", "run"])
def test_texts_give_what_exact_search_gives(service, folder, encoder, asking):
    config = NeighboursConfig(
        service=service[0].url,
        encoder=asking,
        per_query_count=20,
        deduplicate=False,
        templates=("a photo of a {name}",),
    )
    rows = search_service(LABELS, config, encoder)
    check_table(rows, NEIGHBOURS)
    assert rows["status"].unique().to_list() == ["ok"]
    exact = search_folder(LABELS, NeighboursConfig(folder=folder / "made.embeddings", per_query_count=20), encoder)
    same_order(rows, exact)
    assert rows.height == len(CLASSES) * 20
    first = rows.filter(rank=0)
    drawn = [CLASSES[row % len(CLASSES)] for row in first["source_row"]]
    assert np.mean([wnid == truth for wnid, truth in zip(first["wnid"], drawn, strict=True)]) > 0.7
    assert rows["caption"][0].startswith("Ein Bild – ")


def test_example_pictures_give_what_exact_search_gives(service, folder, encoder):
    plain = NeighboursConfig(templates=(), pictures=folder / "pictures", per_query_count=10, deduplicate=False)
    there = {"service": service[0].url + "/knn-service", "index": INDEX}
    rows = search_service(LABELS, NeighboursConfig(**{**vars(plain), **there, "encoder": "run"}), encoder)
    exact = search_folder(LABELS, NeighboursConfig(**{**vars(plain), "folder": folder / "made.embeddings"}), encoder)
    same_order(rows, exact)
    assert rows["query"].unique().to_list() == ["image_search"]
    assert rows["wnid"].unique(maintain_order=True).to_list() == list(CLASSES[:3])
    # the pictures themselves, embedded by the service: it leaves such a model in training mode, so other numbers
    sent = search_service(LABELS, NeighboursConfig(**{**vars(plain), **there}))
    assert sent.select("wnid", "asked", "rank").equals(rows.select("wnid", "asked", "rank"))


def test_its_own_client_gets_the_same_answers(service, folder, encoder):
    url, ask = service[0].url, service[1]
    plain = NeighboursConfig()
    vector = embed_queries(make_queries(LABELS[:1], plain), plain, encoder)[0].tolist()
    example = folder / "pictures" / CLASSES[0] / "example.png"
    texts = NeighboursConfig(service=url, per_query_count=30)
    pictures = NeighboursConfig(service=url, per_query_count=30, templates=(), pictures=folder / "pictures")
    ours = {
        "text": search_service(LABELS[:1], texts),
        "image": search_service(LABELS[:1], pictures),
        "embedding_input": search_service(LABELS[:1], NeighboursConfig(**{**vars(texts), "encoder": "run"}), encoder),
    }
    text = f"a photo of a {LABELS[0].name}"
    for name, value in (("text", text), ("image", str(example)), ("embedding_input", vector)):
        theirs = ask(**{name: value, "options": {"num_images": 30}})
        rows = ours[name]
        assert [item["url"] for item in theirs] == rows["url"].to_list()
        assert [item["id"] for item in theirs] == rows["source_row"].to_list()
        np.testing.assert_allclose([item["similarity"] for item in theirs], rows["cosine"].to_list(), atol=1e-6)
        assert [item["caption"] for item in theirs] == rows["caption"].to_list()
    # near duplicates are left out by the service, so fewer come than were asked for
    every = search_service(LABELS[:1], NeighboursConfig(**{**vars(texts), "deduplicate": False}))
    assert ours["text"].height < every.height == 30


def test_a_lookup_finds_each_picture_among_its_nearest(service, folder, encoder, tmp_path):
    """Pictures the index holds, encoded anew: by the vectors made here, and by the pictures themselves."""
    import torch

    sought = []
    for place in range(0, len(CLASSES) * 2, 5):
        file = tmp_path / f"{place}.jpg"
        draw_picture(CLASSES[place % len(CLASSES)], 700_000 + place // len(CLASSES), 96).convert("RGB").save(file)
        sought.append((hashlib.sha256(file.name.encode()).hexdigest(), CLASSES[place % len(CLASSES)], str(file), place))
    rows = pl.DataFrame(sought, schema=["candidate_id", "wnid", "file", "place"], orient="row")
    pictures = torch.stack([encoder.preprocess(Image.open(file).convert("RGB")) for file in rows["file"]])
    vectors = encoder.encode_images(pictures)
    config, progress = LookupConfig(per_row_count=5, min_cosine=0.0), []
    by_vector = check_table(look_up(service[0].url, rows, vectors, config, progress.append), NEAR)
    assert sum(progress) == rows.height
    by_folder = search_stores([folder / "made.embeddings"], rows["candidate_id"].to_list(), vectors, config)
    same = ["candidate_id", "url_id", "rank", "source_row", "caption"]
    assert by_vector.select(same).sort(same[:3]).equals(by_folder.select(same).sort(same[:3]))
    assert set(by_vector["place"]) == {service[0].url}
    found = by_vector.join(rows, on="candidate_id").filter(pl.col("source_row") == pl.col("place_right"))
    assert found["candidate_id"].n_unique() >= 0.9 * rows.height
    # the pictures themselves, embedded by the service: it leaves such a model in training mode, so other rows are near
    sent = check_table(look_up(service[0].url, rows, None, config), NEAR)
    assert set(sent["candidate_id"]) == set(rows["candidate_id"])


def test_what_it_does_not_have_is_said(service, encoder):
    url = service[0].url
    with pytest.raises(BadInput, match=r"no index 'miniatur'\. Did you mean 'miniature'"):
        search_service(LABELS[:1], NeighboursConfig(service=url, index="miniatur"))
    with RetrievalService(url=url, retries=0) as there:
        wrong_width = {"embedding_input": [1.0, 0.0], "modality": "image", "num_images": 1, "indice_name": INDEX}
        with pytest.raises(NoAnswer, match="HTTP 500"):
            there.search(wrong_width)
    # parts of the address space that are its web page
    with pytest.raises(BadInput, match="clip-retrieval service"):
        search_service(LABELS[:1], NeighboursConfig(service=url + "/metrics-summary"))


def test_killed_in_the_middle_it_continues_with_the_same_rows(service, tmp_path):
    back_end, _ = service
    config = NeighboursConfig(
        service=back_end.url, wnids=CLASSES, per_query_count=15, classes_per_shard=1, retries=0,
        templates=("a photo of a {name}", "{name}", "{gloss}"),
    )  # fmt: skip
    models = RunModels(encoder_name="miniature")
    run = Run(root=tmp_path / "run")

    def search():
        return [search_shard(run, shard, models, config, 1, lambda _count: None) for shard in label_shards(config)]

    def kill_in_the_middle():
        while len(run.store.shards(NEIGHBOURS)) < 3:
            time.sleep(0.002)
        back_end.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    with pytest.raises(Unavailable):
        search()
    killer.join()
    before = len(run.store.shards(NEIGHBOURS))
    assert 3 <= before < len(CLASSES)
    with pytest.raises(Unavailable, match="no connection"):
        search()
    back_end.start()
    back_end.wait()
    # what was there before the kill is not asked for again
    assert search() == [False] * before + [True] * (len(CLASSES) - before)
    assert run.store.read_all(NEIGHBOURS).equals(search_service(LABELS, config))
    assert not any(search())
