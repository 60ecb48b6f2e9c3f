"""A checkout of IMM with a network of one number: the names our script calls, and the authors' loop over times."""

from __future__ import annotations

import pickle
from pathlib import Path

FILES = {
    "dnnlib/__init__.py": "from . import util\n",
    "dnnlib/util.py": """
import importlib


def construct_class_by_name(class_name, **options):
    module, _, name = class_name.rpartition(".")
    return getattr(importlib.import_module(module), name)(**options)
""",
    "omegaconf.py": """
class OmegaConf:
    @staticmethod
    def load(path):
        return None

    @staticmethod
    def to_container(config):
        return {
            "resolution": 4, "channels": 3, "label_dim": 1000, "network": {"class_name": "nets.Net"},
            "encoder": {"class_name": "nets.Encoder"},
        }
""",
    "torch_utils/__init__.py": "",
    "torch_utils/misc.py": "def copy_params_and_buffers(src_module, dst_module, require_all):\n    pass\n",
    "nets.py": """
import torch


class Inner(torch.nn.Module):
    def forward(self, x, t):
        return -0.1 * x


class Net(torch.nn.Module):
    sigma_data, T, eps = 0.5, 0.994, 0.0

    def __init__(self, **sizes):
        super().__init__()
        self.model = Inner()

    def cfg_forward(self, x, t, s, class_labels=None, cfg_scale=None):
        rows = x if cfg_scale is None else torch.cat([x, x])
        out = self.model(rows.float(), t)
        return x + (s - t) * out[len(out) - len(x) :]


class Encoder:
    def decode(self, x):
        return 127.5 + 255 * x
""",
    "generate_images.py": """
import torch


def pushforward_generator_fn(net, latents, class_labels=None, discretization=None, num_steps=None, cfg_scale=None):
    times = torch.linspace(net.T, net.eps, num_steps + 1, dtype=torch.float64)
    x = latents.to(torch.float64)
    for now, then in zip(times[:-1], times[1:]):
        x = net.cfg_forward(x, now, then, class_labels=class_labels, cfg_scale=cfg_scale)
    return x
""",
}


def write_imm(folder: Path) -> Path:
    """Write the checkout and beside it a checkpoint, `weights.pkl`; the folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "weights.pkl").write_bytes(pickle.dumps({"ema": None}))
    return folder
