"""Neighbours: what a service says is never believed and never lost; a folder gives what brute force gives."""

import gzip
import hashlib
import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.flows.curate import models_of
from relaionet.flows.curation.neighbours import label_shards, neighbours_digest, search_shard
from relaionet.flows.curation.recipe import CurateRecipe, read_curate_recipe
from relaionet.flows.curation.recipe_checks import check_recipe
from relaionet.flows.curation.source import read_source
from relaionet.flows.runs.run import Run
from relaionet.flows.terminal.neighbour_service import check_service
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import CANDIDATES, NEIGHBOURS, alive, check_table
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.neighbours.folder_search import search_folder
from relaionet.pipeline.neighbours.queries import NeighboursConfig, check_neighbours
from relaionet.pipeline.neighbours.rows import read_result, settle_rows
from relaionet.pipeline.neighbours.service import NoAnswer, RetrievalService
from relaionet.pipeline.neighbours.service_search import search_neighbours, search_service
from tests.depth import deep

LABELS = read_labels()[:6]
ABOUT = {"wnid": LABELS[0].wnid, "query": "text_search", "asked": "a photo", "source": "made"}
QUICK = {"retries": 1, "backoff_s": 0.0, "timeout_s": 5.0}


class WordEncoder:
    """Unit rows that are a hash of the text or of the picture's mean colour."""

    name, dim, fingerprint = "words", 16, "words-1"

    def preprocess(self, image):
        import torch

        return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32)).permute(2, 0, 1)

    def encode_images(self, batch):
        return np.stack([unit_row(str(picture.mean(dim=(1, 2)).round().tolist())) for picture in batch])

    def encode_texts(self, texts):
        return np.stack([unit_row(text) for text in texts])


def unit_row(text, dim=16):
    row = np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)).normal(size=dim)
    return (row / np.linalg.norm(row)).astype(np.float32)


def results(count, start=0, **more):
    return [
        {"id": start + i, "similarity": 0.9 - 0.01 * i, "url": f"http://a.example/{start + i}.jpg", "caption": f"c{i}"}
        | more
        for i in range(count)
    ]


@contextmanager
def serve(answer, indices=("made",)):
    """A service whose answer to a search is `answer(request) -> (code, body)`; counts what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, code, body, headers=()):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(data)

        def do_GET(self):
            self.reply(*((200, list(indices)) if self.path == "/indices-list" else (404, b"<html>not here</html>")))

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request)
            self.reply(*answer(request))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def config_for(url, **more):
    return NeighboursConfig(service=url, **{**QUICK, **more})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(["id", "similarity", "url", "caption", "width", "HEIGHT", "punsafe", "NSFW", "URL", "TEXT"])


@settings(max_examples=deep(150), deadline=None)
@given(st.lists(anything | st.dictionaries(fields, anything), max_size=6))
def test_whatever_stands_in_an_answer_is_one_row_each(answer):
    # what a service sends has been through JSON, NaN and half surrogate pairs included
    answer = json.loads(json.dumps(answer))
    rows = check_table(settle_rows([read_result(item, rank, ABOUT) for rank, item in enumerate(answer)]), NEIGHBOURS)
    assert rows["rank"].to_list() == list(range(len(answer)))
    assert rows["candidate_id"].str.contains(r"^[0-9a-f]{64}$").all()
    good = alive(rows)
    assert good["url"].is_not_null().all()
    assert not good.select("candidate_id", "wnid", "query").is_duplicated().any()
    assert (rows["reason"].is_null() == (rows["status"] == "ok")).all()
    assert rows["cosine"].drop_nulls().is_between(-1, 1).all()


@pytest.mark.parametrize(
    ("item", "status", "reason"),
    [
        ({"url": None, "id": 1}, "malformed", "no URL"),
        ({"caption": "x", "id": 1}, "malformed", "no URL"),
        ({"url": 7}, "malformed", "no text"),
        ({"url": "http://a.example/\ud800"}, "malformed", "no text"),
        ({"url": "http://a.example/" + "x" * 10_000}, "malformed", "longer than"),
        ({"url": "http://a.example/1.jpg", "caption": "x" * 1_000_000}, "malformed", "caption longer"),
        ("<html>", "malformed", "a text, not an object"),
        (None, "malformed", "null"),
        ({"url": "http://a.example/1.jpg", "caption": None, "similarity": "a lot"}, "ok", None),
    ],
)
def test_malformed_results_say_why(item, status, reason):
    row = read_result(item, 0, ABOUT)
    assert row["status"] == status
    assert reason is None or reason in row["reason"]
    assert row["cosine"] is None


def test_numbers_in_other_clothes():
    row = read_result(
        {"url": "u", "similarity": "0.25", "WIDTH": 320.0, "HEIGHT": "240", "NSFW": "UNSURE", "id": True}, 0, ABOUT
    )
    assert (row["cosine"], row["width_px"], row["height_px"], row["punsafe"]) == (0.25, 320, 240, 0.5)
    assert row["source_row"] is None
    assert read_result({"url": "u", "similarity": 3.5}, 0, ABOUT)["cosine"] is None  # no index of unit rows
    assert read_result({"url": "u", "similarity": 1.0004}, 0, ABOUT)["cosine"] == 1.0


def test_one_url_in_several_queries_is_ok_once_where_it_is_nearest():
    def answer(request):
        near = 0.9 if "photo" in request["text"] else 0.95
        return 200, [{"id": 4, "similarity": near, "url": "http://a.example/4.jpg", "caption": "c"}]

    with serve(answer) as (url, _):
        rows = search_service(LABELS[:2], config_for(url, templates=("a photo of a {name}", "{gloss}")))
    assert rows["status"].to_list() == ["repeated", "ok"] * 2
    assert alive(rows)["cosine"].to_list() == pytest.approx([0.95, 0.95])
    assert rows["source"].unique().to_list() == ["made"]


def test_rows_do_not_depend_on_how_many_are_asked_at_once():
    def answer(request):
        time.sleep(0.02 if "tench" in request["text"] else 0)
        start = int(hashlib.sha256(request["text"].encode()).hexdigest()[:4], 16)
        return 200, results(request["num_images"], start)

    with serve(answer) as (url, asked):
        frames = [
            search_service(LABELS, config_for(url, per_query_count=5, requests_in_flight=count)) for count in (1, 4)
        ]
    assert frames[0].equals(frames[1])
    assert frames[0]["wnid"].unique(maintain_order=True).to_list() == [label.wnid for label in LABELS]
    # what its own client sends
    assert set(asked[0]) == {
        "text", "image", "image_url", "embedding_input", "deduplicate", "use_safety_model", "use_violence_detector",
        "indice_name", "use_mclip", "aesthetic_score", "aesthetic_weight", "modality", "num_images", "num_result_ids",
    }  # fmt: skip
    assert asked[0]["deduplicate"] is asked[0]["use_safety_model"] is asked[0]["use_violence_detector"] is True


def test_more_than_was_asked_for_is_not_taken():
    with serve(lambda _: (200, results(50))) as (url, _):
        assert search_service(LABELS[:1], config_for(url, per_query_count=3)).height == 3


FAULTS = {
    "error": lambda: (500, {"message": "Internal Server Error"}),
    "html": lambda: (200, b"<html><h1>Gateway</h1><script>alert(1)</script></html>"),
    "object": lambda: (200, {"message": "ok"}),
    "nested": lambda: (200, b"[" * 100_000),
    "cut": lambda: (200, json.dumps(results(3)).encode()[:-20]),
    "huge": lambda: (200, results(1, caption="x" * 3_000_000)),
    "bomb": lambda: (200, gzip.compress(b" " * 50_000_000), [("Content-Encoding", "gzip")]),
    "no gzip": lambda: (200, b"plain", [("Content-Encoding", "gzip")]),
    "busy": lambda: (503, b"", [("Retry-After", "0")]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_query_without_an_answer_is_a_failed_row_and_the_others_go_on(fault):
    def answer(request):
        return FAULTS[fault]() if LABELS[1].name in request["text"] else (200, results(2))

    with serve(answer) as (url, asked):
        rows = search_service(LABELS[:3], config_for(url, max_answer_bytes=2_000_000, requests_in_flight=1))
    assert rows.filter(wnid=LABELS[1].wnid)["status"].to_list() == ["failed"]
    assert rows.height == 5
    reason = rows.filter(status="failed")["reason"][0]
    assert "127.0.0.1" in reason
    assert len(reason) < 400
    tries = sum(LABELS[1].name in request["text"] for request in asked)
    assert tries == (1 if fault in ("huge", "bomb", "object") else 2)


def test_a_fault_that_passes_costs_nothing():
    left = {"faults": 1}

    def answer(_request):
        left["faults"] -= 1
        return (502, b"") if left["faults"] >= 0 else (200, results(2))

    with serve(answer) as (url, asked):
        assert search_service(LABELS[:1], config_for(url))["status"].to_list() == ["ok", "ok"]
    assert len(asked) == 2


def test_a_slow_service_ends_in_words():
    with serve(lambda _: (time.sleep(0.6), (200, results(1)))[1]) as (url, _), pytest.raises(Unavailable) as error:
        search_service(LABELS[:1], config_for(url, timeout_s=0.2, retries=0))
    assert "0.2 s" in str(error.value)


def test_a_service_that_answers_nothing_is_given_up_soon():
    with serve(lambda _: (500, b"")) as (url, asked), pytest.raises(Unavailable, match="no answer to any"):
        search_service(read_labels()[:60], config_for(url, retries=0, requests_in_flight=2))
    assert len(asked) < 30


@pytest.mark.parametrize(
    ("code", "words"), [(404, "clip-retrieval service"), (401, "HTTP 401"), (302, "sends elsewhere")]
)
def test_a_refusal_is_the_users_to_mend(code, words):
    answer = (code, b"", [("Location", "http://b.example/")])
    with serve(lambda _: answer) as (url, asked), pytest.raises(BadInput, match=words):
        search_service(LABELS[:1], config_for(url))
    assert len(asked) == 1


def test_indices_are_checked_before_anything_is_asked():
    with serve(lambda _: (200, []), indices=("laion5B", "laion_400m")) as (url, asked):
        with pytest.raises(BadInput, match="Did you mean 'laion5B'"):
            search_service(LABELS[:1], config_for(url, index="laion5b"))
        with pytest.raises(BadInput, match="several indices"):
            search_service(LABELS[:1], config_for(url))
        assert not asked
        assert search_service(LABELS[:1], config_for(url, index="laion_400m")).is_empty()
        assert asked[0]["indice_name"] == "laion_400m"
    with pytest.raises(Unavailable, match="no connection"):
        search_service(LABELS[:1], config_for(url))


def test_waits_double_and_the_service_may_set_them_and_a_stop_ends_them():
    waits = []

    def waiting(seconds):
        waits.append(seconds)
        return len(waits) == 5

    headers = iter([(), (), (), (), [("Retry-After", "7")], [("Retry-After", "999")]])
    with (
        serve(lambda _: (503, b"", next(headers))) as (url, asked),
        RetrievalService(url=url, retries=3, backoff_s=1.0, wait=waiting) as service,
    ):
        with pytest.raises(NoAnswer, match="asked 4 times"):
            service.search({})
        assert waits == [1.0, 2.0, 4.0]
        with pytest.raises(Unavailable, match="stopped"):
            service.search({})
        assert waits[3:] == [7.0, 30.0]
        assert len(asked) == 6


def test_check_says_what_works_and_what_lacks(monkeypatch):
    monkeypatch.setattr("relaionet.flows.terminal.neighbour_service.load_encoder", lambda _name: WordEncoder())

    def answer(request):
        if request["embedding_input"]:
            return 200, results(20, start=100)
        return 200, [*results(3 if request["deduplicate"] else 19, width=300), {"id": 5}]

    with serve(answer) as (url, _):
        lines = list(check_service(url, text="a photo of a banana", encoder="words"))
    said = "\n".join(lines)
    assert "indices     made" in said
    assert "19 pictures of 20 asked for" in said
    assert "1 results are not used: the result has no URL" in said
    assert "3 of 19 are left" in said
    assert "no unsafe probabilities" in said
    assert "no sizes" not in said
    assert "0 of the 10 nearest are the same by words: the index was made with another encoder" in said
    with serve(lambda r: (500, b"") if r["embedding_input"] else (200, results(2))) as (url, _):
        assert "another width" in "\n".join(check_service(url, text="x", encoder="words"))


def test_pictures_go_as_bytes_or_as_vectors(tmp_path):
    folder = tmp_path / "pictures" / LABELS[0].wnid
    folder.mkdir(parents=True)
    for name, colour in (("b.png", (9, 9, 9)), ("a.png", (200, 0, 0)), ("c.png", (0, 0, 200))):
        Image.new("RGB", (8, 8), colour).save(folder / name)
    more = {"templates": (), "pictures": tmp_path / "pictures", "pictures_per_class_count": 2}
    with serve(lambda _: (200, results(1))) as (url, asked):
        rows = search_service(LABELS[:2], config_for(url, **more, requests_in_flight=1))
        assert rows["asked"].to_list() == [f"{LABELS[0].wnid}/a.png", f"{LABELS[0].wnid}/b.png"]
        assert rows["query"].unique().to_list() == ["image_search"]
        assert all(request["image"] and request["text"] is None for request in asked)
        asked.clear()
        search_service(LABELS[:1], config_for(url, **more, encoder="run", requests_in_flight=1), WordEncoder())
        expected = unit_row(str([200.0, 0.0, 0.0])).tolist()
        np.testing.assert_allclose(asked[0]["embedding_input"], expected, atol=1e-3)
        assert asked[0]["image"] is None
        (folder / "a.png").write_bytes(b"no picture")
        with pytest.raises(BadInput, match=r"a\.png"):
            search_service(LABELS[:1], config_for(url, **more, encoder="run"), WordEncoder())
        with pytest.raises(BadInput, match="bytes"):
            search_service(LABELS[:1], config_for(url, **more, max_picture_bytes=5))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"service": "localhost:1234"}, "no address"),
        ({"service": "http://me:secret@a.example"}, "name or password"),
        ({"service": "http://a.example:99999"}, "no address"),
        ({"service": "http://a.example", "folder": "x"}, "both"),
        ({"service": "http://a.example", "templates": ()}, "nothing to search with"),
        ({"service": "http://a.example", "templates": ("{nmae}",)}, "nmae"),
        ({"service": "http://a.example", "wnids": ("n0",)}, "no ImageNet-1k wnid"),
        ({"service": "http://a.example", "per_query_count": 0}, "per_query_count"),
        ({"service": "http://a.example", "aesthetic_weight": 2.0}, "aesthetic"),
        ({"folder": "nowhere"}, "img_emb"),
    ],
)
def test_settings_are_checked_first(config, words, tmp_path):
    if "folder" in config:
        config = {**config, "folder": tmp_path / config["folder"]}
    with pytest.raises(BadInput, match=words) as error:
        check_neighbours(NeighboursConfig(**config))
    assert "secret" not in str(error.value)


# the stage


def search_all(run, recipe, models=None):
    config, models = recipe.neighbours, models or models_of(recipe)
    return [
        search_shard(run, shard, models, config, recipe.workers, lambda _count: None) for shard in label_shards(config)
    ]


def recipe_for(url, **more):
    config = config_for(url, wnids=tuple(label.wnid for label in LABELS), classes_per_shard=2, **more)
    return CurateRecipe(source="rows.parquet", workers=1, neighbours=config)


def test_a_stopped_search_continues_and_a_failed_query_is_asked_again(tmp_path):
    state = {"down": True, "lacking": True}

    def answer(request):
        if state["down"] and LABELS[4].name in request["text"]:
            return 500, b""
        if state["lacking"] and LABELS[1].name in request["text"]:
            return 500, b""
        return 200, results(2)

    run = Run(root=tmp_path)
    with serve(answer) as (url, asked):
        recipe = recipe_for(url, templates=("{name}",), retries=0)
        assert search_all(run, recipe) == [True, True, True]
        assert run.store.read_all(NEIGHBOURS).filter(status="failed").height == 2
        state["down"] = False
        asked.clear()
        assert search_all(run, recipe) == [False, False, True]  # still lacking in the first shard
        assert len(asked) == 4
        state["lacking"] = False
        assert search_all(run, recipe) == [True, False, False]
        asked.clear()
        assert search_all(run, recipe) == [False, False, False]
        assert not asked
        expected = search_service(LABELS, recipe.neighbours)
    assert run.store.read_all(NEIGHBOURS).equals(expected)
    assert search_all(run, recipe) == [False, False, False]  # the service is gone and nothing is asked


def test_what_was_found_stays_when_the_service_is_gone(tmp_path):
    run = Run(root=tmp_path)
    with serve(lambda r: (500, b"") if LABELS[1].name in r["text"] else (200, results(1))) as (url, _):
        recipe = recipe_for(url, templates=("{name}",), retries=0)
        search_all(run, recipe)
    before = run.store.read_all(NEIGHBOURS)
    assert search_all(run, recipe) == [False, False, False]
    assert run.store.read_all(NEIGHBOURS).equals(before)


def test_only_what_changes_the_rows_changes_the_digest():
    config = NeighboursConfig(service="http://a.example")
    digest = neighbours_digest(LABELS, config, None)
    for same in ({"timeout_s": 1.0}, {"retries": 9}, {"requests_in_flight": 1}, {"classes_per_shard": 3}):
        assert neighbours_digest(LABELS, NeighboursConfig(service="http://a.example", **same), None) == digest
    for other in ({"index": "x"}, {"per_query_count": 7}, {"safety": False}, {"templates": ("{name}",)}):
        assert neighbours_digest(LABELS, NeighboursConfig(service="http://a.example", **other), None) != digest


# a folder


def write_folder(folder, count, shards=3, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    vectors[1::7] = vectors[0]  # ties
    urls = [f"http://a.example/{i}.jpg" for i in range(count)]
    ids = [hashlib.sha256(url.encode()).hexdigest() for url in urls]
    rows = pl.DataFrame({"candidate_id": ids, "url": urls, "caption": [f"c{i}" for i in range(count)]})
    for number, part in enumerate(np.array_split(np.arange(count), shards)):
        write_embeddings(folder, number, vectors[part], rows[part])
    return vectors


@pytest.mark.parametrize(("count", "shards", "k"), [(500, 3, 20), (5, 2, 20), (40, 11, 40)])
def test_a_folder_gives_what_brute_force_gives(tmp_path, monkeypatch, count, shards, k):
    vectors = write_folder(tmp_path / "emb", count, shards).astype(np.float64)
    config = NeighboursConfig(folder=tmp_path / "emb", per_query_count=k)
    encoder = WordEncoder()
    rows = check_table(search_neighbours(LABELS, config, encoder), NEIGHBOURS)
    queries = encoder.encode_texts([f"a photo of a {label.name}" for label in LABELS]).astype(np.float64)
    cosines = queries @ vectors.T
    order = np.argsort(-cosines.astype(np.float32), axis=1, kind="stable")[:, :k]
    assert rows["source_row"].to_list() == order.ravel().tolist()
    assert rows["url"].to_list() == [f"http://a.example/{row}.jpg" for row in order.ravel()]
    assert rows["caption"].to_list() == [f"c{row}" for row in order.ravel()]
    np.testing.assert_allclose(rows["cosine"], np.take_along_axis(cosines, order, axis=1).ravel(), atol=1e-5)
    monkeypatch.setattr("relaionet.pipeline.neighbours.folder_search.BLOCK_ROWS", 7)
    assert search_folder(LABELS, config, encoder).equals(rows)


def test_a_folder_that_does_not_fit_is_said(tmp_path):
    write_folder(tmp_path / "emb", 30)
    config = NeighboursConfig(folder=tmp_path / "emb")
    wide = WordEncoder()
    wide.dim = 8
    wide.encode_texts = lambda texts: np.stack([unit_row(text, 8) for text in texts])
    with pytest.raises(BadInput, match="width 16, the run's encoder makes 8"):
        search_folder(LABELS, config, wide)
    with pytest.raises(BadInput, match="run's encoder"):
        search_neighbours(LABELS, config, None)
    np.save(tmp_path / "emb" / "img_emb" / "img_emb_1.npy", np.zeros((10, 16), dtype=np.float16))
    with pytest.raises(Corrupt):
        search_folder(LABELS, config, WordEncoder())
    (tmp_path / "emb" / "embeddings_1.json").unlink()
    with pytest.raises(BadInput, match="length"):
        search_folder(LABELS, config, WordEncoder())


def test_published_metadata_is_read_with_its_own_names(tmp_path):
    vectors = write_folder(tmp_path / "emb", 6, shards=1)
    (tmp_path / "emb" / "embeddings_0.json").unlink()
    pl.DataFrame(
        {
            "image_path": [str(i) for i in range(6)],
            "caption": ["c"] * 6,
            "NSFW": ["UNLIKELY", "NSFW", "UNSURE", None, "?", "UNLIKELY"],
            "similarity": [0.33] * 6,
            "LICENSE": ["?"] * 6,
            "url": [f"http://a.example/{i}" for i in range(5)] + [None],
            "width": [100 + i for i in range(6)],
            "height": [90] * 6,
        }
    ).write_parquet(tmp_path / "emb" / "metadata" / "metadata_0.parquet")
    rows = search_folder(LABELS[:1], NeighboursConfig(folder=tmp_path / "emb"), WordEncoder()).sort("source_row")
    assert rows["punsafe"].to_list() == [0.0, 1.0, 0.5, None, None, 0.0]
    assert rows["width_px"].to_list() == [100, 101, 102, 103, 104, 105]
    assert rows["status"].to_list() == ["ok"] * 5 + ["malformed"]
    # the similarity of picture and caption in the metadata is not the cosine of the search
    query = WordEncoder().encode_texts([f"a photo of a {LABELS[0].name}"])[0]
    np.testing.assert_allclose(rows["cosine"], vectors.astype(np.float32) @ query, atol=1e-5)


def test_what_a_search_finds_becomes_candidates_beside_the_source(tmp_path):
    write_folder(tmp_path / "emb", 40)
    urls = [f"http://a.example/{i}.jpg" for i in range(0, 80, 2)]  # half of them are in the index too
    size = [640] * len(urls)
    source = {"URL": urls, "TEXT": ["a tench on a plate"] * len(urls), "WIDTH": size, "HEIGHT": size}
    pl.DataFrame(source).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "recipe.toml").write_text(
        f'source = "rows.parquet"\n[neighbours]\nfolder = "emb"\n'
        f"wnids = {json.dumps([label.wnid for label in LABELS])}\nper_query_count = 10\n"
    )
    recipe = read_curate_recipe(str(tmp_path / "recipe.toml"))
    check_recipe(recipe)
    run = Run(root=tmp_path / "run")
    assert search_all(run, recipe, SimpleNamespace(encoder=WordEncoder())) == [True]
    read_source(run, recipe.source, recipe.candidates)
    rows = run.store.read_all(CANDIDATES)
    found = alive(run.store.read_all(NEIGHBOURS))
    assert rows["candidate_id"].n_unique() == rows.height == len(set(urls) | set(found["url"]))
    sought = {row["candidate_id"]: row for row in rows.iter_rows(named=True)}
    for candidate_id, wnids in found.group_by("candidate_id").agg("wnid").iter_rows():
        row = sought[candidate_id]
        assert set(row["sought_wnids"]) == set(wnids)
        assert row["found_by"] == (["lemma", "text_search"] if row["source"] == "rows.parquet" else ["text_search"])
    assert sum(bool(row["sought_wnids"]) for row in sought.values()) == found["candidate_id"].n_unique()
