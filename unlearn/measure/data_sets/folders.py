"""Looks through folders for classes and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from unlearn.errors import InputError
from unlearn.photos.reader import SUFFIXES
from unlearn.photos.uploads import is_system


def first_folder(root: Path, names: Sequence[str], is_meant: Callable[[Path], bool]) -> Path | None:
    """The first of the folders with these names in `root` ("" is itself) for which `is_meant` is true."""
    return next((path for name in names if is_meant(path := root / name)), None)


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted by name, without those that systems make; none where it does not exist.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not is_system(PurePosixPath(path.name)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"A folder of the data set cannot be read ({error.strerror}); check the path.") from None


def pictures_in(folder: Path) -> list[Path]:
    """The picture files that lie in a folder itself, sorted by name."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not is_system(PurePosixPath(path.name)) and path.is_file()
    )


def class_pictures(folder: Path, depth: int) -> dict[str, list[Path]]:
    """Name of each folder with pictures at most so deep -> these; two folders of one name are one class."""
    found: dict[str, list[Path]] = {}
    for path in _folders_below(folder, depth):
        if files := pictures_in(path):
            found.setdefault(path.name, []).extend(files)
    return found


def _folders_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in visible_folders(folder):
        yield path
        if depth > 1:
            yield from _folders_below(path, depth - 1)
