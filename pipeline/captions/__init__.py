"""What a caption says: words and senses matched to classes, and texts compared by an encoder."""
