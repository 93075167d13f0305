"""Which files of a run's folder may leave it; reads no content and imports no torch."""

from __future__ import annotations

from pathlib import Path

from unlearn.files import CACHE


def taken_home(run: Path) -> list[Path]:
    """The files of a run that may leave it, sorted."""
    return sorted(path for path in run.rglob("*") if path.is_file() and not stays(run, path))


def stays(run: Path, path: Path) -> bool:
    """Whether a file below the run's folder must not leave it, however its path is written."""
    return path.resolve().is_relative_to(run.resolve() / CACHE)
