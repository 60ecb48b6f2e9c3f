"""The generator that is loaded at the moment, and where it is put."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relaionet.evaluators.generators.registry import load_generator

if TYPE_CHECKING:
    from relaionet.evaluators.generators.protocol import Generator
    from relaionet.flows.evaluation.recipe import GeneratorEntry


def device_of(device: str) -> str:
    """A recipe's device on this machine; `auto` is the GPU where there is one."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class LoadedGenerator:
    """Holds one loaded generator at a time: two large ones seldom fit into a GPU together."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._held: tuple[GeneratorEntry, Generator] | None = None

    def load(self, entry: GeneratorEntry) -> Generator:
        """The generator of an entry; the one held before is let go.

        Raises:
            BadInput: see `registry.load_generator`.
        """
        if self._held is None or self._held[0] is not entry:
            self._held = None
            self._held = entry, load_generator(entry.generator, device=self._device, **entry.options)
        return self._held[1]

    def clear(self) -> None:
        """Let the one that is held go."""
        self._held = None
