"""Which files a model set is read from, and whether one of them was replaced since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unlearn.config import Settings
from unlearn.models.diffusion_parts import PARTS
from unlearn.models.sets import ModelSet, find_model_set
from unlearn.models.weights import find_checkpoint, find_diffusion

FileState = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class SetFiles:
    """Where the files of a set are; equal as long as no file was replaced.

    Attributes:
        model_set: with the defaults that its folder gives.
        checkpoint: of the CLIP.
        diffusion: folder of the Stable Diffusion; None: the set has none.
        states: of all files that are read.
    """

    model_set: ModelSet
    checkpoint: Path
    diffusion: Path | None
    states: tuple[FileState, ...]

    @classmethod
    def find(cls, name: str, settings: Settings) -> SetFiles:
        """Find the files of a set on this machine, or download them.

        Raises:
            ConfigError: unknown set.
            ModelLoadError: files are missing or do not fit each other.
        """
        model_set = find_model_set(name)
        checkpoint = find_checkpoint(model_set, settings)
        diffusion = find_diffusion(model_set, settings) if model_set.diffusion is not None else None
        return cls(model_set, checkpoint, diffusion, tuple(map(file_state, _files_read(model_set, checkpoint, diffusion))))


def _files_read(model_set: ModelSet, checkpoint: Path, diffusion: Path | None) -> Iterator[Path]:
    yield checkpoint
    folders = [model_set.clip_folder] if model_set.clip_folder is not None else []
    folders += [diffusion / part for part in PARTS] if diffusion is not None else []
    if model_set.world is not None:
        yield model_set.world / "world.json"
        folders.append(model_set.world / "photos")
    if model_set.never_met is not None:
        folders.append(model_set.never_met)
    for folder in folders:
        yield from sorted(path for path in folder.glob("*") if path.is_file())


def file_state(path: Path) -> FileState:
    """What changes when a file is replaced or written to: its path, inode, size and times."""
    status = path.stat()
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
