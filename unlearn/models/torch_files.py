"""Reads the tensors of a file of torch.save, and nothing else of it: no code of the file is imported or run.

Files of trainings hold more than tensors (settings, an optimiser's state). Whatever object they name besides, an empty one takes its place.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from unlearn.errors import ModelLoadError, first_line

if TYPE_CHECKING:
    from torch import Tensor

TORCH_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
NESTED = ("state_dict", "model_state_dict", "model", "module")  # under which trainings put the weights
AS_NUMBERS = "torch.save(model.state_dict(), FILE), or better safetensors.torch.save_file(model.state_dict(), FILE)"


class _LeftOut:
    """Takes the place of an object that is no weight."""

    def __new__(cls, *arguments: Any) -> _LeftOut:
        return super().__new__(cls)

    def __init__(self, *arguments: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def torch_tensors(file: Path, shown: str, with_numbers: bool = True) -> dict[str, Tensor]:
    """The weights of a file of torch.save by name, read with `weights_only`.

    Args:
        file: exists.
        shown: how messages name it.
        with_numbers: False: names, shapes and kinds of numbers only (tensors of the device "meta").

    Raises:
        ModelLoadError: the file is damaged, is code, or holds no weights by name.
    """
    import torch

    is_zip = zipfile.is_zipfile(file)
    if is_zip and _is_program(file):
        raise ModelLoadError(
            f"{shown} is a TorchScript program (as OpenAI's own files are), which is code and is not run; write its weights anew where you "
            "trust it: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)."
        )
    options: dict[str, Any] = {"map_location": "cpu" if with_numbers else "meta", "weights_only": True, "mmap": is_zip}
    try:
        further = torch.serialization.get_unsafe_globals_in_checkpoint(file) if is_zip else []
        with torch.serialization.safe_globals([(_LeftOut, name) for name in further]):
            content = torch.load(file, **options)
    except UnpicklingError as error:
        raise ModelLoadError(f"{shown} holds objects that cannot be left out; write its weights alone: {AS_NUMBERS}.") from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise ModelLoadError(f"{shown} is damaged ({first_line(error)}); copy or download it again.") from error
    weights = _weights_in(content)
    if not weights:
        raise ModelLoadError(f"{shown} holds no weights by name; write them with {AS_NUMBERS}.")
    return weights


def _is_program(file: Path) -> bool:
    with zipfile.ZipFile(file) as opened:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in opened.namelist())


def _weights_in(content: Any) -> dict[str, Tensor]:
    """The tensors of a dictionary, or of the one in it that holds the weights."""
    import torch

    if not isinstance(content, Mapping):
        return {}
    inside = next((content[key] for key in NESTED if isinstance(content.get(key), Mapping)), None)
    if inside is not None:
        return _weights_in(inside)
    return {name: value.detach() for name, value in content.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
