"""Pictures of a run inside the page of its report, which needs no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from unlearn.errors import InputError


def embedded(path: Path) -> str:
    """A PNG or WebP file as a data URI.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return f"data:image/{path.suffix[1:]};base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
