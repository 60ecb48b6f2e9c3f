"""A checkout of Scale-RAE with a network that is right: its velocity leads from the noise straight to its image.

Written into a folder, as the script finds a checkout. The loop over its points, the interval within which guidance is
left out and the shifted times are as in the authors' code at dab3800; the rest is as small as can be.
"""

from __future__ import annotations

from pathlib import Path

CLI = """
import random
import sys

import numpy as np
import torch
from PIL import Image

SIDE = 4


class Flow:
    def __init__(self):
        self.diffusion_steps = 1000
        self.used_timesteps = list(range(0, 1000, 20))
        times = np.linspace(1 / 1000, 1, 1000)
        self.sampler_timesteps = (8.485 * times / (1 + 7.485 * times)).tolist()

    def get_x_end(self, shape, device, dtype=torch.float32):
        return torch.randn(shape, dtype=dtype)

    def p_sample_loop(self, model, shape, x_end=None, clip_denoised=False, model_kwargs=None, device=None, **_):
        x, used, times = x_end, self.used_timesteps, self.sampler_timesteps
        walked = [(used[i], used[i - 1]) for i in reversed(range(1, len(used) - 1))] + [(used[-2], used[-1])]
        for start, stop in walked:
            level = torch.tensor(times[start]).repeat(len(x))
            x = x + (times[stop] - times[start]) * model(x, level, **model_kwargs)
        return x


class Network(torch.nn.Module):
    in_channels = 3

    def forward(self, x, t, y):
        return (x - y) / t[:, None, None, None]

    def forward_with_cfg(self, x, t, y, cfg_scale, cfg_interval=(-1e4, -1e4)):
        half = x[: len(x) // 2]
        out = self.forward(torch.cat([half, half]), t, torch.cat([y, torch.zeros_like(y)]))
        with_class, without = out.chunk(2)
        left_out = cfg_interval[0] < t[0] < cfg_interval[1]
        mixed = with_class if left_out else without + cfg_scale * (with_class - without)
        return torch.cat([mixed, mixed])


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.inference_flow, self.cfg_interval = Network(), Flow(), [-1e4, 1e4]

    def infer(self, z, guidance_level):
        x = self.inference_flow.get_x_end((len(z), 3, SIDE, SIDE), z.device, z.dtype)
        if guidance_level <= 1:
            return self.inference_flow.p_sample_loop(self.model.forward, x.shape, x, model_kwargs={"y": z})
        told = {"y": z, "cfg_scale": guidance_level, "cfg_interval": self.cfg_interval}
        x = torch.cat([x, x])
        return self.inference_flow.p_sample_loop(self.model.forward_with_cfg, x.shape, x, model_kwargs=told).chunk(2)[0]


class Model(torch.nn.Module):
    config, device = None, "cpu"

    def __init__(self):
        super().__init__()
        self.diff_head = Head()

    def generate(self, tokens, images, guidance_level):
        if tokens == "no picture":
            self.diff_head.infer(torch.zeros(1, 3, SIDE, SIDE), guidance_level)
            return None, None
        image = torch.linspace(0.2, 0.4, 3 * SIDE * SIDE).reshape(1, 3, SIDE, SIDE)
        return None, self.diff_head.infer(image, guidance_level)


def load_model(name):
    return None, Model(), None, None


def build_decoder(model, model_path, decoder_repo_id):
    return None


def prepare_special_token_ids(tokenizer):
    return ()


def set_seed(seed):
    random.seed(seed)
    torch.manual_seed(seed)


def build_prompt(text, model_config, with_image):
    return text


def tokenize_prompt(prompt, tokenizer, device):
    return prompt


def _common_gen_kwargs(guidance, most):
    return {"guidance_level": guidance}


def decode_image_embeds(model, embeds, decoder):
    if embeds is None:
        return []
    pixels = (embeds[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return [Image.fromarray(pixels)]
"""


def write_scale_rae(folder: Path) -> Path:
    """Write the checkout; the folder."""
    (folder / "inference").mkdir(parents=True)
    (folder / "inference" / "cli.py").write_text(CLI)
    return folder


def expected_pixel(place: int, guidance: float, count: int = 48) -> float:
    """What exact integration gives at a place of the image, 0 to 255, but for the noise left at the first time."""
    return 255 * min(1.0, guidance * (0.2 + 0.2 * place / (count - 1)))
