"""Files that are there whole or not at all, so that a build that is killed, or fills the disk, goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to instead; what was written takes the place of `path` when the block has ended well."""
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    partial.replace(path)


def save_array(path: Path, values: np.ndarray) -> None:
    """Write a .npy file."""
    with written_whole(path) as partial, partial.open("wb") as file:
        np.save(file, values)


def save_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8."""
    with written_whole(path) as partial:
        partial.write_text(text, "utf-8")
