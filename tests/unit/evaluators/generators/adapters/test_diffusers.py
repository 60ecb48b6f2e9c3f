"""Small random pipelines of diffusers' real classes, loaded through a loopback Hub and from folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from tests.fakes.hub import models
from tests.fakes.hub.server import Hub, serve_hub
from tests.unit.evaluators.sampling.test_sample import split_of

MAKE = "relaionet.evaluators.generators.adapters.diffusers:make_diffusers"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pipelines")
    models.make_dit_pipeline(root / "dit")
    models.make_prompt_pipeline(root / "prompt")
    return root


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub() as served:
        served.use_here(monkeypatch, tmp_path / "home")
        yield served


def requests_of(count: int):
    return make_requests(split_of(count), base_seed=1, split_name="s")


def dit(place: str, **options):
    given = {"guidance": "two_pass", "native_size_px": 4, "condition": "class", "pipeline": "DiTPipeline", **options}
    return load_generator(MAKE, name="dit", model=place, **given)


def prompt(place: str, **options):
    given = {"guidance": "two_pass", "native_size_px": 8, **options}
    return load_generator(MAKE, name="sd", model=place, **given)


@pytest.mark.parametrize(("guidance", "passes"), [(1.0, 1), (4.0, 2)])
def test_class_pipeline_from_the_hub_counts_passes_and_depends_on_the_request_alone(hub, made, guidance, passes):
    commit = hub.add("models", "tiny/dit", made / "dit").sha
    generator = dit("tiny/dit")
    assert generator.info.weights == f"tiny/dit@{commit}"
    requests, settings = requests_of(5), Settings(steps=3, guidance=guidance)
    whole = generator.generate(requests, settings)
    assert whole.images.shape == (5, 4, 4, 3)
    assert list(whole.nfe) == [3 * passes] * 5
    for size in (1, 2):
        parts = [generator.generate(requests[i : i + size], settings).images for i in range(0, 5, size)]
        assert np.array_equal(np.concatenate(parts), whole.images)
    again = generator.generate(requests[::-1], settings).images[::-1]
    assert np.array_equal(again, whole.images)
    assert len({image.tobytes() for image in whole.images}) == 5
    said = generator.describe(settings)
    assert len(said["realised"]["timesteps"]) == 3
    assert (said["scheduler"], said["precision"]) == ("DDIMScheduler", "float32")
    network = generator.pipeline.transformer
    assert said["parameters_count"] == sum(one.numel() for one in network.parameters())


def test_the_image_is_what_the_pipeline_gives_when_called_by_hand(made):
    from diffusers import DiTPipeline

    request = requests_of(2)[1]
    pipeline = DiTPipeline.from_pretrained(made / "dit")
    pipeline.set_progress_bar_config(disable=True)
    by_hand = pipeline(
        class_labels=[request.class_index], guidance_scale=2.0, num_inference_steps=4,
        generator=torch.Generator().manual_seed(request.seed),
    ).images[0]  # fmt: skip
    ours = dit(str(made / "dit")).generate([request], Settings(steps=4, guidance=2.0)).images[0]
    assert np.array_equal(ours, np.asarray(by_hand))


def test_chunks_larger_than_one_are_filled_up(made):
    generator = dit(str(made / "dit"), chunk_size=4)
    requests = requests_of(6)
    whole = generator.generate(requests, Settings(steps=2))
    assert list(whole.nfe) == [2] * 6
    for size in (1, 3):
        parts = [generator.generate(requests[i : i + size], Settings(steps=2)).images for i in range(0, 6, size)]
        assert np.array_equal(np.concatenate(parts), whole.images)


def test_prompt_pipeline_with_another_scheduler_explicit_timesteps_and_a_stochastic_step(made):
    generator = prompt(
        str(made / "prompt"), scheduler={"class": "LCMScheduler", "original_inference_steps": 10},
        timesteps={"1": [399], "2": [999, 499]},
    )  # fmt: skip
    requests = requests_of(4)
    whole = generator.generate(requests, Settings(steps=2, guidance=3.0))
    assert list(whole.nfe) == [4] * 4
    assert generator.describe(Settings(steps=2))["realised"]["timesteps"] == [999, 499]
    assert generator.describe(Settings(steps=2))["scheduler"] == "LCMScheduler"
    alone = [generator.generate([one], Settings(steps=2, guidance=3.0)).images for one in requests]
    assert np.array_equal(np.concatenate(alone), whole.images)
    assert list(generator.generate(requests, Settings(steps=1)).nfe) == [1] * 4
    assert generator.describe(Settings(steps=1))["realised"]["timesteps"] == [399]
    other = make_requests(split_of(4), base_seed=1, split_name="s", prompt="{class} drawn badly")
    assert not np.array_equal(generator.generate(other, Settings(steps=2, guidance=3.0)).images, whole.images)


def test_a_component_and_a_lora_change_the_images_and_what_is_recorded(made, tmp_path):
    plain = prompt(str(made / "prompt"))
    requests, settings = requests_of(2), Settings(steps=2, guidance=3.0)
    before = plain.generate(requests, settings).images
    state = load_file(made / "prompt" / "unet" / "diffusion_pytorch_model.safetensors")
    save_file({name: value * 1.5 for name, value in state.items()}, tmp_path / "unet.safetensors")
    torch.save({name: value * 1.5 for name, value in state.items()}, tmp_path / "unet.bin")
    changed = []
    for file in ("unet.safetensors", "unet.bin"):
        generator = prompt(str(made / "prompt"), components={"unet": {"file": str(tmp_path / file)}})
        assert f"unet: {file} sha256:" in generator.info.weights
        changed.append(generator.generate(requests, settings).images)
    assert np.array_equal(*changed)
    assert not np.array_equal(changed[0], before)
    state.pop(next(iter(state)))
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(BadInput, match="does not fit"):
        prompt(str(made / "prompt"), components={"unet": {"file": str(tmp_path / "part.safetensors")}})
    (tmp_path / "evil.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(Corrupt, match="cannot be read"):
        prompt(str(made / "prompt"), components={"unet": {"file": str(tmp_path / "evil.bin")}})


def test_a_lora_is_fused_by_its_scale(made, tmp_path):
    from diffusers import DiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = DiffusionPipeline.from_pretrained(made / "prompt")
    pipeline.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    type(pipeline).save_lora_weights(tmp_path, get_peft_model_state_dict(pipeline.unet))
    requests, settings = requests_of(2), Settings(steps=2, guidance=3.0)
    place = str(made / "prompt")
    made_with = {}
    for scale in (0.0, 1.0):
        generator = prompt(place, loras=[{"model": str(tmp_path), "scale": scale}])
        assert f"x {scale:g}" in generator.info.weights
        made_with[scale] = generator.generate(requests, settings).images
    assert np.array_equal(made_with[0.0], prompt(place).generate(requests, settings).images)
    assert not np.array_equal(made_with[1.0], made_with[0.0])


def test_of_a_repository_only_what_is_loaded_is_fetched(hub, made, tmp_path):
    import shutil

    shutil.copytree(made / "prompt", tmp_path / "full")
    for name in ("sd.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "unet/flax_model.msgpack",
                 "unet/diffusion_pytorch_model.bin", "other/diffusion_pytorch_model.safetensors"):  # fmt: skip
        (tmp_path / "full" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "full" / name).write_bytes(b"not for us")
    commit = hub.add("models", "tiny/sd", tmp_path / "full").sha
    assert prompt("tiny/sd").info.weights == f"tiny/sd@{commit}"
    asked = " ".join(hub.asked)
    assert "unet/diffusion_pytorch_model.safetensors" in asked
    for name in ("/sd.safetensors", "fp16", "msgpack", ".bin", "other/"):
        assert name not in asked
    hub.stop()
    assert prompt("tiny/sd", revision=commit).info.weights == f"tiny/sd@{commit}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pipeline": "DiTPipline"}, "Did you mean 'DiTPipeline'"),
        ({"scheduler": {"class": "DDIMSheduler"}}, "Did you mean 'DDIMScheduler'"),
        ({"scheduler": {"clip_sampel": True}}, "Did you mean 'clip_sample'"),
        ({"condition": "klass"}, "Did you mean 'class'"),
        ({"condition": "prompt"}, "DiTPipeline takes no argument 'prompt'"),
        ({"call": {"hieght": 4}}, "takes no argument 'hieght'"),
        ({"call": {"generator": 1}}, "follows from the requests"),
        ({"guidance_argument": "true_cfg_scale"}, "takes no argument 'true_cfg_scale'"),
        ({"components": {"unet": {"file": "x"}}}, "the pipeline has no such part"),
        ({"components": {"vae": {"modle": "x"}}}, "unknown key 'modle'. Did you mean 'model'"),
        ({"loras": [{"file": "x.safetensors"}]}, "takes no LoRA"),
        ({"timesteps": {"one": [1]}}, "lists by number of steps"),
        ({"precision": "fp16"}, "precision is 'fp16'"),
        ({"chunk_size": 0}, "expected 1 or more"),
        ({"native_size": 3}, "unknown key 'native_size'"),
    ],
)
def test_a_wrong_key_says_what_is_near(made, options, message):
    with pytest.raises(BadInput) as caught:
        dit(str(made / "dit"), **options)
    assert message in str(caught.value)


def test_a_hub_that_has_it_not_or_does_not_answer(hub, made, monkeypatch):
    with pytest.raises(BadInput, match="no such model that you may see"):
        dit("tiny/gone")
    with pytest.raises(BadInput, match="neither a folder nor owner/name"):
        dit("no such folder")
    hub.add("models", "tiny/gated", made / "dit", gated=True)
    with pytest.raises(BadInput, match="is gated: accept its terms"):
        dit("tiny/gated")
    hub.stop()
    with pytest.raises(Unavailable):
        dit("tiny/dit")
