"""Finds the weight files of a model set: on this machine first, then (unless told not to) from the network.

Order of search for a checkpoint or a folder: the path itself, `Settings.models_dir`, the download
cache of the Hugging Face client, the network. Without a network the answer comes within seconds: the client's own retries are
never entered blindly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.hub import hub_file, hub_folder
from unlearn.models.clip_folders import CHECKPOINT_NAMES, checkpoint_of
from unlearn.models.diffusion_parts import PARTS as DIFFUSION_PARTS
from unlearn.models.diffusion_parts import missing_parts, require_complete, require_fitting
from unlearn.models.sets import ModelSet
from unlearn.models.weight_files import READ, SUFFIXES, files_of_other_formats, stored_tensors

CHECKPOINT_NAME = CHECKPOINT_NAMES[0]
DIFFUSION_FILES = ["*.json", "*.txt", "*.safetensors"]  # of a repository


def find_checkpoint(model_set: ModelSet, settings: Settings) -> Path:
    """The checkpoint of the set's CLIP.

    Raises:
        ModelLoadError: not found; the message says which file, where it was looked for and how to get it.
    """
    if model_set.clip_folder is not None:
        return _existing(checkpoint_of(model_set.clip_folder), f"the CLIP weights of set {model_set.name!r}")
    as_path = Path(os.path.expanduser(model_set.weights))
    if as_path.suffix or os.sep in model_set.weights:
        return _existing(_of_known_format(as_path), f"the checkpoint of set {model_set.name!r}")
    stem = f"{model_set.clip}-{model_set.weights}"
    places = list(_local_checkpoints(stem, settings))
    for place in places:
        if os.path.isfile(place):  # False for a name too long to be a path, too
            return place
    repository = _hub_repository(model_set)
    return hub_file(repository, CHECKPOINT_NAME, places[:1], settings.offline)


def find_diffusion(model_set: ModelSet, settings: Settings) -> Path:
    """The folder of the set's Stable Diffusion, in the layout of diffusers, with all files that drawing needs.

    A model in one file is written as a folder below the data folder first.

    Raises:
        ModelLoadError: the set has none, or it was not found, lacks a part, has a damaged one or parts that do not fit each other.
    """
    diffusion = require_diffusion(model_set)
    folder = Path(os.path.expanduser(diffusion))
    if os.path.isfile(folder):
        folder = _folder_of_file(folder, settings)
    elif not os.path.isdir(folder):
        if not _is_repository(diffusion):
            raise ModelLoadError(f"The folder {folder} of a Stable Diffusion does not exist; check the path.")
        folder = _diffusion_from_repository(diffusion, settings)
    name = Path(diffusion).name
    require_complete(folder, name)
    require_fitting(folder, name)
    return folder


def _folder_of_file(file: Path, settings: Settings) -> Path:
    from unlearn.models.one_file import folder_of_file  # imports torch

    return folder_of_file(_of_known_format(file), settings.data_dir)


def require_diffusion(model_set: ModelSet) -> str:
    """Folder or repository of the set's Stable Diffusion; raises `ModelLoadError` where it has none."""
    if model_set.diffusion is None:
        raise ModelLoadError(
            f"Model set {model_set.name!r} has no Stable Diffusion; add one behind a '+', "
            f"such as {model_set.name}+/path/to/stable-diffusion-v1-4."
        )
    return model_set.diffusion


def _is_repository(name: str) -> bool:
    """Whether a repository of the Hub can have this name, as opposed to a path of this machine."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def _existing(path: Path, what: str) -> Path:
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise ModelLoadError(f"{path.name}, {what}, is a folder; give the .safetensors file in it.")
    if os.path.isdir(path.parent) and (other := files_of_other_formats(path.parent)):
        raise ModelLoadError(f"{path.name}, {what}, does not exist. Beside it lies {other[0]}, but {READ}; give such a file.")
    raise ModelLoadError(f"{path}, {what}, does not exist; check the path.")


def _of_known_format(path: Path) -> Path:
    if os.path.isdir(path):
        inside = next((file.name for file in sorted(path.glob("*")) if file.name.endswith(SUFFIXES)), CHECKPOINT_NAME)
        raise ModelLoadError(
            f"{path.name} is a folder, where the file of a checkpoint is needed; give a file in it, such as {path.name}/{inside}, or the "
            "folder alone, without the name of a model."
        )
    if path.suffix.lower() not in SUFFIXES:
        raise ModelLoadError(f"{path.name} is no file of weights that can be read; {READ}.")
    return path


def _local_checkpoints(stem: str, settings: Settings) -> Iterator[Path]:
    if settings.models_dir is not None:
        yield from (settings.models_dir / stem / name for name in CHECKPOINT_NAMES)
        yield from (settings.models_dir / f"{stem}{suffix}" for suffix in SUFFIXES)


def published_tag(model_set: ModelSet) -> dict[str, Any]:
    """What open_clip knows about the set's weights (repository, activation, preprocessing); {} for other weights."""
    from open_clip.pretrained import get_pretrained_cfg

    base = model_set.clip.removesuffix("-quickgelu")  # tags are mostly listed under the plain name
    tag = get_pretrained_cfg(model_set.clip, model_set.weights) or get_pretrained_cfg(base, model_set.weights)
    return dict(tag)


def _hub_repository(model_set: ModelSet) -> str:
    from open_clip.pretrained import list_pretrained_tags_by_model

    known = published_tag(model_set)
    if not known:
        tags = ", ".join(list_pretrained_tags_by_model(model_set.clip)) or "none; the model name is unknown"
        raise ModelLoadError(
            f"open_clip knows no weights {model_set.weights!r} for {model_set.clip!r}. Its tags: {tags}."
        )
    repository = str(known.get("hf_hub", "")).rstrip("/")
    if repository.count("/") != 1:
        raise ModelLoadError(
            f"{model_set.clip} {model_set.weights} is published without a safetensors file; "
            "download it, convert it, and give the path instead of the tag."
        )
    return repository


def _diffusion_from_repository(repository: str, settings: Settings) -> Path:
    places = []
    if settings.models_dir is not None:
        places = [settings.models_dir / repository, settings.models_dir / repository.partition("/")[2]]
    for place in places:
        if place.is_dir():
            return place
    patterns = ["model_index.json", *(f"{part}/{pattern}" for part in DIFFUSION_PARTS for pattern in DIFFUSION_FILES)]
    ignored = ("*.fp16.safetensors", "*non_ema*")
    return hub_folder(repository, patterns, _is_complete, [Path(repository), *places], settings.offline, ignored)


def _is_complete(folder: Path) -> bool:
    return not missing_parts(folder)


def is_at_hand(model_set: ModelSet, settings: Settings) -> bool:
    """Whether everything of the set is on this machine; asks no network."""
    local = replace(settings, offline=True)
    try:
        stored_tensors(find_checkpoint(model_set, local))  # a git-LFS pointer is not at hand
        if model_set.diffusion is not None:
            find_diffusion(model_set, local)
    except ModelLoadError:
        return False
    return True
