"""Addresses of strangers: as rows, redirects and names, by the real downloader; places; secrets in URLs."""
