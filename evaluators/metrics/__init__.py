"""Metrics as functions of stored features."""
