"""Ways to reach a generator: each turns requests into images."""
