from .draft import draft_lines, draft_recipe
from .keys import Key, list_keys, list_tables

__all__ = ["Key", "draft_lines", "draft_recipe", "list_keys", "list_tables"]
