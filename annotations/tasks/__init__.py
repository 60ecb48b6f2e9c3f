"""Tasks: what reviewers see and are asked."""
