"""An object that a training leaves in its files: reading the weights must neither need nor run it; knows no assertion."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Foreign:
    """Reading it as pickle does makes the file `ran`."""

    ran = Path("/nonexistent")

    def __reduce__(self) -> tuple[Any, ...]:
        return _touch, (str(Foreign.ran),)


def _touch(path: str) -> None:
    Path(path).touch()
