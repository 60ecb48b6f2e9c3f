"""The forward pass of torch-fidelity's Inception from any resized image: pooled and spatial features, and logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SIDE_PX = 299
SPATIAL_CHANNELS = 7
BEFORE_SPATIAL = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2",
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d",
)  # fmt: skip
AFTER_SPATIAL = ("Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool")


def run_inception(network: Any, images: np.ndarray, device: str) -> dict[str, np.ndarray]:
    """Run the network of torch-fidelity over images.

    Args:
        network: torch-fidelity's `FeatureExtractorInceptionV3`.
        images: [N, 3, H, W] RGB, uint8 or float32 0 to 255. Images of another side than 299 are resized as
            TensorFlow 1 did (bilinear, no half-pixel centres), as the network was published.
        device: where the network is.

    Returns:
        `features` [N, 2048], `spatial` [N, 2023] and `logits` [N, 1008] without bias, float32.

    Source: torch-fidelity 0.4.0 `FeatureExtractorInceptionV3.forward` (features and logits equal bit for bit).
        `spatial` is what the ADM evaluator names mixed_6/conv: the first 7 channels of the seventh mixed block's
        1 × 1 branch, at 17 × 17 positions, in its order (position, then channel).
    """
    import torch
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    with torch.inference_mode():
        x = torch.from_numpy(images).to(device).to(torch.float32)  # [N, 3, H, W] 0 to 255
        x = interpolate_bilinear_2d_like_tensorflow1x(x, size=(SIDE_PX, SIDE_PX), align_corners=False)
        x = _run(network, BEFORE_SPATIAL, (x - 128) / 128)  # [N, 768, 17, 17]
        spatial = x[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1).cpu().numpy()
        pooled = _run(network, AFTER_SPATIAL, x).flatten(1)  # [N, 2048]
        logits = pooled.mm(network.fc.weight.T)
        return {"features": pooled.cpu().numpy(), "spatial": spatial, "logits": logits.cpu().numpy()}


def _run(network: Any, names: tuple[str, ...], x: torch.Tensor) -> torch.Tensor:
    for name in names:
        x = getattr(network, name)(x)
    return x
