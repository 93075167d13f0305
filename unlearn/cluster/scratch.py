"""Folders that must not outlive the process that made them, whatever ends it: the next process that makes one removes what is left."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "in-use.lock"  # locked while the process runs


class Scratch:
    """A new folder that only its owner reads; `remove` it at the end."""

    def __init__(self, parent: Path, prefix: str) -> None:
        """Make it below `parent`, and remove those with the same prefix whose processes are gone.

        Raises:
            OSError: it cannot be made.
        """
        parent.mkdir(parents=True, exist_ok=True)
        _remove_left(parent, prefix)
        new = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=parent))
        self._lock = FileLock(new / LOCK, thread_local=False)
        self._lock.acquire()
        self.path = new.rename(parent / new.name.removeprefix("."))  # from now on it is locked, or nobody's

    def remove(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)  # what was written meanwhile


def _remove_left(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with suppress(Timeout, OSError):
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
