"""What can be wrong with an evaluation besides its generators, looked at before anything is sampled."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relaionet.evaluators.features.extractors import InceptionExtractor
from relaionet.evaluators.features.models import Models, load_models
from relaionet.evaluators.features.outlook import ModelsOutlook, look_for_models
from relaionet.evaluators.features.statistics import check_statistics
from relaionet.evaluators.metrics.catalogue import DISTANCES, INGREDIENTS
from relaionet.evaluators.metrics.lookup import find_metric, metrics_under
from relaionet.evaluators.protocols import Protocol, check_made_alike
from relaionet.evaluators.sampling.sample import SamplingConfig
from relaionet.evaluators.scoring.score import REAL
from relaionet.flows.evaluation.inputs import Inputs
from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    from relaionet.flows.evaluation.recipe import EvaluateRecipe

REAL_COLUMN = "real image"
RESERVED = (REAL, REAL_COLUMN)
"""What tables and pages call the split's own images, and no generator."""


def check_names(recipe: EvaluateRecipe) -> None:
    """Refuse names that stand for something else in the tables, and numbers that make no sense.

    Raises:
        BadInput: such a name or number, or a rater whose program is not there.
    """
    metrics = [rater.metric for rater in recipe.raters]
    for name in metrics:
        known = find_metric(name)
        if not name.strip() or (known is not None and known.given_by != "rater"):
            raise BadInput(f"raters: metric '{name}' is a name that is taken; call what your rater gives another.")
        if metrics.count(name) > 1:
            raise BadInput(f"raters: two give '{name}'; call what one of them gives another.")
    if any(not name.strip() for name in recipe.references):
        raise BadInput("references: a name is empty; the column is called 'FID to <name>'.")
    for rater in recipe.raters:
        if not rater.command or shutil.which(rater.command[0]) is None:
            program = rater.command[0] if rater.command else ""
            raise BadInput(f"raters: '{rater.metric}' cannot be started: there is no program '{program}'.")
    if recipe.time_limit_s < 0:
        raise BadInput(f"time_limit_s is {recipe.time_limit_s:g}; it must be 0 (none) or more.")
    SamplingConfig(batch_size=recipe.batch_size)


def check_set_name(name: str) -> None:
    """Refuse a generator's name that tables and pages have for the split's own images.

    Args:
        name: of the generator, as it would stand in tables.

    Raises:
        BadInput: it is such a name, or blank.
    """
    if not name.strip() or name.strip().casefold() in RESERVED:
        what = "the split's own images" if name.strip() else "nothing"
        raise BadInput(f"a generator cannot be called '{name}', which stands for {what}; give it another name.")


def check_inputs(
    inputs: Inputs, protocol: Protocol, wnids: Collection[str] | None = None, split_name: str = ""
) -> None:
    """See that the files beside the split fit it and the protocol, as far as that is known without any model.

    Args:
        inputs: as they were read.
        protocol: of the scores.
        wnids: classes of the split; None where the split is not there.
        split_name: as it stands in tables.

    Raises:
        BadInput: groups name none of the classes, bounds are of another split or lack a metric, or statistics are of
            other features.
    """
    if wnids is not None and inputs.groups is not None and not set(wnids) & set(inputs.groups):
        raise BadInput(f"groups name none of the classes of {split_name}; they are named by wnid.")
    bounds = inputs.bounds
    if bounds is not None:
        if wnids is not None and bounds.split and bounds.split != split_name:
            raise BadInput(f"mmhm_bounds come from split {bounds.split}, and {split_name} is scored.")
        needed = [name for name in metrics_under(protocol) if name in INGREDIENTS]
        lacking = [name for name in needed if name not in bounds.ends]
        if lacking and set(DISTANCES) & set(needed):
            known = ", ".join(sorted(bounds.ends))
            raise BadInput(f"mmhm_bounds know {known} and not {lacking[0]}; keep bounds of all.")
    dim = InceptionExtractor.dim if protocol.fd_extractor == "inception" else 0
    for name, one in inputs.references.items():
        check_statistics(one, name, protocol, dim=dim)


def check_with_models(inputs: Inputs, models: Models) -> None:
    """See that statistics and bounds were made with the models that score.

    Args:
        inputs: as they were read.
        models: loaded.

    Raises:
        BadInput: they were made with others, or have another number of dimensions.
    """
    made_with = models.made_with[""]
    for name, one in inputs.references.items():
        check_statistics(one, name, models.protocol, made_with, models.fd.dim)
    if inputs.bounds is not None and inputs.bounds.made_with:
        check_made_alike([inputs.bounds.made_with, made_with], "mmhm_bounds and the scores of this evaluation")


@dataclass(frozen=True, kw_only=True)
class ModelsAhead:
    """What is known of the models before a run.

    Attributes:
        outlook: which are here.
        unchecked: name of an input -> why it is not known yet whether it was made with these models.
    """

    outlook: ModelsOutlook
    unchecked: Mapping[str, str]


def look_at_models(recipe: EvaluateRecipe, protocol: Protocol, inputs: Inputs) -> ModelsAhead:
    """Which models are here; where all are, statistics and bounds are held against them.

    Models are loaded for that alone, and only where a file has to be compared with them and nothing would be fetched.

    Args:
        recipe: what to do.
        protocol: of the scores.
        inputs: as they were read.

    Raises:
        BadInput: a name is wrong, or an input was made with other models.
    """
    if recipe.device not in ("auto", "cpu"):
        from relaionet.pipeline.embeddings.encoders import pick_device

        pick_device(recipe.device)
    outlook = look_for_models(protocol, recipe.extras, recipe.weights)
    waiting = [f"references.{name}" for name in inputs.references]
    waiting += ["mmhm_bounds"] * (inputs.bounds is not None and bool(inputs.bounds.made_with))
    if not waiting or outlook.missing:
        return ModelsAhead(outlook=outlook, unchecked={})
    if outlook.to_fetch:
        why = "whether it fits these models is seen when they are loaded, before anything is sampled"
        return ModelsAhead(outlook=outlook, unchecked=dict.fromkeys(waiting, why))
    check_with_models(inputs, load_models(protocol, extras=recipe.extras, weights=recipe.weights))
    return ModelsAhead(outlook=outlook, unchecked={})
