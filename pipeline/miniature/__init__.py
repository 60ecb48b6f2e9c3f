"""The built-in miniature: a small made world on which the whole job runs anywhere, offline."""
