"""Runs: stages with receipts, task runners, recipes, what a run leaves on record."""
