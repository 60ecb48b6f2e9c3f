"""Sentence-transformers models: found in a folder or on the hub, checked, loaded when first used, encoding in batches.

A text's row is the same bits whatever else is encoded with it: texts are cut to tokens first, texts of one length go
through the model together, and every batch is filled up to one size, so that the same arithmetic is done each time.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from relaionet.manifests.containers.checkpoints import check_model_folder
from relaionet.manifests.containers.limits import JSON, Refused
from relaionet.manifests.containers.texts import parse_json, read_bounded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import message_of
from relaionet.manifests.files import file_sha256
from relaionet.pipeline.hub import HubAddress, check_name, fetch_snapshot

if TYPE_CHECKING:
    import numpy as np
    import torch

HUB, FOLDER, ORGANISATION = "sentence-hub:", "sentence-dir:", "sentence-transformers/"
KNOWN_HUB = tuple(
    ORGANISATION + name
    for name in (
        "all-mpnet-base-v2", "all-MiniLM-L12-v2", "all-MiniLM-L6-v2", "all-distilroberta-v1",
        "multi-qa-mpnet-base-dot-v1", "paraphrase-multilingual-MiniLM-L12-v2",
        "paraphrase-multilingual-mpnet-base-v2", "LaBSE",
    )
)  # fmt: skip
# what a model is made of; nothing that could hold code or a pickle is fetched or read
MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
MAX_BYTES = 20_000_000_000
MODULES = "sentence_transformers."
TOKENS_PER_BATCH, TOKENS_PER_BATCH_GPU = 256, 8192
OPTION = "max_tokens"


class SentenceEncoder:
    """A sentence-transformers model in a folder; loaded when first used: fp32 on a CPU, fp16 autocast on a GPU.

    Rows agree with the library's own `encode` to 1e-6 on a CPU. Texts longer than `max_tokens` are cut.

    Args:
        folder: in the library's layout.
        name: for reading.
        device: torch device name.
        max_tokens: longest text, in tokens; None takes the model's own.
    """

    def __init__(self, folder: Path, *, name: str, device: str, max_tokens: int | None = None) -> None:
        self.name = name
        self.fingerprint = fingerprint_folder(folder, max_tokens)
        self._folder, self._device, self._max_tokens = folder, device, max_tokens
        self._model: Any = None
        self._lock = RLock()  # shards at work at once share the model; its tokeniser is not made for threads

    @property
    def dim(self) -> int:
        """Length of a row; loads the model."""
        return int(self._load().get_embedding_dimension())

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """N texts -> [N, D] float32 unit rows."""
        import numpy as np

        with self._lock:
            tokens = self._tokenise(texts)
            rows = np.zeros((len(texts), self.dim), dtype=np.float32)
            for places, length, batch_size in plan_batches([len(ids) for ids in tokens], self._budget):
                filled = [tokens[place] for place in (*places, *[places[0]] * (batch_size - len(places)))]
                rows[places] = self._forward(filled, length)[: len(places)]
        return rows

    @property
    def _budget(self) -> int:
        return TOKENS_PER_BATCH if self._device == "cpu" else TOKENS_PER_BATCH_GPU

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        model = self._load()
        prompt = (model.prompts or {}).get(model.default_prompt_name) or ""
        limit = self._max_tokens or model.max_seq_length or 512
        if not texts:
            return []
        cut = model.tokenizer([prompt + text for text in texts], truncation=True, max_length=limit, padding=False)
        return list(cut["input_ids"])

    def _forward(self, batch: list[list[int]], length: int) -> np.ndarray:
        import torch

        model = self._load()
        padded = model.tokenizer.pad({"input_ids": batch}, padding="max_length", max_length=length, return_tensors="pt")
        features: dict[str, torch.Tensor] = {key: value.to(self._device) for key, value in padded.items()}  # [B, L]
        on_gpu = self._device.startswith("cuda")
        with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16, enabled=on_gpu):
            rows = model(features)["sentence_embedding"].float()  # [B, D]
        unit: np.ndarray = torch.nn.functional.normalize(rows, dim=-1).cpu().numpy()
        return unit

    def _load(self) -> Any:
        with self._lock:
            if self._model is None:
                self._model = _load_sentence_transformer(self._folder, self.name, self._device)
            return self._model


def plan_batches(lengths: Sequence[int], budget: int) -> Iterator[tuple[list[int], int, int]]:
    """Put texts of one length together.

    Args:
        lengths: tokens of each text.
        budget: tokens per batch, padding included.

    Yields:
        Places of the texts, the length in tokens they are padded to, and the number of texts the batch is to be filled
        up to. The last two depend on the text's own length alone.
    """
    by_length: dict[int, list[int]] = {}
    for place, count in enumerate(lengths):
        by_length.setdefault(_padded_length(count), []).append(place)
    for length, places in sorted(by_length.items()):
        batch_size = max(1, budget // length)
        for start in range(0, len(places), batch_size):
            yield places[start : start + batch_size], length, batch_size


def _padded_length(count: int) -> int:
    step = 1 if count <= 32 else 4 if count <= 64 else 16
    return -(-max(count, 1) // step) * step


def open_sentence_encoder(folder: Path, name: str, device: str, options: Mapping[str, Any]) -> SentenceEncoder:
    """Check a model's folder and options; the model itself is loaded when first used.

    Raises:
        BadInput: an option, the folder or the installation is wrong.
    """
    for option in options:
        if option != OPTION:
            raise BadInput(f"text encoder '{name}' takes no option '{option}'; it takes {OPTION}.")
    if importlib.util.find_spec("sentence_transformers") is None:
        raise BadInput(f"text encoder '{name}' needs sentence-transformers: pip install 'relaionet[text]'.")
    _check_folder(folder, name)
    return SentenceEncoder(folder, name=name, device=device, **options)


def _check_folder(folder: Path, name: str) -> None:
    """Check that a folder holds a model made of the library's own parts: a stranger's code is never imported."""
    try:
        modules = parse_json(read_bounded(folder / "modules.json", JSON.max_bytes))
        kinds = [str(module["type"]) for module in modules]
        check_model_folder(folder)
    except OSError:
        raise BadInput(
            f"text encoder '{name}': {folder} holds no modules.json, so it is no model of the kind."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, Refused):
            raise BadInput(f"text encoder '{name}' could not be loaded: {folder}: {error}.") from None
        raise BadInput(f"text encoder '{name}': {folder / 'modules.json'} is no list of modules.") from None
    foreign = [kind for kind in kinds if not kind.startswith(MODULES)]
    if foreign:
        raise BadInput(f"text encoder '{name}' wants to run {foreign[0]}, which is not the library's own; refused.")
    if not any(folder.rglob("*.safetensors")):
        raise BadInput(f"text encoder '{name}': {folder} holds no *.safetensors; other formats may hold code.")


def model_files(folder: Path) -> list[Path]:
    """The files a model is made of, sorted."""
    return sorted({path for pattern in MODEL_FILES for path in folder.rglob(pattern) if path.is_file()})


def fingerprint_folder(folder: Path, max_tokens: int | None) -> str:
    """sha256 (hex) over the names and bytes of a model's files, the cut and the library's major version."""
    major = importlib.metadata.version("sentence-transformers").partition(".")[0]
    digest = hashlib.sha256(f"sentence-transformers {major}|{max_tokens}".encode())
    for path in model_files(folder):
        digest.update(f"|{path.relative_to(folder).as_posix()} {file_sha256(path)}".encode())
    return digest.hexdigest()


def fetch_folder(spec: str) -> Path:
    """Folder of a hub model, `organisation/model[@revision]`, fetched where it is not in the hub's cache.

    Raises:
        BadInput: there is no such model; the nearest known one is named.
        Unavailable: it must be fetched and cannot be.
    """
    name, _, revision = spec.partition("@")
    check_name(name, revision or None)
    try:
        return fetch_snapshot(
            HubAddress(kind="model", repo_id=name, revision=revision or None), names=MODEL_FILES, max_bytes=MAX_BYTES
        )
    except BadInput as error:
        near = [] if name in KNOWN_HUB else difflib.get_close_matches(name, KNOWN_HUB, n=1)
        raise BadInput(f"text encoder '{spec}': {error}" + (f" Did you mean '{near[0]}'?" if near else "")) from None


def _load_sentence_transformer(folder: Path, name: str, device: str) -> Any:
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(str(folder), device=device, local_files_only=True, trust_remote_code=False)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        why = message_of(error, 300)
        raise BadInput(f"text encoder '{name}' could not be loaded from {folder}: {why}.") from error
    if not callable(getattr(model.tokenizer, "pad", None)):
        raise BadInput(f"text encoder '{name}' has no tokeniser of transformers' kind; name another.")
    return model.eval().float()
