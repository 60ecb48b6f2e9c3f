"""Models that a protocol scores with: which are here, looked at without loading or fetching any."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relaionet.evaluators.features.extractors import DINO_MODEL, GROUP, INCEPTION_FILE, check_extractor_name
from relaionet.evaluators.features.pickscore import MODEL as PICKSCORE
from relaionet.evaluators.metrics.lookup import find_extra
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.embeddings.encoders import BUILT_IN as BUILT_IN_ENCODERS
from relaionet.pipeline.embeddings.encoders import GROUP as ENCODERS
from relaionet.pipeline.embeddings.encoders import HUB
from relaionet.pipeline.embeddings.open_clip import FOLDER
from relaionet.pipeline.factories import find_factory, is_factory
from relaionet.pipeline.hub import HubAddress, is_fetched

HUB_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class ModelsOutlook:
    """The models of a protocol, none of them loaded.

    Attributes:
        here: on this machine.
        to_fetch: fetched when they are first loaded, unless a cache that cannot be looked into has them.
        missing: named by the user, and not there.
    """

    here: tuple[str, ...] = ()
    to_fetch: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def check_weights(protocol: Protocol, weights: Mapping[str, str]) -> None:
    """Refuse weights of a model that a protocol has not.

    Raises:
        BadInput: such a name is among them; the message names the nearest.
    """
    known = {protocol.fd_extractor, protocol.classifier, "inception", "pickscore", "dinov2"}
    for name in weights:
        if name not in known:
            raise BadInput(f"weights: '{name}' is no model of protocol {protocol.name}.{nearest_name(name, known)}")


def look_for_models(
    protocol: Protocol, extras: Sequence[str] = (), weights: Mapping[str, str] | None = None
) -> ModelsOutlook:
    """Which models of a protocol and of extra metrics are here.

    Args:
        protocol: whose models.
        extras: metrics beyond the protocol's own.
        weights: local files or folders in place of downloads.

    Raises:
        BadInput: a name is wrong.
    """
    weights = weights or {}
    check_weights(protocol, weights)
    asked = [find_extra(name).extractor for name in dict.fromkeys([*protocol.extras, *extras])]
    names = dict.fromkeys([protocol.fd_extractor, protocol.classifier, *filter(None, asked)])
    names[f"encoder:{protocol.alignment}"] = None
    if protocol.preference:
        names[protocol.preference] = None
    found: dict[str, list[str]] = {"here": [], "to_fetch": [], "missing": []}
    for name in names:
        where, text = _look(name, weights.get(name))
        found[where].append(text)
    return ModelsOutlook(**{where: tuple(dict.fromkeys(texts)) for where, texts in found.items()})


def _look(name: str, given: str | None) -> tuple[str, str]:
    """Where one model is (a field of `ModelsOutlook`), and in words."""
    if given is not None and name in ("inception", "dinov2", "pickscore"):
        place = Path(given).expanduser()
        wanted = place if name == "inception" else place / "config.json"
        return ("here", f"{name}: {place}") if wanted.is_file() else ("missing", f"{name}: {wanted} does not exist")
    if name == "inception":
        path = inception_path()
        return ("here" if path.is_file() else "to_fetch"), f"{name}: {path.name}"
    if name in ("dinov2", "pickscore"):
        repo = DINO_MODEL if name == "dinov2" else PICKSCORE
        is_here = is_fetched(HubAddress(kind="model", repo_id=repo), HUB_WEIGHTS)
        return ("here" if is_here else "to_fetch"), f"{name}: hf://{repo}"
    encoder = name.removeprefix("encoder:")
    if name == "miniature" or encoder in BUILT_IN_ENCODERS:
        return "here", f"{name}: comes with this project"
    if encoder == name:
        check_extractor_name(name)
        try:
            find_factory(name, GROUP)
        except BadInput as error:
            return "missing", f"{name}: {error}"
        return "here", f"{name}: code of your own"
    return _look_for_encoder(name, encoder)


def _look_for_encoder(name: str, encoder: str) -> tuple[str, str]:
    """The same of an image-text encoder."""
    if encoder.startswith(FOLDER):
        folder = Path(encoder.removeprefix(FOLDER)).expanduser()
        return ("here" if folder.is_dir() else "missing"), f"{name}: {folder}"
    if is_factory(encoder, ENCODERS) and not encoder.startswith(HUB):
        return "here", f"{name}: code of your own"
    return "to_fetch", f"{name}, where open_clip's cache has it not"


def inception_path() -> Path:
    """Where torch's hub keeps Inception's weights: asked of torch where it is imported already, else by its rule."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "hub"):
        hub = Path(torch.hub.get_dir())
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
        hub = Path(os.environ.get("TORCH_HOME") or cache).expanduser() / "hub"
    return hub / "checkpoints" / INCEPTION_FILE
