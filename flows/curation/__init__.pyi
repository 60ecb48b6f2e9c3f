from .recipe import CurateRecipe, read_curate_recipe, read_run_recipe
from .recipe_checks import check_recipe
from .references import add_to_store, describe_store

__all__ = [
    "CurateRecipe",
    "add_to_store",
    "check_recipe",
    "describe_store",
    "read_curate_recipe",
    "read_run_recipe",
]
