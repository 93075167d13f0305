"""The worker's tasks on photos: looking for faces, and preparing photos for forgetting and for the attack.

Photos lie in the folder that a job was given (`unlearn.jobs.inputs_of`), under numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.server.photos import ASKED
from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.jobs import Task, inputs_of
from unlearn.progress import Report

if TYPE_CHECKING:
    import numpy as np

    from unlearn.photos.faces import FaceConfig, FaceSet

SHOWN_PX = 192
SHOWN = "shown"  # in the job's folder: small pictures for the page
SET = "faces"  # in the job's folder: the prepared face set


def face_config(settings: Settings, crops: bool, model_set: str) -> FaceConfig:
    """How faces are looked for; the pack and where it lies are the server's (`--face-pack`, `--face-root`), the bars the set's."""
    from unlearn.models.sets import find_model_set
    from unlearn.photos.faces import FaceConfig

    bars = find_model_set(model_set).finder
    return FaceConfig(detector="crops" if crops else "auto", pack=settings.face_pack, root=settings.face_root, bars=bars)


def faces(task: Task, report: Report) -> dict[str, Any]:
    """Look at every photo of an upload or an example; the face set lies in the folder afterwards if there are enough.

    The request: crops (all are face crops already; else that is decided for each), picks {photo number: face number}, example (a
    folder) or none, model_set (whose embeddings compare the faces if it has a bar for them).
    """
    from unlearn.models.other_people import with_other_people_marked
    from unlearn.photos.faces import find_faces, save_face_set

    settings, crops = Settings.from_plain(task.settings), bool(task.request.get("crops"))
    picks = {int(photo): int(face) for photo, face in (task.request.get("picks") or {}).items()}
    face_set = find_faces(photos_of(task), face_config(settings, crops, task.request["model_set"]), settings, picks, report)
    face_set = with_other_people_marked(face_set, task.request["model_set"], settings)
    _show(face_set, task.folder / SHOWN)
    if face_set.is_ready:
        save_face_set(face_set, task.folder / SET)
    return {"ready": face_set.is_ready, **face_set.summary()}


def photos_of(task: Task) -> list[Path]:
    """What to look at: the example's folder, or the files that the job was given."""
    if task.request.get("example"):
        return [Path(task.request["example"])]
    inputs = inputs_of(task.folder)
    return sorted(inputs.iterdir()) if inputs.is_dir() else []


def _show(face_set: FaceSet, folder: Path) -> None:
    """Small pictures of the faces for the page: NNN.webp, and NNN-K.webp where there are several to pick from."""
    from PIL import Image

    def save(pixels: np.ndarray, name: str) -> None:
        small = Image.fromarray(pixels)
        small.thumbnail((SHOWN_PX, SHOWN_PX))
        small.save(folder / f"{name}.webp", quality=88)

    folder.mkdir(parents=True, exist_ok=True)
    for photo in face_set.photos:
        if photo.crop is not None:
            save(photo.crop, f"{photo.number:03d}")
        for number, crop in enumerate(photo.candidates, start=1):
            save(crop, f"{photo.number:03d}-{number}")


def face_folders(task: Task, report: Report) -> dict[str, Path]:
    """Name -> prepared face set of a job of forgetting; raw photos, as endpoints send them, are prepared first.

    The request's "faces": rows {name, folder (below the job's inputs), crops, search (whose pictures are deleted with the photos)}.

    Raises:
        InputError: too few photos of a person can be used; persons are told by number.
    """
    settings, inputs = Settings.from_plain(task.settings), inputs_of(task.folder)
    face_sets = {}
    for number, row in enumerate(task.request.get("faces") or [], start=1):
        config = face_config(settings, row.get("crops", False), task.request["config"]["model_set"])
        face_sets[row["name"]] = _prepared(inputs / row["folder"], config, settings, number, report)
    return face_sets


def prepare(task: Task, report: Report) -> dict[str, Any]:
    """The part of `forget` that needs no GPU, done before one is asked for where GPUs are lent by the second."""
    face_folders(task, report)
    return {}


def _prepared(photos: Path, config: FaceConfig, settings: Settings, number: int, report: Report) -> Path:
    from unlearn.photos.faces import MIN_USABLE, find_faces, is_face_set, save_face_set

    ready = photos.with_name(f"{photos.name}-set")
    for candidate in (ready, photos):
        if is_face_set(candidate):
            return candidate
    paths = sorted(photos.iterdir()) if photos.is_dir() else []
    face_set = find_faces(paths, config, settings, report=report)
    if not face_set.is_ready:
        reasons = "; ".join(f"photo {photo.number}: {photo.status}" for photo in face_set.photos if photo.status != "usable")
        raise InputError(
            f"Of the photos of person {number}, {len(face_set.usable)} can be used and at least {MIN_USABLE} are needed. "
            f"{reasons[:400]}"
        )
    save_face_set(face_set, ready)
    shutil.rmtree(photos)
    return ready


@contextmanager
def plain_photos(task: Task) -> Iterator[Path | None]:
    """A folder of the photos that came with a question, readable and each once; None where none came. Gone afterwards.

    The folder is one of the job's inputs, so that it goes with them, too, if the process is killed meanwhile.

    Raises:
        InputError: none of them can be used.
    """
    from PIL import Image

    from unlearn.photos.faces import FaceConfig, find_faces

    if not task.request.get("own_photos"):
        yield None
        return
    with _inputs_gone_afterwards(task) as inputs:
        settings = Settings.from_plain(task.settings)
        face_set = find_faces(photos_of(task), FaceConfig("crops"), settings)
        if not face_set.usable:
            raise InputError("None of the photos can be used. " + " ".join({photo.message for photo in face_set.photos}))
        readable = inputs / "readable"
        readable.mkdir(parents=True, exist_ok=True)
        for photo in face_set.usable:
            if photo.crop is not None:
                Image.fromarray(photo.crop).save(readable / f"{photo.number:03d}.png")
        yield readable


@contextmanager
def asked_photo(task: Task) -> Iterator[np.ndarray | None]:
    """The pixels of the photo that came with a question, uint8 (height, width, 3); None where none came. Its file is gone afterwards.

    Raises:
        InputError: it is not there any more.
    """
    from unlearn.photos.reader import read_photo

    if not task.request.get("own_photos"):
        yield None
        return
    with _inputs_gone_afterwards(task) as inputs:
        if not (inputs / ASKED).is_file():
            raise InputError("The photo of this question is not here any more; ask again with the photo.")
        pixels = read_photo(inputs / ASKED)
    yield pixels


@contextmanager
def _inputs_gone_afterwards(task: Task) -> Iterator[Path]:
    inputs = inputs_of(task.folder)
    try:
        yield inputs
    finally:
        shutil.rmtree(inputs, ignore_errors=True)


def delete_searched(task: Task) -> None:
    """Delete the photos of the searches that a job was started with; their results stay, without pictures.

    Called when the job has its result and needs no photo any more.
    """
    for row in task.request.get("faces") or []:
        if search := row.get("search"):
            for name in (SET, SHOWN):
                shutil.rmtree(task.folder.parent / search / name, ignore_errors=True)
