"""Flow maps and flows of the literature: networks, codecs, samplers, published checkpoints."""
