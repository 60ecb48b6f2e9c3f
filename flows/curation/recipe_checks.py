"""What of a recipe of `curate` can be found wrong before anything is loaded."""

from __future__ import annotations

from relaionet.flows.curation.recipe import CurateRecipe, places_of
from relaionet.flows.curation.references import References, check_references
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.embeddings.store import embedding_shards
from relaionet.pipeline.neighbours.queries import check_neighbours
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
from relaionet.pipeline.screens.plan import check_screens
from relaionet.pipeline.sources.files import check_address


def check_recipe(recipe: CurateRecipe) -> None:
    """Find what is wrong before anything is loaded.

    Raises:
        BadInput: a folder or file of the recipe is not there, or an address holds a secret.
    """
    for place in places_of(recipe.source):
        check_address(place)
    if recipe.published is not None:
        embedding_shards(recipe.published)
    if recipe.reference is not None and not recipe.reference.is_dir():
        raise BadInput(f"reference {recipe.reference} is no folder of pictures.")
    if recipe.examples is not None and not recipe.examples.is_dir():
        raise BadInput(f"examples {recipe.examples} is no folder of folders of pictures.")
    if recipe.controls is not None and not recipe.controls.is_file():
        raise BadInput(f"controls {recipe.controls} is no parquet file.")
    if recipe.published_counts is not None and not recipe.published_counts.is_file():
        raise BadInput(f"published_counts {recipe.published_counts} is no file.")
    check_references(references_of(recipe), recipe.encoder)
    check_screens(recipe.screen)
    check_neighbours(recipe.neighbours)
    check_calibrate(recipe.calibrate)
    if recipe.workers < 1:
        raise BadInput(f"workers is {recipe.workers}; it must be at least 1.")


def references_of(recipe: CurateRecipe) -> References:
    """The pictures that must not be in the set."""
    return References(names=recipe.references, folder=recipe.reference, store=recipe.reference_store)


def check_calibrate(config: CalibrateConfig) -> None:
    """Find what is missing of [calibrate] before anything is loaded.

    Raises:
        BadInput: a file, a folder or an earlier run is not there.
    """
    if config.file is not None and not config.file.is_file():
        raise BadInput(f"calibrate: file = {config.file} is no file; a run keeps its own in calibration/.")
    if config.labelled is not None and not config.labelled.is_dir():
        raise BadInput(f"calibrate: labelled = {config.labelled} is no folder of pictures.")
    for root in config.reviews:
        if not (root / "run.json").is_file():
            raise BadInput(f"calibrate: reviews: {root} holds no run.")
