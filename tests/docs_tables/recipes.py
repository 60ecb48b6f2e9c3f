"""Every key of a recipe as Markdown tables."""

from __future__ import annotations

from relaionet.flows.drafts.keys import list_keys, list_tables, opened, summary
from tests.docs_tables.pages import markdown_table


def render_recipe(kind: type) -> str:
    """All tables of a recipe as Markdown: key, type, default and meaning."""
    parts = []
    for heading, table in list_tables(kind):
        place = f"`{table.__module__.removeprefix('relaionet.').replace('.', '/')}.py`: `{table.__name__}`"
        if heading:
            parts.append(f"### `{heading}`")
        parts.append(f"{summary(table)} ({place})")
        rows = [[f"`{key.name}`", key.kind, key.default, key.meaning or opened(key)] for key in list_keys(table)]
        parts.append(markdown_table(("key", "type", "default", "meaning"), rows))
    return "\n\n".join(parts)
