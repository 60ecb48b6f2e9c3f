"""Scale-RAE in its own environment: RELAIONET_CODE is a checkout of ZitengWangNYU/Scale-RAE, installed with pip -e.

One prompt at a time, as its own command does; all random states are set to the request's seed before each.
"""

import os
import sys

from job import Counter, Job

code = os.environ["RELAIONET_CODE"]
sys.path[:0] = [code, os.path.join(code, "inference")]

import cli  # noqa: E402  of Scale-RAE
import torch  # noqa: E402
from scale_rae.model.diffusion_loss.diffusion.respace import space_timesteps  # noqa: E402

MODEL = os.environ.get("RELAIONET_MODEL", "nyu-visionx/Scale-RAE-Qwen1.5B_DiT2.4B")
DECODER = os.environ.get("RELAIONET_DECODER", "nyu-visionx/siglip2_decoder")

job = Job()
tokenizer, model, _, _ = cli.load_model(MODEL)
decoder = cli.build_decoder(model, model_path=MODEL, decoder_repo_id=DECODER)
special = cli.prepare_special_token_ids(tokenizer)
head = next(module for name, module in model.named_modules() if name.endswith("diff_head"))
counter = Counter(head.model)
flow = head.inference_flow
flow.used_timesteps = sorted(space_timesteps(flow.diffusion_steps, str(job.steps)))
for request in job.requests:
    cli.set_seed(request["seed"] % 2**31)
    prompt = cli.build_prompt(request["prompt"], model_config=model.config, with_image=False)
    tokens = cli.tokenize_prompt(prompt, tokenizer, device=model.device)
    options = cli._common_gen_kwargs(*special, job.guidance, 512)
    with torch.inference_mode():
        _, embeds = model.generate(tokens, images=None, **options)
    images = cli.decode_image_embeds(model, embeds, decoder)
    job.save([request], images[:1], counter.take(1) if images else None)
job.finish(versions={"torch": torch.__version__}, model=MODEL, decoder=DECODER)
