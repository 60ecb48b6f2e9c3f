"""Image-text encoders behind one protocol, named by a built-in name, an open_clip name or an import string."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable, nearest_name
from relaionet.manifests.labels import read_labels
from relaionet.pipeline.hub import HubAddress, check_name, fetch_snapshot
from relaionet.pipeline.import_strings import call_factory, find_factory, is_factory

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

VERSION = "1"
DEFAULT_LOGIT_SCALE = 100.0
MINIATURE_WEIGHTS = Path(__file__).parent / "miniature" / "weights" / "encoder"
BUILT_IN = {"miniature": MINIATURE_WEIGHTS}
GROUP = "relaionet.encoders"
HUB, FOLDER = "hf-hub:", "local-dir:"
NOT_THERE = frozenset({"RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError", "HFValidationError"})
HUB_FILES = ("open_clip_config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


@runtime_checkable
class Encoder(Protocol):
    """Puts pictures and texts into one space of unit rows.

    Attributes:
        name: for reading; goes into receipts.
        dim: length of a row.
        fingerprint: changes when weights or preprocessing change.

    An encoder may also have `logit_scale: float`, the factor that turns cosines into logits; `logit_scale_of` gives
    100 where it has none.
    """

    name: str
    dim: int
    fingerprint: str

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """RGB picture of any size -> [3, H, W] float32, H and W the same for every picture; called from threads."""
        ...

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        """[N, 3, H, W] float32 on the CPU -> [N, D] float32 unit rows."""
        ...

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows."""
        ...


class OpenClipEncoder:
    """An open_clip model: fp32 on a CPU, fp16 autocast on a GPU.

    Rows do not depend on the batch beyond float rounding: cosines move by less than 1e-5 on a CPU and 2e-3 on a GPU.

    Args:
        model: as `open_clip.create_model` gives it, fp32, on the CPU.
        preprocess: open_clip's inference transform.
        tokenizer: open_clip's tokenizer of that model.
        name: for reading.
        device: torch device name.
        batch_size: texts per forward pass.
    """

    def __init__(
        self, model: Any, preprocess: Callable[[Image.Image], torch.Tensor], tokenizer: Callable[..., torch.Tensor], *,
        name: str, device: str, batch_size: int = 256,
    ) -> None:  # fmt: skip
        self.name = name
        self.fingerprint = _fingerprint(model.state_dict(), repr(preprocess))
        self.logit_scale = float(model.logit_scale.detach().exp())
        self._model = model.eval().to(device)
        self._preprocess, self._tokenizer = preprocess, tokenizer
        self._device, self._batch_size = device, batch_size
        self.dim = int(self.encode_texts(["a"]).shape[1])

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """RGB picture of any size -> [3, H, W] float32."""
        return self._preprocess(image)

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        """[N, 3, H, W] float32 -> [N, D] float32 unit rows."""
        return self._encode(self._model.encode_image, batch)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows; texts longer than the model's context are cut."""
        import numpy as np

        starts = range(0, len(texts), self._batch_size)
        parts = [
            self._encode(self._model.encode_text, self._tokenizer(texts[start : start + self._batch_size]))
            for start in starts
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def _encode(self, forward: Callable[..., torch.Tensor], batch: torch.Tensor) -> np.ndarray:
        import torch

        on_gpu = self._device.startswith("cuda")
        with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16, enabled=on_gpu):
            rows = forward(batch.to(self._device, non_blocking=True)).float()
        return torch.nn.functional.normalize(rows, dim=-1).cpu().numpy()


def _fingerprint(weights: Mapping[str, torch.Tensor], preprocessing: str) -> str:
    """sha256 (hex) over every tensor's name, type, shape and bytes, the preprocessing and open_clip's major version."""
    import open_clip
    import torch

    digest = hashlib.sha256(f"open_clip {open_clip.__version__.split('.')[0]}|{preprocessing}".encode())
    for name, tensor in sorted(weights.items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"|{name} {array.dtype} {tuple(array.shape)}|".encode())
        digest.update(array.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def logit_scale_of(encoder: Encoder) -> float:
    """The encoder's factor from cosines to logits, 100 where it states none."""
    return float(getattr(encoder, "logit_scale", DEFAULT_LOGIT_SCALE))


def load_encoder(name: str, device: str = "auto", **options: Any) -> Encoder:
    """Load an encoder.

    Args:
        name: one of
            `miniature`, the model this project carries;
            `ViT-B-32/laion2b_s34b_b79k`, an open_clip name and a pretrained tag or a file with weights;
            `hf-hub:organisation/model[@revision]`, checked against the Hub's hashes; `local-dir:folder` in open_clip's
            layout;
            `package.module:factory`, `path/to/file.py:factory` or an entry point of the group `relaionet.encoders`,
            called with the options. A factory that has a parameter `device`, or `class_names` (ImageNet's 1000
            names in class order), is given it.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        **options: passed to a factory; other encoders take `batch_size` (texts per forward pass).

    Raises:
        BadInput: the name, device, file or an option is wrong.
        Unavailable: weights must be fetched and cannot be.
    """
    spec = name.strip()
    device = pick_device(device)
    if spec in BUILT_IN:
        return _load_folder(BUILT_IN[spec], spec, device, options)
    if spec.startswith(FOLDER):
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        return _load_folder(folder, f"{FOLDER}{folder.name}", device, options)
    if spec.startswith(HUB):
        return _load_hub(spec, device, options)
    if is_factory(spec, GROUP):
        return _load_factory(spec, device, options)
    model, _, weights = spec.partition("/")
    return _load_open_clip(model, _pick_weights(model, weights), _shown_name(model, weights), device, options)


def pick_device(device: str) -> str:
    """The torch device a name stands for; `auto` is a GPU where there is one.

    Raises:
        BadInput: there is no such device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise BadInput(f"device '{device}' is not known.{nearest_name(device, ['auto', 'cpu', 'cuda', 'mps'])}")
    is_there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]
    if not is_there:
        raise BadInput(f"device '{device}' is asked for and this machine has none; use 'auto' or 'cpu'.")
    return device


def _shown_name(model: str, weights: str) -> str:
    return f"{model}/{Path(weights).name}"


def _pick_weights(model: str, weights: str) -> str:
    """Check an open_clip name and its tag or file before anything is fetched."""
    import open_clip

    known = open_clip.list_models()
    if model not in known:
        forms = "an import string 'module:factory', 'hf-hub:…' and 'local-dir:…' work too."
        raise BadInput(f"encoder '{model}' is not known.{nearest_name(model, [*known, *BUILT_IN])} Besides, {forms}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights in tags or Path(weights).expanduser().is_file():
        return weights if weights in tags else str(Path(weights).expanduser())
    if not weights:
        raise BadInput(f"encoder '{model}' needs weights: write '{model}/<tag>'.{nearest_name('', tags)}")
    raise BadInput(f"'{weights}' is neither a tag of '{model}' nor a file.{nearest_name(weights, tags)}")


def _load_hub(spec: str, device: str, options: Mapping[str, Any]) -> Encoder:
    """Fetch a repository's files at one commit, checked, then load them from their folder."""
    repo_id, _, revision = spec.removeprefix(HUB).partition("@")
    check_name(repo_id, revision or None)
    address = HubAddress(kind="model", repo_id=repo_id, revision=revision or None)
    folder = fetch_snapshot(address, names=HUB_FILES)
    pinned = HubAddress(kind="model", repo_id=repo_id, revision=folder.name)
    for name in HUB_WEIGHTS:
        fetch_snapshot(pinned, names=(name,))
        if (folder / name).is_file():
            break
    return _load_folder(folder, spec, device, options)


def encoder_names() -> list[str]:
    """Names of the built-in encoders and of open_clip's models."""
    import open_clip

    return [*BUILT_IN, *open_clip.list_models()]


def _load_folder(folder: Path, name: str, device: str, options: Mapping[str, Any]) -> Encoder:
    if not (folder / "open_clip_config.json").is_file():
        raise BadInput(
            f"encoder '{name}': {folder} holds no open_clip_config.json; name a folder in open_clip's layout."
        )
    return _load_open_clip(f"{FOLDER}{folder}", None, name, device, options)


def _load_open_clip(model: str, weights: str | None, name: str, device: str, options: Mapping[str, Any]) -> Encoder:
    import open_clip
    from safetensors import SafetensorError

    unknown = set(options) - {"batch_size"}
    if unknown:
        raise BadInput(f"encoder '{name}' takes no option {', '.join(sorted(unknown))}; it takes batch_size.")
    try:
        # weights_only: a checkpoint from outside is never unpickled
        network, preprocess = open_clip.create_model_from_pretrained(model, weights, weights_only=True)
        tokenizer = open_clip.get_tokenizer(model)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError, UnpicklingError) as error:
        raise _explain(error, name, is_local=model.startswith(FOLDER) or _is_file(weights)) from error
    return OpenClipEncoder(network, preprocess, tokenizer, name=name, device=device, **options)


def _is_file(weights: str | None) -> bool:
    return weights is not None and Path(weights).is_file()


def _explain(error: BaseException, name: str, *, is_local: bool) -> ReLAIONetError:
    """Why a model could not be loaded: wrong on this side, or something that may work later."""
    text = " ".join(str(error).split())[:300]
    if is_local:
        return BadInput(f"encoder '{name}' could not be loaded: {text}. Check the folder's config and weights.")
    if NOT_THERE & {type(cause).__name__ for cause in _causes(error)}:
        return BadInput(f"encoder '{name}': the hub has no such public model: {text}. Check the name.")
    return Unavailable(
        f"encoder '{name}': its weights are not on this machine and could not be fetched: {text}. "
        f"Try again with a network, or name a folder with 'local-dir:'."
    )


def _causes(error: BaseException) -> Iterable[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _load_factory(spec: str, device: str, options: Mapping[str, Any]) -> Encoder:
    """Import a factory, call it, and check that what it made is an encoder."""
    offered = {"device": device, "class_names": [label.name for label in read_labels()]}
    encoder = call_factory(spec, find_factory(spec, GROUP), options, offered)
    parts = (*Encoder.__annotations__, "preprocess", "encode_images", "encode_texts")
    missing = [part for part in parts if not hasattr(encoder, part)]
    if missing:
        raise BadInput(f"encoder '{spec}': what it makes has no {', '.join(missing)}; see relaionet.pipeline.encoders.")
    return encoder
