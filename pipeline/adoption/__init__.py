"""Adoption: an image set of one's own turned into a release."""
