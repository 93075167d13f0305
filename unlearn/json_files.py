"""Reads the JSON files that lie beside weights and worlds; knows nothing of what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unlearn.errors import ModelLoadError

LFS_START = b"version https://git-lfs"


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
