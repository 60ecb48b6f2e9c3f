"""Candidates: source rows judged, counted once, put in an order."""
