"""The stage of `curate` that fits a run's probabilities: once, kept with a receipt, drawn as a reliability diagram."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.flows.runs.run import Run
from relaionet.manifests.class_groups import groups_by_wnid
from relaionet.manifests.files import json_bytes
from relaionet.manifests.words import say_count
from relaionet.pipeline.embeddings.encoders import logit_scale_of
from relaionet.pipeline.proposals.calibration import Calibration, read_calibration, uncalibrated

if TYPE_CHECKING:
    from relaionet.flows.curation.vectors import RunModels

CALIBRATION = "calibration"


def calibration_file(run: Run) -> Path:
    """Where a run keeps its calibration."""
    return run.root / CALIBRATION / "calibration.json"


def own_calibration(models: RunModels) -> Calibration:
    """The probabilities of the run's encoder as it is."""
    encoder = models.encoder
    bias = getattr(encoder, "logit_bias", None)
    return uncalibrated(
        encoder=encoder.name, fingerprint=encoder.fingerprint, label_vectors=models.label_vectors,
        logit_scale=logit_scale_of(encoder), logit_bias=None if bias is None else float(bias),
    )  # fmt: skip


def group_name(wnid: str) -> str:
    """The group a class belongs to, by name; the wnid itself where it is in none."""
    group = groups_by_wnid().get(wnid)
    return wnid if group is None else group.name


def write_calibration(run: Run, found: Calibration, digest: str, seconds: float) -> None:
    """Write the calibration, then its receipt."""
    run.store.write_artifact(
        calibration_file(run), json_bytes(asdict(found)), CALIBRATION, digest, rows_count=found.examples_count,
        seconds=seconds,
    )  # fmt: skip
    run.made.add(CALIBRATION)


def load_calibration(run: Run) -> Calibration:
    """The calibration a run has.

    Raises:
        BadInput: it has none.
        Corrupt: the file is not what its receipt says.
    """
    path, remedy = calibration_file(run), "run `relaionet curate` again"
    return read_calibration(json.loads(run.store.read_artifact(path, CALIBRATION, remedy=remedy)))


def describe_calibration(found: Calibration) -> str:
    """One line: what was fitted on what, and how true it is; or that nothing was, and what becomes of the rows."""
    if not found.is_fitted:
        return f"no probabilities: {say_unfitted(found)}; every row goes to review, and the first answers fit them"
    told = {
        "labelled": say_count(found.examples_count, "labelled picture"),
        "review": f"{say_count(found.examples_count, 'picture')} that this review settled",
        "captions": f"{say_count(found.examples_count, 'caption')} (no labelled pictures)",
    }[found.basis]
    line = f"probabilities: scale {found.logit_scale:.3g}, fitted on {told}"
    if found.reliability is not None:
        line += f"; calibration error {found.reliability.ece:.3f} on pictures not fitted on"
        if found.reliability_before is not None:
            line += f" ({found.reliability_before.ece:.3f} before)"
    if found.captions_count.get("sure"):
        line += f"; {found.caption_errors['sure']:.0%} of captions that name one class are wrong"
    if found.thresholds is not None and not found.thresholds.reached:
        line += f"; the wanted precision is not shown at any threshold (at least {found.thresholds.precision_low:.2f})"
    return line


def say_unfitted(found: Calibration) -> str:
    """What there was, where it was too little to fit anything on."""
    labelled = say_count(sum(found.sources.values()), "labelled picture")
    captions = say_count(
        found.captions_count.get("sure", 0), "caption that names one class", "captions that name one class"
    )
    return f"{labelled} and {captions} are too few to fit them on"
