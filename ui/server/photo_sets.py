"""The visitors' photos before they belong to a job: searched for faces in the quick lane, picked from, then handed to forgetting.

A search is a job of its own with its files; when a job of forgetting starts with it, the search becomes a part of that job, and
the photos are deleted with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ui.server.service import QUICK_LANE, Service
from unlearn.config import ForgetConfig, clean_name, is_same_name, name_key
from unlearn.errors import InputError
from unlearn.jobs import Job, Submission, Succeeded

KIND = "faces"
SET = "faces"  # as `ui.worker.photos` calls the face set in a search's folder
MAX_FILES = 300
KEPT_S = 3000.0  # a search that became no job; looked at every minute, so that an hour holds
DELETED = "The photos of {who} are not kept any longer; add them again, or defend the name only."


@dataclass(frozen=True)
class PhotoSet:
    """One search for faces: its job, whose photos they are, what was found (empty until it is done)."""

    job: Job
    folder: Path

    @property
    def name(self) -> str:
        """Whose photos they are."""
        return str(self.job.request["name"])

    @property
    def found(self) -> dict[str, Any]:
        """The result of the search, as `ui.worker.photos.faces` gives it."""
        return self.job.state.result if isinstance(self.job.state, Succeeded) else {}

    @property
    def ready(self) -> bool:
        """True when there are enough photos to start."""
        return bool(self.found.get("ready")) and not self.deleted

    @property
    def deleted(self) -> bool:
        """True when the photos were deleted: the job that they belonged to is done, or they lay here for an hour."""
        return bool(self.found.get("ready")) and not (self.folder / SET).is_dir()


def photo_sets(service: Service, owner: str, key: str) -> list[PhotoSet]:
    """The owner's searches that belong to no job yet, then those of the job that is shown; newest first."""
    own = [job for job in service.jobs.store.find(owner=owner) if job.parent is None]
    shown = service.job(key)
    parts = service.jobs.store.find(parent=key) if shown is not None and shown.owner == owner else []
    jobs = [job for job in (*own, *parts) if job.request.get("kind") == KIND]
    return [PhotoSet(job, service.jobs.folder(job.id)) for job in jobs]


@contextmanager
def given(service: Service, like: str | None = None) -> Iterator[Path]:
    """A folder for the files of a job to come, gone again unless a job took it."""
    folder = service.jobs.new_inputs(like)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take(paths: Sequence[Path], folder: Path) -> None:
    """Move uploaded files into a folder, under numbers instead of their names."""
    if len(paths) > MAX_FILES:
        raise InputError(f"{len(paths)} files are given; use at most {MAX_FILES}, or a zip.")
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        shutil.move(path, folder / f"{number:03d}.upload")


def search(service: Service, name: str, owner: str, request: dict[str, Any], inputs: Path | None = None) -> Job:
    """Queue a search for faces; an earlier one of the same name that belongs to no job is replaced.

    Args:
        service: of the page.
        name: whose photos they are.
        owner: whose they are to be.
        request: {"crops": already face crops, "picks": {photo: face}, "example": folder or nothing}.
        inputs: of `given`.
    """
    name = clean_name(name)
    for earlier in photo_sets(service, owner, ""):
        if is_same_name(earlier.name, name):
            service.jobs.delete(earlier.job.id)
    full = {"kind": KIND, "name": name, "model_set": service.options.model_set, **request}
    work = f"{service.options.backend}:faces"
    return service.jobs.submit(Submission(QUICK_LANE, work, full, owner, keeps_inputs=True, keep_s=KEPT_S), inputs)


def search_example(service: Service, folder: str, owner: str) -> str:
    """Queue a search in a shipped example; the name of its person."""
    row = next((row for row in service.examples if Path(row["folder"]).name == folder), None)
    if row is None:
        raise InputError("There is no such example set; choose one of those shown.")
    search(service, row["name"], owner, {"crops": row["crops"], "picks": {}, "example": row["folder"]})
    return str(row["name"])


def pick(service: Service, job_id: str, value: str, owner: str) -> Job:
    """Search again with a face picked in a photo that shows several; `value` is "photo:face", both from 1."""
    job = service.jobs.get(job_id)
    photo, _, face = value.partition(":")
    if job.owner != owner or job.parent is not None or not (photo.isdigit() and face.isdigit()):
        raise InputError("This face cannot be picked any more; choose the photos again.")
    picks = {**(job.request.get("picks") or {}), photo: int(face)}
    kept: dict[str, Any] = {key: job.request[key] for key in ("crops", "example") if key in job.request}
    with given(service, like=job_id) as inputs:
        return search(service, job.request["name"], owner, {**kept, "picks": picks}, inputs)


def forget(service: Service, config: ForgetConfig, owner: str, key: str) -> Job:
    """Queue a job of forgetting with the photos of its persons, as far as there are any.

    Raises:
        InputError: the image encoder is to be defended and somebody has no photos, or too few.
    """
    usable: dict[str, PhotoSet] = {}
    for photo_set in reversed(photo_sets(service, owner, key)):  # the newest wins
        usable[name_key(photo_set.name)] = photo_set
    chosen: list[tuple[str, PhotoSet]] = []
    for number, person in enumerate(config.persons, start=1):
        latest = usable.get(name_key(person.name))
        if latest is not None and latest.ready:
            chosen.append((person.name, latest))
        elif config.encoder != "text":
            raise InputError(_missing(number, len(config.persons), latest))
    if not chosen:
        return service.forget(config, owner)
    rows = [
        {"name": name, "folder": f"p{number:02d}", "crops": False, "search": photos.job.id}
        for number, (name, photos) in enumerate(chosen)
    ]
    with given(service) as inputs:
        for row, (_, photos) in zip(rows, chosen, strict=True):
            try:
                shutil.copytree(photos.folder / SET, inputs / str(row["folder"]))
            except OSError:  # deleted a moment ago
                raise InputError(DELETED.format(who="somebody")) from None
        job = service.forget(config, owner, faces=rows, inputs=inputs)
    for _, photos in chosen:
        if photos.job.parent is None:
            service.jobs.set_parent(photos.job.id, job.id)
    return job


def _missing(number: int, n_persons: int, found: PhotoSet | None) -> str:
    who = "this person" if n_persons == 1 else f"person {number}"
    if found is None:
        return f"To forget a face, photos are needed: add some of {who} below the names, or defend the name only."
    if found.deleted:
        return DELETED.format(who=who)
    if not found.job.ended:
        return f"The photos of {who} are still being looked at; start again in a moment."
    n_usable = found.found.get("n_usable", 0)
    return f"Too few photos of {who} can be used ({n_usable}); add more, or defend the name only."
