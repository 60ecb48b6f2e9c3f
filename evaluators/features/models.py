"""Every model that a protocol and its extra metrics score with, loaded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from relaionet.evaluators.features.extractors import Extractor, load_extractor
from relaionet.evaluators.features.outlook import check_weights
from relaionet.evaluators.features.raters import Rater
from relaionet.evaluators.metrics.lookup import Extra, find_extra
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.files import digest_of

if TYPE_CHECKING:
    from relaionet.pipeline.embeddings.encoders import Encoder


class Models:
    """What a protocol scores with.

    Args:
        protocol: whose models these are.
        fd: extractor of the distances.
        classifier: extractor of the logits; may be the same object.
        alignments: metric name (`CLIP Score`, `PickScore`) -> encoder.
        extras: further metrics, each with its extractor (the protocol's own where it names none).
        raters: metric name -> preference model in an environment of its own.
    """

    def __init__(
        self,
        protocol: Protocol,
        fd: Extractor,
        classifier: Extractor,
        alignments: Mapping[str, Encoder],
        extras: Sequence[tuple[Extra, Extractor]] = (),
        raters: Mapping[str, Rater] | None = None,
    ) -> None:
        self.protocol, self.fd, self.classifier = protocol, fd, classifier
        self.alignments, self.extras, self.raters = dict(alignments), tuple(extras), dict(raters or {})

    @property
    def fingerprints(self) -> dict[str, str]:
        """What the protocol's own numbers come from: role -> name and first 12 digits of the model's fingerprint."""
        models: dict[str, Any] = {"distance": self.fd, "classifier": self.classifier, **self.alignments}
        return {role: f"{model.name} {digest_of(model.fingerprint)[:12]}" for role, model in models.items()}

    @property
    def made_with(self) -> dict[str, str]:
        """Digest (12 digits) of protocol and models: "" -> of the protocol's own metrics, and of each extra's."""
        own = digest_of(self.protocol, self.fingerprints)[:12]
        further = {extra.name: extractor.fingerprint for extra, extractor in self.extras if extra.extractor}
        further |= {name: rater.fingerprint for name, rater in self.raters.items()}
        return {"": own, **{name: digest_of(own, fingerprint)[:12] for name, fingerprint in further.items()}}


def load_models(
    protocol: Protocol,
    device: str = "cpu",
    *,
    extras: Sequence[str] = (),
    raters: Mapping[str, Rater] | None = None,
    weights: Mapping[str, str] | None = None,
) -> Models:
    """Load what a protocol scores with.

    Args:
        protocol: as `find_protocol` gives it.
        device: torch device name.
        extras: metrics beyond the protocol's own; see `relaionet.evaluators.metrics.catalogue`.
        raters: metric name -> preference model in an environment of its own.
        weights: `inception`, `pickscore` and `dinov2`: local files or folders in place of a download.

    Raises:
        BadInput: a name or file is wrong.
        Unavailable: weights must be fetched and cannot be; the message says which file to put where.
    """
    from relaionet.pipeline.embeddings.encoders import load_encoder

    wanted = [find_extra(name) for name in dict.fromkeys([*protocol.extras, *extras])]
    weights = weights or {}
    check_weights(protocol, weights)
    loaded: dict[str, Extractor] = {}

    def extractor(name: str) -> Extractor:
        if name not in loaded:
            options = {"weights": weights[name]} if name in weights else {}
            loaded[name] = load_extractor(name, device, **options)
        return loaded[name]

    fd, classifier = extractor(protocol.fd_extractor), extractor(protocol.classifier)
    alignments: dict[str, Encoder] = {"CLIP Score": load_encoder(protocol.alignment, device)}
    if protocol.preference == "pickscore":
        from relaionet.evaluators.features.pickscore import load_pickscore

        alignments["PickScore"] = load_pickscore(weights.get("pickscore"), device)
    pairs = [(extra, extractor(extra.extractor or protocol.fd_extractor)) for extra in wanted]
    return Models(protocol, fd, classifier, alignments, pairs, raters)
