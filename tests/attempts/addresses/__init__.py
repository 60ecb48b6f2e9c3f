"""Addresses of strangers: rows, redirects, names and proxies, by the real downloader; places; secrets in URLs."""

from __future__ import annotations

from tests.attempts.addresses import places, rows, secrets

ATTEMPTS = [*rows.ATTEMPTS, *places.ATTEMPTS, *secrets.ATTEMPTS]
