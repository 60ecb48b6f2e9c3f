"""Search among embeddings: exact, by an index, in shards larger than memory."""
