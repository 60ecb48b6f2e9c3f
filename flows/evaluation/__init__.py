"""The stages of `evaluate`: plan, sample, score, report."""
