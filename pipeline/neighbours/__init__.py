"""Rows found by searching embeddings of LAION: in a folder of one's own or at a service."""
