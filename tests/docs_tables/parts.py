"""What is generated, and into which page."""

from __future__ import annotations

from functools import partial

from relaionet.evaluators.comparison.measures import measures_table
from relaionet.evaluators.generators.registry import generator_adapters_table
from relaionet.evaluators.listing import metrics_table, protocols_table
from relaionet.evaluators.protocols import Protocol
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.evaluation.recipe import EvaluateRecipe
from relaionet.pipeline.exports.registry import export_formats_table
from relaionet.pipeline.screens.plan import screens_table
from relaionet.pipeline.sources.schemas import source_schemas_table
from tests.attempts.table import render_attempts
from tests.docs_tables.api import render_api
from tests.docs_tables.commands import render_commands
from tests.docs_tables.pages import Part
from tests.docs_tables.recipes import render_recipe
from tests.docs_tables.tables import render_tables

# compared by tests/attempts/test_attempts.py, which tries them anyway
ATTEMPTS = Part(name="attempts", page="docs/reference/security.md", render=render_attempts)
PARTS = (
    Part(name="api", page="docs/reference/api.md", render=render_api),
    Part(name="curate", page="docs/reference/recipes.md", render=partial(render_recipe, CurateRecipe)),
    Part(name="evaluate", page="docs/reference/recipes.md", render=partial(render_recipe, EvaluateRecipe)),
    Part(name="protocol", page="docs/reference/recipes.md", render=partial(render_recipe, Protocol)),
    Part(name="metrics", page="docs/reference/metrics.md", render=metrics_table),
    Part(name="protocols", page="docs/reference/metrics.md", render=protocols_table),
    Part(name="measures", page="docs/guides/compare.md", render=measures_table),
    Part(name="tables", page="docs/reference/tables.md", render=render_tables),
    Part(name="commands", page="docs/reference/commands.md", render=render_commands),
    Part(name="source-schemas", page="docs/guides/candidates.md", render=source_schemas_table),
    Part(name="export-formats", page="docs/tutorials/rebuild.md", render=export_formats_table),
    Part(name="generator-adapters", page="docs/guides/generators.md", render=generator_adapters_table),
    Part(name="screens", page="docs/guides/screens.md", render=screens_table),
)
