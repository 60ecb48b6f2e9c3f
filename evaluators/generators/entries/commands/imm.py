"""IMM in its own environment: RELAIONET_CODE is a checkout of lumalabs/imm, RELAIONET_WEIGHTS imagenet256_ts_a2.pkl.

The checkpoint is a pickle of the authors: it runs their code when it is read, in this environment alone.
"""

import os
import pickle
import sys

from job import Counter, Job

code = os.environ["RELAIONET_CODE"]
sys.path.insert(0, code)

import dnnlib  # noqa: E402  of IMM
import torch  # noqa: E402
from generate_images import pushforward_generator_fn  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from torch_utils import misc  # noqa: E402

job = Job()
config = OmegaConf.to_container(OmegaConf.load(os.path.join(code, "configs", "im256_generate_images.yaml")))
size = {"img_resolution": config["resolution"], "img_channels": config["channels"], "label_dim": config["label_dim"]}
net = dnnlib.util.construct_class_by_name(**config["network"], **size).eval().requires_grad_(False).to(job.device)
with open(os.environ["RELAIONET_WEIGHTS"], "rb") as file:
    misc.copy_params_and_buffers(src_module=pickle.load(file)["ema"], dst_module=net, require_all=True)
encoder = dnnlib.util.construct_class_by_name(**config["encoder"])
counter = Counter(net.model)
shape = (config["channels"], config["resolution"], config["resolution"])
# at scale 1 the unconditional half would be thrown away
scale = job.guidance if job.guidance != 1 else None
for batch in job.batches(16):
    latents = (net.sigma_data * job.noise(batch, shape, torch)).to(job.device)
    labels = torch.tensor([request["class_index"] for request in batch], device=job.device)
    classes = torch.nn.functional.one_hot(labels, num_classes=config["label_dim"])
    made = pushforward_generator_fn(
        net, latents, classes, discretization="uniform", num_steps=job.steps, cfg_scale=scale
    )
    images = encoder.decode(made.to(job.device)).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    job.save(batch, images, counter.take(len(batch)))
job.finish(versions={"torch": torch.__version__})
