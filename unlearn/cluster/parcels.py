"""Files of a folder as pieces of bytes: what travels to another machine, and what has changed when it comes back."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unlearn.errors import UnlearnError
from unlearn.modes import new_file

MAX_BYTES = 8 * 2**20  # of the pieces that travel at once

FileState = tuple[int, int, int]  # another one when the content of a file is another


@dataclass(frozen=True)
class Piece:
    """Part of a file.

    Attributes:
        path: relative to the data folder, with "/".
        content: its bytes, behind those of the pieces before it.
        is_last: the file ends with it.
    """

    path: str
    content: bytes
    is_last: bool


def files_below(root: Path, folders: Iterable[str]) -> dict[str, FileState]:
    """Path relative to `root` -> state, of all files in some of its folders, the one that was changed last at the end.

    What is written last, such as a manifest, thus arrives last.
    """
    found = {}
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                found[path.relative_to(root).as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return dict(sorted(found.items(), key=lambda row: row[1][0]))


def pieces_of(root: Path, paths: Iterable[str]) -> Iterator[list[Piece]]:
    """The files in lists of pieces of at most `MAX_BYTES` together; a file that is gone meanwhile is left out."""
    ready: list[Piece] = []
    n_bytes = 0
    for path in paths:
        for piece in _pieces(root, path):
            if ready and n_bytes + len(piece.content) > MAX_BYTES:
                yield ready
                ready, n_bytes = [], 0
            ready.append(piece)
            n_bytes += len(piece.content)
    if ready:
        yield ready


def _pieces(root: Path, path: str) -> Iterator[Piece]:
    try:
        file = (root / path).open("rb")
    except FileNotFoundError:
        return
    with file:
        content = file.read(MAX_BYTES)
        while following := file.read(MAX_BYTES):
            yield Piece(path, content, False)
            content = following
        yield Piece(path, content, True)


class Unpacker:
    """Writes pieces below a data folder, in some of its folders only; a file takes its name when it is whole."""

    def __init__(self, root: Path, folders: Collection[str]) -> None:
        self._root, self._folders = root, [PurePosixPath(folder) for folder in folders]
        self._open: tuple[str, int, Path] | None = None  # of the file that is not whole yet: path, handle, where it is written

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write pieces in the order in which they were made.

        Raises:
            OSError: the disk is full, or a folder cannot be written.
            UnlearnError: a path lies elsewhere.
        """
        for piece in pieces:
            path = self._allowed(piece.path)
            if self._open is None or self._open[0] != piece.path:
                self.close()
                path.parent.mkdir(parents=True, exist_ok=True)
                self._open = (piece.path, *new_file(path.parent))
            _, handle, temporary = self._open
            rest = memoryview(piece.content)
            while rest:
                rest = rest[os.write(handle, rest) :]
            if piece.is_last:
                os.close(handle)
                self._open = None
                temporary.replace(path)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, and the folders that are empty then."""
        for name in paths:
            path = self._allowed(name)
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if not self._is_inside(PurePosixPath(folder.relative_to(self._root))) or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()

    def close(self) -> None:
        """Drop a file that did not become whole."""
        if self._open is not None:
            _, handle, temporary = self._open
            self._open = None
            os.close(handle)
            temporary.unlink(missing_ok=True)

    def _is_inside(self, path: PurePosixPath) -> bool:
        return any(path.is_relative_to(folder) for folder in self._folders)

    def _allowed(self, name: str) -> Path:
        path = PurePosixPath(name)
        if ".." in path.parts or not self._is_inside(path):
            raise UnlearnError("Another machine sent a file for a folder that is none of its job's.")
        return self._root / path
