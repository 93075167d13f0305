"""Deletion of jobs and their files: what goes when, and the check that it is gone.

The files that a job was given go when it has succeeded, and within the hour where it ended otherwise, so that it can be run
again meanwhile. The job itself goes when its time is over, or when somebody deletes it.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs.states import Deleted, Job, Succeeded
from unlearn.jobs.store import JobStore

KEEP_INPUTS_S = 50 * 60.0  # of a job that did not succeed; looked at every minute, so that an hour holds
SETTLED_S = 300.0  # a folder without a job may belong to one that is being made just now
DAMAGED = "jobs.sqlite.damaged-*"  # see `jobs.repair`
_IS_ID = re.compile(r"[A-Za-z0-9_-]{22}").fullmatch

log = logging.getLogger(__name__)


def _age_s(path: Path) -> float:
    """Seconds since a file or folder was made or renamed; 0 for one that is gone."""
    try:
        return time.time() - path.stat().st_ctime
    except OSError:
        return 0.0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class Retention:
    """Deletes jobs and files of one data folder."""

    def __init__(self, store: JobStore, runs_dir: Path, inputs_dir: Path, keep_s: float | None) -> None:
        self._store, self._runs_dir, self._inputs_dir, self._keep_s = store, runs_dir, inputs_dir, keep_s

    def delete(self, job_id: str, stopped: Callable[[Job], bool]) -> Deleted:
        """Remove a job, the jobs that build on it, and all their files, and check that they are gone.

        Args:
            job_id: of the job.
            stopped: stops a job; True when it has ended.

        Raises:
            InputError: there is no such job.
            UnlearnError: something is left.
        """
        jobs = [self._store.get(job_id), *self._store.find(parent=job_id)]
        n_stopped = sum(stopped(job) for job in jobs)
        if n_stopped < len(jobs):
            raise UnlearnError("Nothing was deleted, because a job could not be stopped in time; try again in a moment.")
        folders = [folder for job in jobs for folder in (self._runs_dir / job.id, self._inputs_dir / job.id)]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        n_bytes = sum(f.stat().st_size for f in files)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._store.remove([job.id for job in jobs])
        left = [folder for folder in folders if folder.exists()]
        if left:
            log.error("%d folders below %s could not be removed; remove them by hand", len(left), self._runs_dir.parent)
            raise UnlearnError(f"{len(left)} folders could not be removed; whoever runs the server must remove them by hand.")
        return Deleted(len(jobs), len(files), n_bytes)

    def job_ended(self, job: Job) -> None:
        """Remove the files that a job was given, now that its work has succeeded."""
        if not job.keeps_inputs:
            shutil.rmtree(self._inputs_dir / job.id, ignore_errors=True)

    def became_part(self, job_id: str) -> None:
        """Remove the files that a job was given, now that it is part of another one and its work was used."""
        if self._store.get(job_id).ended:
            shutil.rmtree(self._inputs_dir / job_id, ignore_errors=True)

    def expire(self, delete: Callable[[str], Deleted]) -> int:
        """Delete what is overdue: jobs, files that jobs were given, and what belongs to no job; how many jobs."""
        n_deleted, error = 0, None
        for job_id in self._store.overdue(self._keep_s):
            try:
                n_deleted += delete(job_id).n_jobs
            except InputError:
                continue  # was deleted with its parent a moment ago
            except UnlearnError as failure:
                error = failure  # tried again the next time; the others are deleted now
        for folder in self._inputs_dir.iterdir():
            if self._is_spent(folder):
                _remove(folder)
        if self._keep_s is not None:
            self._remove_orphans(self._keep_s)
        if self._store.is_unerased:
            self._store.erase()
        if error is not None:
            raise error
        return n_deleted

    def _is_spent(self, folder: Path) -> bool:
        """Whether nobody needs a folder of inputs any more."""
        if folder.name.startswith("new-"):
            return _age_s(folder) > KEEP_INPUTS_S
        jobs = self._store.find(job_id=folder.name)
        if not jobs:
            return _age_s(folder) > SETTLED_S
        job = jobs[0]
        if not job.ended or job.finished is None:
            return False
        return (isinstance(job.state, Succeeded) and not job.keeps_inputs) or time.time() - job.finished > KEEP_INPUTS_S

    def _remove_orphans(self, keep_s: float) -> None:
        """Remove results whose entry in the list was lost, and lists that were set aside, once their time is over."""
        folders = [folder for folder in self._runs_dir.iterdir() if _IS_ID(folder.name) and not self._store.find(job_id=folder.name)]
        for path in (*folders, *self._runs_dir.parent.glob(DAMAGED)):
            if _age_s(path) > max(keep_s, SETTLED_S):
                _remove(path)
