"""How the miniature's encoder is trained and what it reaches."""
