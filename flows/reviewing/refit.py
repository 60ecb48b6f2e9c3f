"""Probabilities for a run that had nothing to fit them on: from the first pictures that its own review settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relaionet.flows.curation.calibration import CALIBRATION, calibration_file, load_calibration
from relaionet.flows.curation.known_pictures import count_settled
from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.tables import PROPOSALS
from relaionet.manifests.words import say_count

if TYPE_CHECKING:
    from relaionet.flows.curation.recipe import CurateRecipe
    from relaionet.flows.runs.run import Run

GROWTH = 1.25  # a fit is made anew once there are so many times the pictures it was made on


def refit_probabilities(run: Run) -> bool:
    """Fit a run's probabilities on what its review settled, where nothing else was there to fit them on.

    That is done when as many pictures are settled as `[calibrate] min_labelled_count` says, and again when there are a
    quarter more. Tasks stay as they were asked. What cannot be done is said; a pull does not fail by it.

    Args:
        run: a run whose answers were settled.

    Returns:
        True where its proposals have probabilities that they did not have before.
    """
    if not calibration_file(run).is_file():
        return False
    found, recipe, settled = load_calibration(run), read_run_recipe(run.root), count_settled(run)
    fitted = found.examples_count if found.is_fitted else 0
    if not found.asks_all or settled < max(recipe.calibrate.min_labelled_count, GROWTH * fitted):
        return False
    try:
        _refit(run, recipe)
    except (BadInput, Unavailable, OSError) as error:
        run.reporter.say(
            f"  note: no probabilities were fitted on the {say_count(settled, 'settled picture')}; `relaionet curate` "
            f"tries again. {error}"
        )
        return False
    return True


def _refit(run: Run, recipe: CurateRecipe) -> None:
    """The stages of `curate` from the calibration to the proposals."""
    # they load the encoder, which a pull has no use for otherwise
    from relaionet.flows.curation.proposals import calibrate_proposals, propose_shard
    from relaionet.flows.curation.vectors import RunModels

    run.reporter.say(f"  {CALIBRATION:<12}on what this review settled; the encoder is loaded for it")
    models = RunModels(
        encoder_name=recipe.encoder, encoder_options=recipe.encoder_options, templates=recipe.templates
    )  # fmt: skip
    calibrate_proposals(run, models, recipe.calibrate, recipe.controls, recipe.embed)
    shards = run.store.shards(PROPOSALS)
    with run.reporter.bar(PROPOSALS.name, None) as advance:
        for shard in shards:
            propose_shard(run, shard, models, recipe.propose, advance)
