"""A package that adds to reLAIONet by entry points; see its pyproject.toml."""
