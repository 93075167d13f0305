"""Reads the JSON files that lie beside weights and worlds."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from unlearn.errors import InputError, ModelLoadError
from unlearn.modes import new_file

LFS_START = b"version https://git-lfs"

Content = TypeVar("Content")


def lfs_pointer(start: bytes) -> str:
    """ "a git-LFS pointer" where a file begins as one, else ""; a repository cloned without git-LFS has pointers for its large files."""
    return "a git-LFS pointer" if start.startswith(LFS_START) else ""


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model set.

    Raises:
        ModelLoadError: missing, unreadable, no JSON, or no object.
    """
    shown = f"{path.parent.name}/{path.name}"
    try:
        raw = path.read_bytes()
        if pointer := lfs_pointer(raw):
            raise ModelLoadError(f"{shown} is {pointer} and not the file itself; run `git lfs pull` in its repository.")
        content = json.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ModelLoadError(f"{shown} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{shown} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelLoadError(f"{shown} does not hold a JSON object.")
    return content


@contextlib.contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turns what goes wrong with a disk into one `InputError` that says what could not be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        is_full = getattr(error, "errno", None) == errno.ENOSPC or "StorageFull" in str(error) or "code: 28" in str(error)
        reason = "the disk is full; free some space" if is_full else str(error)
        raise InputError(f"{what} cannot be written: {reason}.") from error


def require_space(folder: Path, n_bytes: int) -> None:
    """Raise `InputError` before any work is done where the disk of `folder` has less room than `n_bytes`."""
    with disk_errors(f"The folder {folder}"):
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        free = shutil.disk_usage(existing).free
    if free < n_bytes:
        raise InputError(
            f"{folder} needs about {n_bytes / 1e6:.0f} MB, but its disk has only {free / 1e6:.0f} MB left; "
            "free some space or choose another folder."
        )


def check_writable(path: Path) -> None:
    """Raise `InputError` before long work whose result could not be written to the file `path`."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    with disk_errors(str(path)):
        handle, temporary = new_file(path.parent)
        os.close(handle)
        temporary.unlink()


def also_written(out: Path | None, compute: Callable[[], Content]) -> Content:
    """What is computed, written as JSON to a file, too, where one is given; that file is checked before anything is computed.

    Raises:
        InputError: the file's folder is missing.
    """
    if out is not None:
        check_writable(out)
    content = compute()
    if out is not None:
        write_json(out, content)
    return content


def write_json(path: Path, content: object) -> None:
    """Write JSON whole or not at all (under another name, then renamed)."""
    with disk_errors(str(path)):
        handle, temporary = new_file(path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def read_json_file(path: Path) -> Any:
    """Content of a JSON file of a run.

    Raises:
        InputError: missing or unreadable.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CACHE = "cache"  # embeddings for later questions to the run, some of them of photos: neither shown, served nor packed
