"""The stages of `curate`, each from a table to the next."""
