"""Scale-RAE in its own environment: RELAIONET_CODE is a checkout of ZitengWangNYU/Scale-RAE, installed with pip -e.

One prompt at a time, as its own command does; all random states are set to the request's seed before each.
"""

import itertools
import os
import sys

from job import Counter, Job

code = os.environ["RELAIONET_CODE"]
sys.path[:0] = [code, os.path.join(code, "inference")]

import cli  # noqa: E402  of Scale-RAE
import torch  # noqa: E402

MODEL = os.environ.get("RELAIONET_MODEL", "nyu-visionx/Scale-RAE-Qwen1.5B_DiT2.4B")
DECODER = os.environ.get("RELAIONET_DECODER", "nyu-visionx/siglip2_decoder")


def set_points(flow, steps):
    """n steps lie between n + 1 points: as many of the flow's 1000 times, evenly, from the first to the last."""
    last = flow.diffusion_steps - 1
    if not 1 <= steps <= last:
        sys.exit(f"{steps} steps asked for; Scale-RAE's flow takes 1 to {last}")
    flow.used_timesteps = [round(place * last / steps) for place in range(steps + 1)]


def walk_points(flow):
    """Euler's rule through all intervals, from noise to the first time.

    The loop at dab3800 does not go through the first interval, and ends with a step from there back to noise.
    """

    def walk(model, shape, x_end=None, model_kwargs=None, device=None, **_):
        x = flow.get_x_end(shape, device) if x_end is None else x_end
        times = [flow.sampler_timesteps[place] for place in reversed(flow.used_timesteps)]
        for start, stop in itertools.pairwise(times):
            level = torch.full((len(x),), start, dtype=x.dtype, device=x.device)
            x = x + (stop - start) * model(x, level, **(model_kwargs or {}))
        return x

    return walk


job = Job()
tokenizer, model, _, _ = cli.load_model(MODEL)
decoder = cli.build_decoder(model, model_path=MODEL, decoder_repo_id=DECODER)
special = cli.prepare_special_token_ids(tokenizer)
head = next(module for name, module in model.named_modules() if name.endswith("diff_head"))
# within this interval the scale is left out; the head's own default is all times, the network's is none
head.cfg_interval = (-1e4, -1e4)
set_points(head.inference_flow, job.steps)
head.inference_flow.p_sample_loop = walk_points(head.inference_flow)
counter = Counter(head.model)
for request in job.requests:
    cli.set_seed(request["seed"] % 2**31)
    prompt = cli.build_prompt(request["prompt"], model_config=model.config, with_image=False)
    tokens = cli.tokenize_prompt(prompt, tokenizer, device=model.device)
    options = cli._common_gen_kwargs(*special, job.guidance, 512)
    with torch.inference_mode():
        _, embeds = model.generate(tokens, images=None, **options)
    calls = counter.take(1)
    images = cli.decode_image_embeds(model, embeds, decoder)
    job.save([request], images[:1], calls)
job.finish(versions={"torch": torch.__version__}, model=MODEL, decoder=DECODER)
