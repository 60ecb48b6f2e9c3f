"""Embeddings: pictures and texts as unit rows of an image-text encoder."""
