"""Pictures: bytes decoded, hashed, found in files of several kinds."""
