"""Export formats: a split written as other tools want it."""
