"""Images made elsewhere: a folder or tar named by sample_id or of `<wnid>/*.png`, with a CSV of labels, or an npz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.adapter import GeneratorAdapter
from relaionet.evaluators.generators.protocol import Foreseen, Generated, Info, Request, Settings, check_settings
from relaionet.evaluators.generators.sample_files import look_into, look_into_npz
from relaionet.manifests.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class SampleImages:
    """Hands out made images: that of the request's id, else the k-th of a class to its k-th request by sample id.

    Attributes:
        info: what they are.
        places: class_index -> where its images are, in order; key -1 where the images have no labels.
        named: sample_id -> where its image is, for images named so; empty where they are not.
        read: reads the image at a place, `[H, W, 3]` uint8.
        empty: places of files without any bytes.
        outside: images that are there and have no class.
        chosen: sample_id -> place, filled by `prepare`.
    """

    info: Info
    places: dict[int, list[str]]
    read: Callable[[str], NDArray[np.uint8]]
    named: dict[str, str] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    outside: int = 0
    chosen: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Images that are there."""
        return self.outside + (len(self.named) or sum(map(len, self.places.values())))

    def foresee(self, requests: Sequence[Request]) -> Foreseen:
        """Which requests will have no image, and how many images no request gets.

        Raises:
            BadInput: images without labels are not as many as the requests.
        """
        chosen = self._choose(requests)
        missing = {one.sample_id: self._explain(one) for one in requests if one.sample_id not in chosen}
        missing |= {name: f"{place} is empty" for name, place in chosen.items() if place in self.empty}
        return Foreseen(missing=missing, unused=self.count - len(set(chosen.values())))

    def prepare(self, requests: Sequence[Request]) -> None:
        """Settle which request gets which image; a request for which there is none fails when it is asked for.

        Raises:
            BadInput: images without labels are not as many as the requests.
        """
        chosen = self._choose(requests)
        self.chosen.clear()
        self.chosen.update(chosen)

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        """Read the images of a batch.

        Raises:
            BadInput: a setting they do not have.
            LookupError: there are fewer images of a class than requests.
        """
        check_settings(self.info, settings)
        for request in batch:
            if request.sample_id not in self.chosen:
                raise LookupError(self._explain(request))
        images = [self.read(self.chosen[request.sample_id]) for request in batch]
        if len({image.shape for image in images}) > 1:
            raise ValueError("the images of this batch differ in size")
        return Generated(images=np.stack(images), nfe=[0] * len(batch))

    def describe(self, settings: Settings) -> dict[str, Any]:
        """How many images are there, and how many of them no request got."""
        return {"images": self.count, "unused": self.count - len(set(self.chosen.values()))}

    def _choose(self, requests: Sequence[Request]) -> dict[str, str]:
        """sample_id -> place, of the requests for which there is an image."""
        if self.named:
            return {one.sample_id: self.named[one.sample_id] for one in requests if one.sample_id in self.named}
        if -1 in self.places and self.count != len(requests):
            raise BadInput(
                f"generator '{self.info.name}': {self.count:,} images without labels for {len(requests):,} requests: "
                "nothing says which is whose. Give each its class (arr_1 of an npz), or make one for every line of "
                "`relaionet evaluate --requests FILE`, in its order."
            )
        chosen: dict[str, str] = {}
        waiting: dict[int, list[str]] = defaultdict(list)
        for request in requests:
            waiting[-1 if -1 in self.places else request.class_index].append(request.sample_id)
        for class_index, group in waiting.items():
            ordered = group if class_index == -1 else sorted(group)
            chosen.update(zip(ordered, self.places.get(class_index, []), strict=False))
        return chosen

    def _explain(self, request: Request) -> str:
        which = f"named {request.sample_id}" if self.named else f"left for class {request.wnid}"
        return f"no image {which}"


def make_samples(
    *,
    name: str,
    path: str,
    labels: str = "",
    steps: int = 0,
    guidance: float = 1.0,
    licence: str = "unknown",
    base: Path | None = None,
) -> SampleImages:
    """A generator whose images exist already.

    Args:
        name: as it stands in tables.
        path: folder or tar of images named by sample_id, or of folders named by wnid, or an npz file; relative to the
            TOML file. An npz without `arr_1` holds one image for each request, in their order.
        labels: CSV of `file` (as in the folder or tar) and `wnid` or `class_index`, for images in no such folders;
            relative to the TOML file.
        steps: steps the images were made with, for the record.
        guidance: scale they were made with, for the record.
        licence: of the images.
        base: folder of the TOML file.

    Returns:
        The generator; it can be asked for exactly these steps and this scale.

    Raises:
        BadInput: nothing usable is there.
    """
    for key, value in (("steps", steps), ("guidance", guidance)):
        if not isinstance(value, int | float):
            raise BadInput(f"samples '{name}': {key} = {value!r}; expected the one number they were made with.")
    place = (base or Path()) / path
    if place.suffix == ".npz":
        if labels:
            raise BadInput(f"samples '{name}': an npz has its labels in arr_1; leave out labels.")
        found = look_into_npz(place)
    elif place.is_dir() or place.is_file():
        found = look_into(place, (base or Path()) / labels if labels else None)
    else:
        raise BadInput(f"samples {place} do not exist.")
    known = None if -1 in found.places else tuple(sorted(found.places))
    info = Info(
        name=name, native_size_px=found.side_px, guidance="none" if guidance == 1 else "conditioning",
        guidance_range=(guidance, guidance), steps=(steps,), class_indices=known, licence=licence,
        weights=f"none: images of {place.name} sha256:{found.digest}",
    )  # fmt: skip
    return SampleImages(
        info=info, places=found.places, read=found.read, named=found.named, empty=found.empty, outside=found.outside
    )


ADAPTER = GeneratorAdapter(
    kind="samples",
    about="images made elsewhere: a folder, tar or npz",
    factory=make_samples,
    order=20,
)
