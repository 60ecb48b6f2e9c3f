"""A generator in an environment of its own, run for real: what it makes, leaves out, and does wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np
import pytest

from relaionet.evaluators.generators.protocol import GeneratorDied, Request, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.sampling.sample import SamplingConfig, sample_generator
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.manifests.errors import BadInput
from tests.unit.evaluators.sampling.test_sample import split_of

# pure Python: the other environment holds nothing at all
SCRIPT = """
import json, os, struct, sys, time, zlib
from pathlib import Path

job = Path(sys.argv[1])
trouble = sys.argv[2] if len(sys.argv) > 2 else ""
head = json.loads((job / "job.json").read_text())
out = job / head["out"]
requests = [json.loads(line) for line in (job / head["requests"]).read_text().splitlines()]
count = Path(os.environ["COUNT"])
runs = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(runs))

def png(side, pixel):
    raw = b"".join(b"\\0" + bytes(v for x in range(side) for v in pixel(x, y)) for y in range(side))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")

print("runs", runs, "of", len(requests), "requests", "prefix", sys.prefix)
if trouble == "dies":
    sys.exit("no such checkpoint")
if trouble == "hangs":
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(60)
for place, request in enumerate(requests):
    if trouble == "stops" and runs == 1 and place == 3:
        os._exit(9)
    if trouble == "skips" and request["class_index"] == 37:
        continue
    seed, step = request["seed"], head["settings"]["steps"]
    data = png(6, lambda x, y: (seed >> 3 & 255, (x * 40 + step) % 256, (y * 40 + request["class_index"]) % 256))
    if trouble == "broken" and runs == 1 and place == 1:
        data = data[:40]
    (out / (request["sample_id"] + ".png")).write_bytes(data)
if trouble == "extra":
    (out / "somebody.png").write_bytes(png(6, lambda x, y: (x, y, 0)))
meta = {"nfe": {r["sample_id"]: 2 * head["settings"]["steps"] for r in requests}, "versions": {"python": sys.version}}
(out / "meta.json").write_text(json.dumps(meta) if trouble != "meta" else "{")
"""


@pytest.fixture(scope="module")
def other_python(tmp_path_factory) -> Path:
    """A virtual environment with nothing in it."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    done = subprocess.run([python, "-c", "import numpy"], capture_output=True, check=False)
    assert done.returncode != 0, "the other environment must not see this one's packages"
    return python


@pytest.fixture
def make(tmp_path, other_python):
    (tmp_path / "run.py").write_text(SCRIPT)

    def load(trouble: str = "", **options):
        command = f'["{other_python}", "{{base}}/run.py", "{{job}}", "{trouble}"]'
        text = f"""
type = "command"
name = "other"
command = {command}
native_size_px = 6
guidance = "two_pass"
identity = ["run.py"]
environment = {{ COUNT = "{tmp_path / "count"}" }}
logs = "{tmp_path / "logs"}"
"""
        (tmp_path / "other.toml").write_text(text)
        (tmp_path / "count").unlink(missing_ok=True)
        return load_generator(tmp_path / "other.toml", **options)

    return load


def requests_of(count: int) -> list[Request]:
    return make_requests(split_of(count), base_seed=1, split_name="s")


def runs(tmp_path: Path) -> int:
    return int((tmp_path / "count").read_text())


def test_one_run_makes_many_batches_and_the_bytes_do_not_depend_on_them(make, tmp_path):
    requests = requests_of(20)
    wanted = None
    for place, (batch, per_run) in enumerate([(4, 100), (1, 7), (3, 1), (20, 5)]):
        generator = make(images_per_run=per_run)
        out = tmp_path / f"out{place}"
        rows = sample_generator(
            generator, requests, Settings(steps=3), out, SamplingConfig(batch_size=batch, shard_size=8)
        )
        assert rows["status"].unique().to_list() == ["ok"]
        assert set(rows["nfe"]) == {6}
        images = read_samples(out)[1][:]
        wanted = images if wanted is None else wanted
        assert np.array_equal(images, wanted)
        assert place or runs(tmp_path) == 1
    said = json.loads((tmp_path / "out0" / "sampling.json").read_text())["realised"]["said"]
    assert said["versions"]["python"] == sys.version


def test_a_run_that_broke_off_is_gone_on_with(make, tmp_path):
    rows = sample_generator(make("stops"), requests_of(8), Settings(steps=1), tmp_path / "out")
    assert rows["status"].unique().to_list() == ["ok"]
    assert runs(tmp_path) == 2
    assert "runs 2 of 5 requests" in (tmp_path / "logs" / "run-0002.log").read_text()


def test_an_image_cut_short_is_asked_for_again(make, tmp_path):
    rows = sample_generator(make("broken"), requests_of(8), Settings(steps=1), tmp_path / "out")
    assert rows["status"].unique().to_list() == ["ok"]
    assert runs(tmp_path) == 2


def test_what_it_never_makes_is_named_and_the_others_are_there(make, tmp_path):
    requests = requests_of(8)  # classes 0, 37, 74, …
    rows = sample_generator(make("skips"), requests, Settings(steps=1), tmp_path / "out", SamplingConfig(batch_size=3))
    failed = rows.filter(status="failed")
    assert failed["class_index"].to_list() == [37]
    assert "made no image for" in failed["reason"][0]
    assert "in 2 runs" in failed["reason"][0]
    assert rows.height == 8


def test_an_image_nobody_asked_for_stops_it(make, tmp_path):
    with pytest.raises(BadInput, match="1 images nobody asked for, the first is 'somebody'"):
        sample_generator(make("extra"), requests_of(3), Settings(steps=1), tmp_path / "out")


def test_a_command_that_fails_says_what_it_printed(make, tmp_path):
    with pytest.raises(GeneratorDied, match=r"ended with code 1: runs 2 of 3.* no such checkpoint"):
        make("dies").generate(requests_of(3), Settings(steps=1))
    with pytest.raises(BadInput, match=r"meta.json that is no JSON"):
        make("meta").generate(requests_of(3), Settings(steps=1))


def test_a_command_that_hangs_is_ended_with_its_children(make, tmp_path):
    generator = make("hangs", time_limit_s=1.5, tries=1)
    started = time.monotonic()
    with pytest.raises(GeneratorDied, match=r"longer than 1\.5 s"):
        generator.generate(requests_of(2), Settings(steps=1))
    assert time.monotonic() - started < 55  # what it started sleeps for 60
    left = subprocess.run(["pgrep", "-f", "import time; time.sleep(60)"], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_another_script_is_another_generator(make, tmp_path):
    before = make().info.weights
    assert make().info.weights == before
    generator = make()
    (tmp_path / "run.py").write_text(SCRIPT + "# changed\n")
    assert load_generator(tmp_path / "other.toml").info.weights != before == generator.info.weights


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"{job}"', '"job"', "must hold {job}"),
        ('command = ["', 'command = ["/no/such/', "is not there"),
        ("native_size_px = 6", "native_size = 6", "unknown key 'native_size'. Did you mean 'native_size_px'"),
        ("native_size_px = 6", "", "'native_size_px' is missing"),
        ('"two_pass"', '"two-pass"', "Did you mean 'two_pass'"),
        ('identity = ["run.py"]', 'identity = ["gone.py"]', "names gone.py, which is no file"),
        ('name = "other"', 'name = "other"\nfolder = "gone"', "does not exist"),
        ('name = "other"', 'name = "other"\ntries = 0', "must be above 0"),
    ],
)
def test_a_wrong_file_says_what_to_do(make, tmp_path, old, new, message):
    make()
    file = tmp_path / "other.toml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(BadInput) as caught:
        load_generator(file)
    assert message in str(caught.value)
