"""Sampling: one image for every request, stored in shards."""
