"""Removes photos that lie in the data folder too long: uploads that were chosen but never sent or broke off, and found faces.

Gradio removes whole uploads that nobody used, but not the part of one that broke off: that is nobody's in its books. What a
search found goes when the job that it belongs to is done; this is for the searches whose job failed. Knows files only.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from pathlib import Path

EVERY_S = 120.0
UPLOADS_KEPT_S = 1200.0  # since the last byte came
FACES_KEPT_S = 3000.0  # since they were found; with what is waited in between, less than an hour
FACES = ("faces", "shown")  # as `ui.worker.photos` calls them in a search's folder


class PhotoSweep(threading.Thread):
    """Sweeps every two minutes until it is stopped."""

    def __init__(self, uploads: Path, runs_dir: Path) -> None:
        super().__init__(name="photo-sweep", daemon=True)
        self._uploads, self._runs_dir, self._stopped = uploads, runs_dir, threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            with contextlib.suppress(OSError):  # the next round may work
                sweep_uploads(self._uploads, UPLOADS_KEPT_S)
                sweep_faces(self._runs_dir, FACES_KEPT_S)

    def stop(self) -> None:
        """End the thread with its next look at the time."""
        self._stopped.set()


def sweep_uploads(folder: Path, kept_s: float) -> int:
    """Remove files that were written longer ago than `kept_s`, and folders that are empty since then; how many files."""
    before, n_removed = time.time() - kept_s, 0
    paths = sorted(folder.rglob("*"), reverse=True) if folder.is_dir() else []  # what is inside a folder comes before it
    for path in paths:
        with contextlib.suppress(OSError):  # taken or removed meanwhile; or a folder that is not empty
            if path.stat().st_mtime > before:
                continue
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
                n_removed += 1
    return n_removed


def sweep_faces(runs_dir: Path, kept_s: float) -> int:
    """Remove the pictures of searches that were made longer ago than `kept_s`; how many folders."""
    before, n_removed = time.time() - kept_s, 0
    for name in FACES:
        for folder in runs_dir.glob(f"*/{name}"):
            with contextlib.suppress(OSError):
                if folder.stat().st_mtime <= before:
                    shutil.rmtree(folder)
                    n_removed += 1
    return n_removed
