"""Unexpected errors for users and logs: recognises a lack of memory, and names the places in the code without values or folders."""

from __future__ import annotations

import traceback
from pathlib import Path

from unlearn.errors import OutOfMemory, UnlearnError
from unlearn.memory import is_out_of_memory

ROOT = Path(__file__).resolve().parent.parent.parent
_HELPS = "Ask for fewer portraits or persons at once, or a smaller batch"


def lack_of_memory(error: BaseException) -> OutOfMemory | None:
    """The error as `OutOfMemory` if memory was short, also where another error was raised from it; else None.

    What an error of ours says is not looked at, because it may quote what a user wrote; what it was made from is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OutOfMemory):
            return cause
        if not isinstance(cause, UnlearnError) and is_out_of_memory(cause):
            is_gpu = "cuda" in f"{type(cause).__name__} {cause}".lower() or "cublas" in str(cause).lower()
            if is_gpu:
                return OutOfMemory(f"The memory of the GPU did not suffice. {_HELPS}, or use --device cpu, or a GPU with more memory.")
            return OutOfMemory(f"The memory of this machine did not suffice. {_HELPS}, or use a machine with more memory.")
        cause = cause.__cause__
    return None


def places(error: BaseException) -> str:
    """Where an error was raised, innermost last, and its kind: files from the project's folder on, no text of the error."""
    lines = [f"{_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    kinds, cause = [type(error).__name__], error.__cause__
    while cause is not None:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return "\n".join([*lines, " from ".join(kinds)])


def _short(file: str) -> str:
    """A file below the project or among installed packages without the folders above; else its name alone."""
    path = Path(file)
    for mark in ("site-packages", "dist-packages"):
        if mark in path.parts:
            return "/".join(path.parts[path.parts.index(mark) + 1 :])
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
