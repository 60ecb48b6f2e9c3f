"""Features: what extractors and raters say of images, stored once."""
