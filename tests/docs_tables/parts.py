"""What is generated, and into which page."""

from __future__ import annotations

from functools import partial

from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.pipeline.screens.plan import screens_table
from relaionet.pipeline.sources.schemas import source_schemas_table
from tests.docs_tables.commands import render_commands
from tests.docs_tables.pages import Part
from tests.docs_tables.recipes import render_recipe
from tests.docs_tables.tables import render_tables

PARTS = (
    Part(name="curate", page="docs/reference/recipes.md", render=partial(render_recipe, CurateRecipe)),
    Part(name="evaluate", page="docs/reference/recipes.md", render=partial(render_recipe, EvaluateRecipe)),
    Part(name="tables", page="docs/reference/tables.md", render=render_tables),
    Part(name="commands", page="docs/reference/commands.md", render=render_commands),
    Part(name="source-schemas", page="docs/guides/candidates.md", render=source_schemas_table),
    Part(name="screens", page="docs/guides/screens.md", render=screens_table),
)
