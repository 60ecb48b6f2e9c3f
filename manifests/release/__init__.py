"""A release: the manifest anyone can rebuild the images from, what is said about it, and what changed between two."""
