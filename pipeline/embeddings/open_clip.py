"""open_clip's models as encoders: CLIP, SigLIP, SigLIP 2, MobileCLIP and whatever else it builds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from relaionet.manifests.containers.checkpoints import check_model_folder, check_weights
from relaionet.manifests.containers.limits import Refused
from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable, nearest_name
from relaionet.manifests.escape import message_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

FOLDER = "local-dir:"
OPTIONS = ("batch_size", "precision")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
NOT_THERE = frozenset({"RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError", "HFValidationError"})
# what a tokenizer does with case, accents, markup, digits, other scripts, nothing, and more than any context holds
PROBES = ("a photo of a Crane, (bird).", "Übergröße &amp; ÉCLAIR 12,5 £", "吊车 кран 🏗", "", "crane " * 300)


class OpenClipEncoder:
    """An open_clip model: fp32 on a CPU; on a GPU bf16 autocast where it has bf16, else fp16.

    Rows do not depend on the batch beyond float rounding: cosines move by less than 1e-5 in fp32. The fingerprint says
    the precision only where less was asked for than the device takes by itself, that is, bf16 on a CPU;
    docs/guides/embedding.md says what that changes.

    Args:
        model: as `open_clip.create_model` gives it, fp32, on the CPU.
        preprocess: open_clip's inference transform.
        tokenizer: open_clip's tokenizer of that model.
        name: for reading.
        device: torch device name.
        batch_size: texts per forward pass.
        precision: `auto`, `fp32`, `bf16` or `fp16` (no fp16 on a CPU).

    Attributes:
        logit_scale: factor from cosines to logits.
        logit_bias: added to the logits of a model trained with a sigmoid per pair (SigLIP); None for softmax models.
        device: torch device name; on `cpu` several threads may encode at once.
        precision: fp32, bf16 or fp16.
    """

    def __init__(
        self, model: Any, preprocess: Callable[[Image.Image], torch.Tensor], tokenizer: Callable[..., torch.Tensor], *,
        name: str, device: str, batch_size: int = 256, precision: str = "auto",
    ) -> None:  # fmt: skip
        self.precision = pick_precision(device, precision)
        self.name, self.device = name, device
        self.fingerprint = _fingerprint(model, preprocess, tokenizer)
        if self.precision != "fp32" and self.precision != pick_precision(device):
            self.fingerprint = hashlib.sha256(f"{self.fingerprint} {self.precision}".encode()).hexdigest()
        self.logit_scale = float(model.logit_scale.detach().exp())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach())
        self._model = _ready(model, device, self.precision)
        self._preprocess, self._tokenizer = preprocess, tokenizer
        self._batch_size = batch_size
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

        kind = self.device.partition(":")[0]
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        with torch.inference_mode(), torch.autocast(kind, dtype=dtype, enabled=self.precision != "fp32"):
            rows = forward(batch.to(self.device, non_blocking=True)).float()
        return torch.nn.functional.normalize(rows, dim=-1).cpu().numpy()


def _ready(model: Any, device: str, precision: str) -> Any:
    """The model for inference on a device; on a CPU its products are packed."""
    import torch
    from open_clip.transformer import ResidualAttentionBlock

    from relaionet.pipeline.embeddings.packed_layers import can_pack, pack_layers

    model = model.eval().to(device)
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    if device.partition(":")[0] == "cpu" and can_pack(dtype):
        pack_layers(model, dtype, (ResidualAttentionBlock,))
    return model


def pick_precision(device: str, precision: str = "auto") -> str:
    """The arithmetic of the forward pass: fp32, bf16 or fp16.

    Args:
        device: torch device name.
        precision: what was asked for; `auto` is fp32 on a CPU, bf16 on a GPU that has it, else fp16.

    Raises:
        BadInput: it is unknown, or the device does not have it.
    """
    import torch

    kind = device.partition(":")[0]
    if precision not in PRECISIONS:
        raise BadInput(f"precision '{precision}' is not known.{nearest_name(precision, PRECISIONS)}")
    if precision == "fp16" and kind == "cpu":
        raise BadInput("precision 'fp16' is for GPUs; on a CPU use 'fp32', or 'bf16' where speed matters more.")
    if precision != "auto":
        return precision
    if kind != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _fingerprint(model: Any, preprocess: Callable[..., Any], tokenizer: Callable[..., torch.Tensor]) -> str:
    """sha256 (hex) over every tensor's name, type, shape and bytes, the preprocessing, what the tokenizer makes of
    some texts, and open_clip's major version.
    """  # noqa: D205  one sentence
    import open_clip

    digest = hashlib.sha256(f"open_clip {open_clip.__version__.split('.')[0]}|{preprocess!r}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        _add(digest, name, tensor)
    _add(digest, "tokenizer", tokenizer(list(PROBES)))
    return digest.hexdigest()


def _add(digest: Any, name: str, tensor: torch.Tensor) -> None:
    import torch

    array = tensor.detach().cpu().contiguous()
    digest.update(f"|{name} {array.dtype} {tuple(array.shape)}|".encode())
    digest.update(array.flatten().view(torch.uint8).numpy().data)


def pick_weights(model: str, weights: str, others: Iterable[str]) -> str:
    """Check an open_clip name and its tag or file before anything is fetched.

    Args:
        model: open_clip's name.
        weights: a pretrained tag, or a file.
        others: names that would have been right too.

    Raises:
        BadInput: one of them is unknown.
    """
    import open_clip

    known = open_clip.list_models()
    if model not in known:
        forms = "an import string 'module:factory', 'hf-hub:…' and 'local-dir:…' work too."
        raise BadInput(f"encoder '{model}' is not known.{nearest_name(model, [*known, *others])} Besides, {forms}")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights in tags or Path(weights).expanduser().is_file():
        return weights if weights in tags else str(Path(weights).expanduser())
    if not weights:
        raise BadInput(f"encoder '{model}' needs weights: write '{model}/<tag>'.{nearest_name('', tags)}")
    raise BadInput(f"'{weights}' is neither a tag of '{model}' nor a file.{nearest_name(weights, tags)}")


def list_open_clip() -> list[tuple[str, tuple[str, ...]]]:
    """Every model open_clip builds, with the tags its weights are published under (none for some)."""
    import open_clip

    return [(name, tuple(open_clip.list_pretrained_tags_by_model(name))) for name in open_clip.list_models()]


def load_folder(folder: Path, name: str, device: str, options: Mapping[str, Any]) -> OpenClipEncoder:
    """Load a model from a folder in open_clip's layout.

    Raises:
        BadInput: it holds none, or what it holds is damaged.
    """
    if not (folder / "open_clip_config.json").is_file():
        raise BadInput(
            f"encoder '{name}': {folder} holds no open_clip_config.json; name a folder in open_clip's layout."
        )
    try:
        check_model_folder(folder)
        for file in folder.glob("*.bin"):
            check_weights(file)
    except Refused as error:
        raise BadInput(f"encoder '{name}' could not be loaded: {folder}: {error}.") from None
    return load_open_clip(f"{FOLDER}{folder}", None, name, device, options)


def load_open_clip(
    model: str, weights: str | None, name: str, device: str, options: Mapping[str, Any]
) -> OpenClipEncoder:
    """Load a model by its name in open_clip, or `local-dir:folder`.

    Raises:
        BadInput: an option is unknown, or a local file is damaged.
        Unavailable: weights must be fetched and cannot be.
    """
    import open_clip
    from safetensors import SafetensorError

    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise BadInput(f"encoder '{name}' takes no option {unknown[0]}; it takes {' and '.join(OPTIONS)}.")
    pick_precision(device, str(options.get("precision", "auto")))
    if weights is not None and _is_file(weights):
        try:
            check_weights(Path(weights))
        except Refused as error:
            raise BadInput(f"encoder '{name}' could not be loaded: {weights}: {error}.") from None
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
    text = message_of(error, 300)
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
