"""The files of jobs in a server's data folder: `runs/<job id>` holds what a job wrote, `inputs/<job id>` what it was given."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from unlearn.errors import ConfigError, InputError

INPUTS = "inputs"
PHOTOS_GONE = "The photos of this job were deleted when it was done; choose them again."


def inputs_of(folder: Path) -> Path:
    """Where a piece of work finds the files that it was given; `folder` is the job's own."""
    return folder.parent.parent / INPUTS / folder.name


class DataFolder:
    """One server's data folder, locked against a second server until `release` is called."""

    def __init__(self, root: Path) -> None:
        """Make the folders and lock them.

        Raises:
            ConfigError: another server uses the folder, or it cannot be written.
        """
        self.runs_dir, self.inputs_dir = root / "runs", root / INPUTS
        try:
            for folder in (self.runs_dir, self.inputs_dir):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(root / "jobs.lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(f"Another server uses {root}; stop it or give another data folder.") from error
        except OSError as error:
            raise ConfigError(f"The data folder {root} cannot be written ({error.strerror}).") from error

    def release(self) -> None:
        """Let another server use the folder."""
        self._lock.release()

    def has_inputs(self, job_id: str) -> bool:
        """Whether the files that a job was given are still there."""
        return (self.inputs_dir / job_id).is_dir()

    def new_inputs(self, like: str | None = None) -> Path:
        """A new folder for files that a job will be given: empty, or with copies of those of the job `like`.

        Raises:
            InputError: the files of that job were deleted, or the disk does not take the folder.
        """
        folder = self.inputs_dir / f"new-{secrets.token_urlsafe(16)}"
        try:
            if like is None:
                folder.mkdir(parents=True)
            else:
                shutil.copytree(self.inputs_dir / like, folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if like is not None and not self.has_inputs(like):
                raise InputError(PHOTOS_GONE) from error
            raise InputError(f"The photos cannot be copied ({error.strerror or 'an error of the system'}).") from error
        return folder

    def take_inputs(self, job_id: str, inputs: Path) -> None:
        """Make a folder of `new_inputs` the job's own; an empty one is removed."""
        if any(inputs.iterdir()):
            inputs.rename(self.inputs_dir / job_id)
        else:
            inputs.rmdir()

    def drop_inputs(self, job_id: str) -> None:
        """Remove the files that a job was given."""
        shutil.rmtree(self.inputs_dir / job_id, ignore_errors=True)
