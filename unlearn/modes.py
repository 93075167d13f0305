"""Paths as users write them, a home folder where there is none, and who may read what is written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE = 0o600


def new_file(folder: Path) -> tuple[int, Path]:
    """A new empty file in a folder, open for writing, to be renamed when it is whole; its mode follows the umask.

    Those of `tempfile.mkstemp` are for their owner alone, and stay so when they are renamed.
    """
    path = folder / f"{secrets.token_hex(8)}.part"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), path


def follow_umask(path: Path) -> None:
    """Set the mode of a file to that of files made in the plain way; safetensors makes them for their owner alone."""
    handle, plain = new_file(path.parent)  # asking for the umask would change it for all threads for a moment
    try:
        path.chmod(os.fstat(handle).st_mode & 0o777)
    finally:
        os.close(handle)
        plain.unlink()


def make_private(path: Path) -> None:
    """Make sure that a file exists and that only its owner reads and writes it, whatever the umask."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE))
    path.chmod(PRIVATE)
