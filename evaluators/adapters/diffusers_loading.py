"""Loads a diffusers pipeline and says exactly what was loaded. Weights that are pickles are never unpickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.manifests.errors import BadInput, Corrupt, Unavailable, nearest_name
from relaionet.manifests.store import digest_of, file_sha256
from relaionet.pipeline.hub import REPO_ID, HubAddress, cached_commit, fetch_snapshot, hub_errors

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LOADED = (".json", ".safetensors", ".model", ".txt")
COMPONENT_KEYS = ("model", "subfolder", "revision", "file")
LORA_KEYS = ("model", "file", "scale", "revision")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a pipeline is put together from; see `diffusers.make_diffusers`."""

    name: str
    model: str
    revision: str
    pipeline: str
    precision: str
    scheduler: Mapping[str, Any]
    components: Mapping[str, Mapping[str, str]]
    loras: Sequence[Mapping[str, Any]]
    offload: bool
    device: str
    base: Path

    @property
    def where(self) -> str:
        """Names the generator in errors."""
        return f"generator '{self.name}'"


def precision_of(precision: str, device: str, name: str) -> str:
    """The type of the weights; `auto` is float32 on a CPU and bfloat16 on a GPU.

    Raises:
        BadInput: it is none.
    """
    if precision not in PRECISIONS:
        raise BadInput(f"generator '{name}': precision is '{precision}'.{nearest_name(precision, PRECISIONS)}")
    if precision != "auto":
        return precision
    return "float32" if device == "cpu" else "bfloat16"


def load_pipeline(parts: Parts) -> tuple[Any, str]:
    """Load a pipeline with its parts replaced, on its device.

    Returns:
        The pipeline, and in words what it was loaded from: commits and hashes.

    Raises:
        BadInput: an unknown class, key or file, or a model that is not there or that this machine may not read.
        Unavailable: the Hub does not answer.
        Corrupt: weights cannot be read.
    """
    try:
        import diffusers
    except ImportError:
        raise BadInput(f"{parts.where} needs diffusers: pip install 'relaionet[diffusers]'.") from None
    import torch

    kind = _class_of(diffusers, parts.pipeline, parts.where)
    dtype = getattr(torch, parts.precision)
    place, said = find_model(parts.model, parts.revision, parts.base, parts.where)
    pipeline = _load(
        kind, place, parts.where, torch_dtype=dtype, use_safetensors=True, **_revision(place, parts.revision)
    )
    sources = [said or cached_commit(parts.model, parts.revision)]
    for name, about in parts.components.items():
        sources.append(_replace(pipeline, name, about, parts, dtype))
    for about in parts.loras:
        sources.append(_add_lora(pipeline, about, parts))
    if parts.scheduler:
        _set_scheduler(diffusers, pipeline, parts)
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None  # it blackens pictures, which would count as failed
    if parts.offload and parts.device != "cpu":
        pipeline.enable_model_cpu_offload(device=parts.device)
    else:
        pipeline.to(parts.device)
    return pipeline, "; ".join(sources)


def _class_of(diffusers: Any, name: str, where: str) -> Any:
    found = getattr(diffusers, name, None)
    if not isinstance(found, type):
        raise BadInput(
            f"{where}: diffusers {diffusers.__version__} has no '{name}'.{nearest_name(name, dir(diffusers))}"
        )
    return found


def find_model(model: str, revision: str, base: Path, where: str) -> tuple[str, str]:
    """Where a model is: a folder and the hash of what is in it, or a name on the Hub and nothing.

    Raises:
        BadInput: neither.
    """
    folder = base / model
    if folder.is_dir():
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and path.suffix in (".json", ".safetensors")
        )
        digest = digest_of([(path.relative_to(folder).as_posix(), file_sha256(path)) for path in files])
        return str(folder), f"folder {folder.name} sha256:{digest}"
    if not REPO_ID.fullmatch(model):
        raise BadInput(f"{where}: model '{model}' is neither a folder nor owner/name on the Hub.")
    return model, ""


def _revision(place: str, revision: str) -> dict[str, str]:
    return {"revision": revision} if revision and REPO_ID.fullmatch(place) and not Path(place).is_dir() else {}


def _load(kind: Any, place: str, where: str, **options: Any) -> Any:
    address = HubAddress(kind="model", repo_id=place if REPO_ID.fullmatch(place) else "local/folder")
    try:
        with hub_errors(address):
            return kind.from_pretrained(place, **options)
    except (BadInput, Unavailable, Corrupt):
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:300]
        if "connect" in text.lower() or "offline" in text.lower():
            raise Unavailable(f"{where}: {place} could not be fetched: {text}") from error
        raise BadInput(f"{where}: {place} could not be loaded as {kind.__name__}: {text}") from error


def _check_keys(about: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in about:
        if key not in known:
            raise BadInput(f"{where}: unknown key '{key}'.{nearest_name(key, known)}")


def fetch_file(model: str, file: str, revision: str, base: Path, where: str) -> tuple[Path, str]:
    """One file, of a folder or of a repository on the Hub, checked; and where it came from in words.

    Raises:
        BadInput: it is not there.
        Unavailable: the Hub does not answer.
    """
    folder = base / model if model else base
    if folder.is_dir():
        path = folder / file
        if not path.is_file():
            raise BadInput(f"{where}: {path} does not exist.")
        return path, f"{path.name} sha256:{file_sha256(path)}"
    if not REPO_ID.fullmatch(model):
        raise BadInput(f"{where}: model '{model}' is neither a folder nor owner/name on the Hub.")
    snapshot = fetch_snapshot(HubAddress(kind="model", repo_id=model, revision=revision or None), names=(file,))
    if not (snapshot / file).is_file():
        raise BadInput(f"{where}: {model} has no file {file}.")
    return snapshot / file, f"{model}@{snapshot.name}/{file}"


def read_state(path: Path, where: str) -> dict[str, Any]:
    """Tensors of a file: safetensors, or a checkpoint of torch read without unpickling anything else.

    Raises:
        Corrupt: it cannot be read so.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise Corrupt(f"{where}: weights {path} cannot be read: {' '.join(str(error).split())[:200]}.") from None
    return state


def _replace(pipeline: Any, name: str, about: Mapping[str, str], parts: Parts, dtype: Any) -> str:
    """Another component, or other weights for the one there."""
    where = f"{parts.where}, [components.{name}]"
    _check_keys(about, COMPONENT_KEYS, where)
    current = getattr(pipeline, name, None)
    if current is None:
        raise BadInput(f"{where}: the pipeline has no such part.{nearest_name(name, pipeline.components)}")
    model, revision = about.get("model", ""), about.get("revision", "")
    if "file" in about:
        path, said = fetch_file(model, about["file"], revision, parts.base, where)
        try:
            current.load_state_dict({key: value.to(dtype) for key, value in read_state(path, where).items()})
        except (RuntimeError, AttributeError) as error:
            raise BadInput(f"{where}: {path.name} does not fit: {' '.join(str(error).split())[:200]}.") from None
        return f"{name}: {said}"
    place, said = find_model(model, revision, parts.base, where)
    options = {"subfolder": about["subfolder"]} if "subfolder" in about else {}
    setattr(
        pipeline, name,
        _load(type(current), place, where, torch_dtype=dtype, use_safetensors=True, **options,
              **_revision(place, revision)),
    )  # fmt: skip
    return f"{name}: {said or cached_commit(model, revision)}"


def _add_lora(pipeline: Any, about: Mapping[str, Any], parts: Parts) -> str:
    where = f"{parts.where}, [[loras]]"
    _check_keys(about, LORA_KEYS, where)
    if not hasattr(pipeline, "load_lora_weights"):
        raise BadInput(f"{where}: {type(pipeline).__name__} takes no LoRA.")
    file = str(about.get("file", "pytorch_lora_weights.safetensors"))
    path, said = fetch_file(str(about.get("model", "")), file, str(about.get("revision", "")), parts.base, where)
    state = read_state(path, where)
    try:
        pipeline.load_lora_weights(state)
        pipeline.fuse_lora(lora_scale=float(about.get("scale", 1.0)))
        pipeline.unload_lora_weights()
    except ImportError as error:
        raise BadInput(f"{where}: {error}; pip install peft.") from None
    except (ValueError, KeyError, RuntimeError) as error:
        raise BadInput(f"{where}: {file} does not fit: {' '.join(str(error).split())[:200]}.") from None
    return f"LoRA {said} x {float(about.get('scale', 1.0)):g}"


def _set_scheduler(diffusers: Any, pipeline: Any, parts: Parts) -> None:
    where = f"{parts.where}, [scheduler]"
    about = dict(parts.scheduler)
    kind = _class_of(diffusers, str(about.pop("class", type(pipeline.scheduler).__name__)), where)
    made = kind.from_config(pipeline.scheduler.config, **about)
    unknown = [key for key in about if key not in made.config]
    if unknown:
        raise BadInput(
            f"{where}: {kind.__name__} has no setting '{unknown[0]}'.{nearest_name(unknown[0], made.config)}"
        )
    pipeline.scheduler = made
