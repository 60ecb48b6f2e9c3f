from .draft import draft_lines, draft_recipe
from .keys import Key, keys, tables

__all__ = ["Key", "draft_lines", "draft_recipe", "keys", "tables"]
