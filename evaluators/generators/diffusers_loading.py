"""Loads a diffusers pipeline and says exactly what was loaded. Weights that are pickles are never unpickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaionet.evaluators.generators.weights import read_tensors
from relaionet.manifests.containers.checkpoints import check_model_folder
from relaionet.manifests.errors import BadInput, Unavailable, nearest_name
from relaionet.manifests.escape import message_of
from relaionet.manifests.files import digest_of, file_sha256, read_json
from relaionet.pipeline.hub import REPO_ID, HubAddress, fetch_snapshot, list_files

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
    pipeline = _load(kind, place, parts.where, torch_dtype=dtype)
    sources = [said]
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


def find_model(
    model: str, revision: str, base: Path, where: str, inside: str = "", *, is_part: bool = False
) -> tuple[Path, str]:
    """Where a model is on this machine, fetched and checked where it is on the Hub, and in words what it is.

    Args:
        model: a folder relative to `base`, or `owner/name`.
        revision: branch, tag or commit on the Hub.
        base: folder of the generator's file.
        where: names the generator in errors.
        inside: folder of one component in the model; empty for a whole pipeline, or where the model is the component.
        is_part: one component is wanted, not a pipeline.

    Raises:
        BadInput: it is neither, or is not there.
        Unavailable: the Hub does not answer.
    """
    folder = base / model
    if folder.is_dir():
        part = folder / inside
        files = sorted(path for path in part.rglob("*") if path.is_file() and path.suffix in LOADED)
        digest = digest_of([(path.relative_to(part).as_posix(), file_sha256(path)) for path in files])
        return folder, f"folder {folder.name} sha256:{digest}"
    if not REPO_ID.fullmatch(model):
        raise BadInput(f"{where}: model '{model}' is neither a folder nor owner/name on the Hub.")
    first = f"{inside}/config.json".lstrip("/") if inside or is_part else "model_index.json"
    snapshot = fetch_snapshot(HubAddress(kind="model", repo_id=model, revision=revision or None), names=(first,))
    if not (snapshot / first).is_file():
        raise BadInput(f"{where}: {model} has no {first}; it is no pipeline of diffusers.")
    pinned = HubAddress(kind="model", repo_id=model, revision=snapshot.name)
    try:
        files_there = list_files(pinned)
    except Unavailable:  # without a network, what was fetched before is all there is
        files_there = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    parts = [inside] if inside or is_part else _part_names(snapshot / first)
    return fetch_snapshot(pinned, names=pick_files(files_there, parts)), f"{model}@{snapshot.name}"


def _part_names(index: Path) -> list[str]:
    """Folders of a pipeline's parts; a part it does without is written as [null, null]."""
    return [name for name, about in read_json(index).items() if isinstance(about, list) and about[:1] != [None]]


def pick_files(files: Sequence[str], folders: Sequence[str]) -> list[str]:
    """The files of a pipeline's parts that are loaded: settings, words, and safetensors that are no variant.

    Args:
        files: all paths of a repository.
        folders: names of its parts.
    """

    def is_loaded(name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if file.endswith(
            ".safetensors"
        ):  # single-file copies lie at a pipeline's top, variants have a dot in their name
            return folder in folders and "." not in file.removesuffix(".safetensors")
        return (not folder or folder in folders) and file.endswith(LOADED)

    return [name for name in files if is_loaded(name)]


def _load(kind: Any, place: Path, where: str, **options: Any) -> Any:
    try:
        check_model_folder(place)
        return kind.from_pretrained(place, use_safetensors=True, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        text = message_of(error, 300)
        raise BadInput(f"{where}: {place.name} could not be loaded as {kind.__name__}: {text}") from error


def load_part(kind: str, place: Path, inside: str, where: str) -> Any:
    """One component of a model on this machine, float32, of a class of diffusers.

    Raises:
        BadInput: it is not there or of another kind.
    """
    try:
        import diffusers
    except ImportError:
        raise BadInput(f"{where} needs diffusers: pip install 'relaionet[diffusers]'.") from None
    config = place / inside / "config.json"
    found = read_json(config).get("_class_name") if config.is_file() else "nothing with a config.json"
    if found != kind:
        raise BadInput(f"{where}: {place.name} holds an {found}, expected {kind}.")
    return _load(_class_of(diffusers, kind, where), place, where, **({"subfolder": inside} if inside else {}))


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
            current.load_state_dict({key: value.to(dtype) for key, value in read_tensors(path, where).items()})
        except (RuntimeError, AttributeError) as error:
            raise BadInput(f"{where}: {path.name} does not fit: {message_of(error)}.") from None
        return f"{name}: {said}"
    inside = about.get("subfolder", "")
    place, said = find_model(model, revision, parts.base, where, inside)
    options = {"subfolder": inside} if inside else {}
    setattr(pipeline, name, _load(type(current), place, where, torch_dtype=dtype, **options))
    return f"{name}: {said}"


def _add_lora(pipeline: Any, about: Mapping[str, Any], parts: Parts) -> str:
    where = f"{parts.where}, [[loras]]"
    _check_keys(about, LORA_KEYS, where)
    if not hasattr(pipeline, "load_lora_weights"):
        raise BadInput(f"{where}: {type(pipeline).__name__} takes no LoRA.")
    file = str(about.get("file", "pytorch_lora_weights.safetensors"))
    path, said = fetch_file(str(about.get("model", "")), file, str(about.get("revision", "")), parts.base, where)
    state = read_tensors(path, where)
    try:
        pipeline.load_lora_weights(state)
        pipeline.fuse_lora(lora_scale=float(about.get("scale", 1.0)))
        pipeline.unload_lora_weights()
    except ImportError as error:
        raise BadInput(f"{where}: {error}; pip install peft.") from None
    except (ValueError, KeyError, RuntimeError) as error:
        raise BadInput(f"{where}: {file} does not fit: {message_of(error)}.") from None
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
