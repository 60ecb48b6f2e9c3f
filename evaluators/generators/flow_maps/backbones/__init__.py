"""Networks of our own that load published checkpoints."""
