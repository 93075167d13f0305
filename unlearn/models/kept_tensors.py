"""Computed tensors kept in a folder for the next time, up to a total size; what was used least recently goes first.

Whatever goes wrong costs the time of the next computation and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from unlearn.modes import new_file

FORMAT = "2"  # begins every key
FIRST_FORMAT = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")  # keys without it: these files may hold what belongs to a person

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptTensors:
    """The tensors of a folder, one in a file, by key.

    Attributes:
        folder: made when first needed.
        max_bytes: the files together are no larger than this; a single tensor that is larger is not kept.
    """

    folder: Path
    max_bytes: int

    def __post_init__(self) -> None:
        for path in self._files():
            if FIRST_FORMAT.fullmatch(path.stem):
                _remove(path)

    def read(self, key: str, name: str) -> Tensor | None:
        """What `write` kept, which counts as used now; None: nothing that can be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._path(key)
        try:
            tensor: Tensor = load_file(path)[name]
        except (OSError, KeyError, SafetensorError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return tensor

    def write(self, key: str, name: str, tensor: Tensor) -> None:
        """Keep a tensor; where that is not possible, the log says so and work goes on.

        Under another name first, then renamed: a half-written file is never found.
        """
        from safetensors.torch import save

        path, content = self._path(key), save({name: tensor.contiguous()})
        if len(content) > self.max_bytes:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            handle, temporary = new_file(path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            advice = "; free some space" if error.errno == errno.ENOSPC else ""
            log.warning("A computed embedding cannot be kept for next time (%s)%s.", error.strerror, advice)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _files(self) -> list[Path]:
        """The kept files, and parts of files that a killed process left."""
        try:
            return [path for path in self.folder.iterdir() if path.suffix in (".safetensors", ".part")]
        except OSError:
            return []

    def _make_room(self, n_bytes: int) -> None:
        """Remove files, the least recently used first, until so many bytes fit."""
        sizes: list[tuple[int, int, Path]] = []
        for path in self._files():
            with contextlib.suppress(OSError):  # another process removed it meanwhile
                status = path.stat()
                sizes.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in sizes) + n_bytes - self.max_bytes
        for _, size, path in sorted(sizes):
            if excess <= 0:
                return
            _remove(path)
            excess -= size


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
