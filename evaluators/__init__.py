"""Generators, samples, features, metrics and the report."""
