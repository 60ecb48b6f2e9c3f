"""A generator behind an address, asked over real HTTP on loopback."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from relaionet.evaluators.generators.protocol import GeneratorDied, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.sampling.sample import SamplingConfig, sample_generator
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.manifests.errors import BadInput
from tests.unit.evaluators.sampling.test_sample import split_of

MAKE = "relaionet.evaluators.generators.adapters.http:make_http"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    trouble = ""
    asked: list[list[str]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(200, json.dumps({"weights": "served " + self.server.trouble}).encode())

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ids = [request["sample_id"] for request in job["requests"]]
        self.server.asked.append(ids)
        first, trouble = len(self.server.asked) == 1, self.server.trouble
        if trouble == "busy" and first:
            return self._answer(503, b"loading the model")
        if trouble == "refuses":
            return self._answer(422, b"steps must be 1")
        if trouble == "down":
            return self._answer(500, b"out of memory")
        if trouble == "text":
            return self._answer(200, b"<html>hello")
        images = {}
        for request in job["requests"]:
            pixels = np.random.default_rng(request["seed"]).integers(0, 256, (5, 5, 3), np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            images[request["sample_id"]] = base64.b64encode(buffer.getvalue()).decode()
        if trouble == "few" and first:
            images.pop(ids[0])
            images[ids[1]] = images[ids[1]][:40]
        if trouble == "never":
            images.pop(ids[-1])
        if trouble == "extra":
            images["somebody"] = images[ids[0]]
        answer = {"images": images, "nfe": job["settings"]["steps"], "versions": {"model": "1.2"}}
        return self._answer(200, json.dumps(answer).encode())


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def load(server: Server, trouble: str = "", **options):
    server.trouble = trouble
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    return load_generator(MAKE, name="far", url=url, native_size_px=5, wait_s=0.01, **options)


def requests_of(count: int):
    return make_requests(split_of(count), base_seed=1, split_name="s")


@pytest.mark.parametrize("trouble", ["", "busy", "few"])
def test_images_come_whatever_the_server_left_out_at_first(server, tmp_path, trouble):
    requests = requests_of(7)
    rows = sample_generator(load(server, trouble), requests, Settings(steps=3), tmp_path, SamplingConfig(batch_size=4))
    assert rows["status"].unique().to_list() == ["ok"]
    assert set(rows["nfe"]) == {3}
    for request, image in zip(requests, read_samples(tmp_path)[1][:], strict=True):
        assert np.array_equal(image, np.random.default_rng(request.seed).integers(0, 256, (5, 5, 3), np.uint8))
    if trouble == "few":  # only what was missing or broken is asked for again
        assert server.asked[1] == server.asked[0][:2]
    said = json.loads((tmp_path / "sampling.json").read_text())["realised"]["said"]
    assert said == {"versions": {"model": "1.2"}}


def test_an_image_that_never_comes_is_named(server, tmp_path):
    rows = sample_generator(load(server, "never"), requests_of(3), Settings(), tmp_path, SamplingConfig(batch_size=3))
    assert rows["status"].to_list() == ["failed"] * 3  # asked alone, each is the last of its request
    assert "no image came for" in rows["reason"][0]


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        ("refuses", BadInput, "refuses with 422: steps must be 1"),
        ("extra", BadInput, "nobody asked for: 'somebody'"),
        ("down", GeneratorDied, "answers 500: out of memory"),
        ("text", GeneratorDied, "no JSON: <html>hello"),
    ],
)
def test_a_server_that_does_wrong_says_what(server, trouble, kind, message):
    with pytest.raises(kind, match=message):
        load(server, trouble).generate(requests_of(2), Settings())


def test_another_model_behind_the_address_is_noticed(server):
    assert load(server).info.weights != load(server, "busy").info.weights
    assert load(server).info.weights == load(server).info.weights


def test_a_wrong_address_is_said(server):
    with pytest.raises(BadInput, match=r"nothing answers at http://127\.0\.0\.1:9"):
        load_generator(MAKE, name="far", url="http://127.0.0.1:9", native_size_px=5)
    for url in ("ftp://127.0.0.1", "127.0.0.1:80", "http://me:secret@127.0.0.1"):
        with pytest.raises(BadInput, match="is no address"):
            load_generator(MAKE, name="far", url=url, native_size_px=5)
    with pytest.raises(BadInput, match="unknown key 'natve'"):
        load(server, natve=3)
