"""What a call may raise: `BadInput` (you can mend it), `Unavailable` (may pass), `Corrupt` (a file is damaged)."""

from __future__ import annotations

from relaionet.manifests.errors import BadInput, Corrupt, Unavailable

__all__ = ["BadInput", "Corrupt", "Unavailable"]
