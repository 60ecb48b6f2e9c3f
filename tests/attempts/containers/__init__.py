"""Containers of strangers: what claims to hold more than it does, holds itself, or never ends."""
