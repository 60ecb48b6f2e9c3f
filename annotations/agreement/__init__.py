"""Agreement: decisions read, weighed and settled to verdicts."""
