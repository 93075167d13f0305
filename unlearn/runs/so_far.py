"""What is known of a run that is still at work: a folder within its own, laid out as a finished run and gone when the run ends.

It is read while it is written, so each file is written whole. It exists for whoever watches the run; the results are written anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.files import disk_errors
from unlearn.runs.film_records import Film
from unlearn.runs.records import Attacks, PortraitEntry
from unlearn.runs.results import read_part, write_results

SO_FAR = "so-far"


@dataclass(frozen=True)
class SoFar:
    """The writing side; `folder` is the folder within that of the run."""

    folder: Path

    def write(self, **parts: Any) -> None:
        """Show parts of the results, as of `write_results`.

        Raises:
            InputError: the disk is full, or the folder cannot be written.
        """
        with disk_errors(str(self.folder)):
            self.folder.mkdir(exist_ok=True)
        write_results(self.folder, **parts)

    def remove(self) -> None:
        """Show nothing any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def so_far_of(run: Path) -> SoFar:
    """What a run shows while it is at work."""
    return SoFar(run / SO_FAR)


@contextmanager
def nothing_left(run: Path) -> Iterator[None]:
    """Work on a run that shows something; nothing of that is left behind it, however it ends."""
    so_far_of(run).remove()
    try:
        yield
    finally:
        so_far_of(run).remove()


@dataclass(frozen=True)
class EvidenceSoFar:
    """The reading side: verdicts, portraits and the film, as far as they are there; a verdict that is not known yet has None."""

    idia: Attacks
    portraits: tuple[PortraitEntry, ...]
    film: Film

    @property
    def is_empty(self) -> bool:
        """True before anything is known."""
        return not (self.idia.persons or self.portraits or self.film.frames)


def read_so_far(run: Path) -> EvidenceSoFar:
    """What is known of a run that is at work; empty where it shows nothing (any more).

    Raises:
        InputError: a file of it is damaged.
    """
    folder = run / SO_FAR
    return EvidenceSoFar(read_part(folder, "idia"), read_part(folder, "portraits"), read_part(folder, "film"))
