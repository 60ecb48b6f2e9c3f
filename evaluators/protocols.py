"""Named, frozen sets of choices under which images are scored; numbers of two protocols are never put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.manifests.files import EXPLAINS, LATER
from relaionet.pipeline.declared import find_declared

GROUP = "relaionet.protocols"
Filter = Literal["bicubic", "lanczos", "bilinear", "box"]
Fit = Literal["squash", "crop", "adm"]
Decode = Literal["as shown", "as published"]


@dataclass(frozen=True, kw_only=True)
class Resize:
    """How a picture of any size becomes a square one.

    Attributes:
        filter: Pillow's resampling filter (antialiased when it shrinks).
        fit: `squash` ignores the aspect ratio, `crop` cuts the centre square first, `adm` shrinks as ADM does (boxes,
            then bicubic) and cuts the centre square last.
        is_float: keep fractions of a grey level (float32) and do not round to uint8.
    """

    filter: Filter = "bicubic"
    fit: Fit = "squash"
    is_float: bool = False


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything a score depends on besides the images.

    Attributes:
        name: what tables and reports call it.
        meaning: one line for people; part of no digest.
        version: changes when any choice or any arithmetic behind it changes.
        size_px: side of the square uint8 RGB image every extractor is given.
        decode: how files of the split's own images become pixels: `as shown` upright, in sRGB, on white where they are
            transparent; `as published` as stored, by Pillow's conversion to RGB, which published code uses.
        real: how the split's own images are resized.
        generated: how generated images of another size are resized.
        fd_extractor: whose `features` the Fréchet and kernel distances compare.
        fd_name: name of the Fréchet distance; `FID` only where the extractor is Inception.
        kd_name: name of the kernel distance; `KID` only where the extractor is Inception.
        classifier: whose `logits` give the Inception Score and the accuracy.
        class_order: what the classifier's outputs stand for: `imagenet` class_index, `own` list of wnids, or `none`
            where they are no ImageNet labels (accuracy is then left out).
        alignment: encoder of the CLIP Score, by a name `relaionet.pipeline.embeddings.encoders.load_encoder` knows.
        preference: preference model of the PickScore; None leaves it and psFD, psIS out.
        prompt: text the image is compared with; `{class}` is the requested class.
        is_splits: parts of the Inception Score, whose values are averaged.
        is_split_images: images in each of those parts; 0 cuts into `is_splits` parts.
        is_seed: of the shuffle before the images are cut into those parts, and into the blocks of the kernel distance.
            There is always one: sets lie in the order of their classes, and a part of a few classes has a score of a
            few.
        extras: further metrics, by names `relaionet metrics` lists.
        neighbour_k: which nearest image is the edge of a ball of precision, recall, density and coverage.
        neighbour_count: images of each side at most for those, the same rows each time; 0 takes all.
        kd_by_class: weigh the kernel distance for images made for given classes; False is the known KID.
        kd_block_count: images per block of the kernel distance; all pairs are used up to there.
        batch_count: images per forward pass; fixed, so that features do not depend on who asks.
        mmhm_eps: what keeps the harmonic mean finite.
        mmhm_raw: give the published MMHM too, whose ingredients are not kept within the bounds.
    """

    name: str
    meaning: str = field(default="", metadata=EXPLAINS)
    version: str = "1"
    size_px: int = 256
    decode: Decode = field(default="as published", metadata=LATER)
    real: Resize = Resize()
    generated: Resize = Resize(filter="lanczos")
    fd_extractor: str = "inception"
    fd_name: str = "FID"
    kd_name: str = "KID"
    classifier: str = "inception"
    class_order: Literal["imagenet", "own", "none"] = "none"
    alignment: str = "ViT-B-16/openai"
    preference: str | None = None
    prompt: str = "a photo of a {class}"
    is_splits: int = 10
    is_split_images: int = 0
    is_seed: int = 2020
    extras: tuple[str, ...] = ()
    neighbour_k: int = 3
    neighbour_count: int = 10_000
    kd_by_class: bool = False
    kd_block_count: int = 10_000
    batch_count: int = 32
    mmhm_eps: float = 1e-3
    mmhm_raw: bool = False


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="miniature",
            version="2",
            meaning="the built-in miniature's own models; needs no download, says nothing about reLAIONet",
            size_px=32,
            decode="as shown",
            generated=Resize(filter="bicubic"),
            fd_extractor="miniature",
            fd_name="FD",
            kd_name="KD",
            kd_by_class=True,
            classifier="miniature",
            class_order="own",
            alignment="miniature",
            is_splits=1,
            batch_count=64,
        ),
        Protocol(
            name="paper",
            meaning="the fair flow benchmark: FID, IS, CLIP ViT-B/16, PickScore and their scaled forms",
            preference="pickscore",
            mmhm_raw=True,
        ),
        # torch-fidelity as it stands: Inception itself resizes, as TensorFlow 1 did
        Protocol(
            name="tf1",
            meaning="as torch-fidelity 0.4: Inception resizes as TensorFlow 1 did",
            generated=Resize(filter="bicubic"),
        ),
        # ADM's evaluator takes images in the order they come, which is that of chance in the files it is given
        Protocol(
            name="adm",
            version="2",
            meaning="ADM's evaluator: its crop, IS over runs of 5,000 images, shuffled, and sFID",
            real=Resize(fit="adm"),
            generated=Resize(fit="adm"),
            extras=("sFID",),
            is_splits=1,
            is_split_images=5000,
        ),
        # clean-fid: one resize to Inception's side, in floating point, never rounded
        Protocol(
            name="clean",
            meaning="as clean-fid: one resize in floating point, never rounded",
            size_px=299,
            real=Resize(is_float=True),
            generated=Resize(is_float=True),
        ),
        # aspect kept, one antialiased resize, never rounded, KID for images made for given classes
        Protocol(
            name="ours",
            version="2",
            meaning="aspect kept, one antialiased resize, never rounded, KID for images made for given classes",
            size_px=299,
            decode="as shown",
            real=Resize(fit="crop", is_float=True),
            generated=Resize(fit="crop", is_float=True),
            kd_by_class=True,
            is_splits=1,
        ),
    )
}


def find_protocols() -> dict[str, Protocol]:
    """Every protocol by name: the built-in ones, then those of packages (entry-point group `relaionet.protocols`).

    Raises:
        BadInput: a package declares something else, or a name that is taken.
    """
    found = dict(PROTOCOLS)
    for protocol in find_declared(GROUP, Protocol).values():
        if protocol.name in found:
            raise BadInput(f"{GROUP}: protocol '{protocol.name}' is there already; give it another name.")
        found[protocol.name] = protocol
    return found


def find_protocol(name: str) -> Protocol:
    """The protocol of a name, built in or of an installed package.

    Args:
        name: as recipes and tables give it.

    Raises:
        BadInput: there is none; the message names the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    known = find_protocols()
    if name not in known:
        raise BadInput(f"there is no protocol '{name}'.{nearest_name(name, known)}")
    return known[name]


def check_comparable(protocols: Iterable[str | Protocol], what: str = "scores") -> None:
    """Refuse to put numbers of different protocols side by side.

    Args:
        protocols: of everything that is to be compared.
        what: what they are, for the message.

    Raises:
        BadInput: they are not all the same.
    """
    found = {item if isinstance(item, str) else f"{item.name} v{item.version}" for item in protocols}
    if len(found) > 1:
        raise BadInput(
            f"{what} of different protocols cannot be compared: found {', '.join(sorted(found))}. "
            "Score everything under one protocol."
        )


def check_made_alike(made_with: Iterable[str], what: str = "scores") -> None:
    """Refuse numbers that share a protocol's name and were made with other weights or choices.

    Args:
        made_with: digests of protocol and models of everything that is to be compared.
        what: what they are, for the message.

    Raises:
        BadInput: they are not all the same.
    """
    found = sorted(set(made_with))
    if len(found) > 1:
        raise BadInput(
            f"{what} were made with different models or choices ({', '.join(found)}) and cannot be compared, though "
            "their protocol has one name. Score everything with the same weights and the same version."
        )
