"""Metadata tables of strangers: where they lie, how they are read, what their columns mean."""
