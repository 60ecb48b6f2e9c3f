"""Generators: what is asked of one, which are known, how they are run."""
