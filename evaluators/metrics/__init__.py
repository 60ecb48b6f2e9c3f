"""Metrics: each a function of stored features, one module for each, all declared in `catalogue`."""
