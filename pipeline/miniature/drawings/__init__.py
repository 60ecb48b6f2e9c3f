"""How the miniature's pictures are drawn."""
