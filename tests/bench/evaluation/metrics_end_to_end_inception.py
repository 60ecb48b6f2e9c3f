"""The same as `metrics_end_to_end` with Inception itself: torch-fidelity's in ours, torchmetrics' own in the peer.

Weights are random (the published file cannot be had everywhere), one file for both. 200 images of 299 × 299 on either
side, so that neither side resizes: a forward pass takes most of the time, and ours makes 1 for each image where the
peer makes 3 for FID, KID and IS of generated images, 2 of real ones, and 3 more by class.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import torch

from relaionet.evaluators.features.extractors import InceptionExtractor
from tests.bench.evaluation.metrics_end_to_end import DIM, Case, measure_case
from tests.bench.row import Row

COUNT = 200


def make_weights(path: Path) -> None:
    """Random weights in torch-fidelity's file layout, scaled so that features stay near 1."""
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    torch.manual_seed(0)
    with (
        mock.patch.object(theirs, "load_state_dict_from_url", return_value={}),
        mock.patch.object(theirs.FeatureExtractorInceptionV3, "load_state_dict"),
    ):
        network = theirs.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    torch.save(network.state_dict(), path)


def peer_network(weights: Path, layer: str) -> torch.nn.Module:
    """torchmetrics' own Inception, giving one of its layers."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", [layer], str(weights))
    network.num_features = DIM
    return network


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "inception.pth"
        make_weights(weights)
        case = Case(
            name="metrics_end_to_end_inception", count=COUNT, side_px=299,
            extractor=lambda: InceptionExtractor(weights), features=lambda: peer_network(weights, "2048"),
            logits=lambda: peer_network(weights, "logits_unbiased"),
        )  # fmt: skip
        return measure_case(case)
