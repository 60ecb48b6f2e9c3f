"""Proposals: the label a picture may have, how sure that is, and which ones people are asked about."""
