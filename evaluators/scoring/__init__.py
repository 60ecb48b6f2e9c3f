"""Scoring: a protocol's metrics of a set, by class, and sets against each other."""
