"""The part of the worker's tasks that is about photos: looking for faces, and handing photos on to forgetting and to the attack.

Photos lie in the folder that a job was given (`unlearn.jobs.inputs_of`), under numbers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.server.photos import ASKED
from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.jobs import inputs_of
from unlearn.progress import Report

if TYPE_CHECKING:
    import numpy as np

    from unlearn.photos.faces import FaceConfig, FaceSet

SHOWN_PX = 192
SHOWN = "shown"  # in the job's folder: small pictures for the page
SET = "faces"  # in the job's folder: the prepared face set


def face_config(crops: bool) -> FaceConfig:
    """How faces are looked for; the pack and where it lies are the server's (`--face-pack`, `--face-root`)."""
    from unlearn.photos.faces import FaceConfig

    root = os.environ.get("UNLEARN_FACE_ROOT")
    return FaceConfig(
        detector="crops" if crops else "auto", pack=os.environ.get("UNLEARN_FACE_PACK") or "buffalo_l",
        root=Path(root) if root else None,
    )  # fmt: skip


def faces(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Look at every photo of an upload or an example; the face set lies in the folder afterwards if there are enough.

    The request: crops (all are face crops already; else that is decided for each), picks {photo number: face number}, example (a
    folder) or none.
    """
    from unlearn.photos.faces import find_faces, save_face_set

    picks = {int(photo): int(face) for photo, face in (request.get("picks") or {}).items()}
    found = find_faces(
        photos_of(request, folder), face_config(bool(request.get("crops"))), Settings.from_environment(), picks, report
    )
    _show(found, folder / SHOWN)
    if found.is_ready:
        save_face_set(found, folder / SET)
    return {"ready": found.is_ready, **found.summary()}


def photos_of(request: Mapping[str, Any], folder: Path) -> list[Path]:
    """What to look at: the example's folder, or the files that the job was given."""
    if request.get("example"):
        return [Path(request["example"])]
    given = inputs_of(folder)
    return sorted(given.iterdir()) if given.is_dir() else []


def _show(found: FaceSet, folder: Path) -> None:
    """Small pictures of the faces for the page: NNN.webp, and NNN-K.webp where there are several to pick from."""
    from PIL import Image

    def save(pixels: np.ndarray, name: str) -> None:
        small = Image.fromarray(pixels)
        small.thumbnail((SHOWN_PX, SHOWN_PX))
        small.save(folder / f"{name}.webp", quality=88)

    folder.mkdir(parents=True, exist_ok=True)
    for photo in found.photos:
        if photo.crop is not None:
            save(photo.crop, f"{photo.number:03d}")
        for number, crop in enumerate(photo.candidates, start=1):
            save(crop, f"{photo.number:03d}-{number}")


def face_folders(request: Mapping[str, Any], folder: Path, report: Report) -> dict[str, Path]:
    """Name -> prepared face set of a job of forgetting; raw photos, as endpoints send them, are prepared first.

    The request's "faces": rows {name, folder (below the job's inputs), crops, search (whose pictures are deleted with the photos)}.

    Raises:
        InputError: too few photos of a person can be used; persons are told by number.
    """
    given = inputs_of(folder)
    found = {}
    for number, row in enumerate(request.get("faces") or [], start=1):
        found[row["name"]] = _prepared(given / row["folder"], row.get("crops", False), number, report)
    return found


def prepare(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """A job of its own where a GPU is lent by the second: what `runs.inputs` does, before one is asked for."""
    face_folders(request, folder, report)
    return {}


def _prepared(photos: Path, crops: bool, number: int, report: Report) -> Path:
    from unlearn.photos.faces import MIN_USABLE, find_faces, is_face_set, save_face_set

    ready = photos.with_name(f"{photos.name}-set")
    for candidate in (ready, photos):
        if is_face_set(candidate):
            return candidate
    paths = sorted(photos.iterdir()) if photos.is_dir() else []
    found = find_faces(paths, face_config(crops), Settings.from_environment(), report=report)
    if not found.is_ready:
        reasons = "; ".join(f"photo {one.number}: {one.status}" for one in found.photos if one.status != "usable")
        raise InputError(
            f"Of the photos of person {number}, {len(found.usable)} can be used and at least {MIN_USABLE} are needed. "
            f"{reasons[:400]}"
        )
    save_face_set(found, ready)
    shutil.rmtree(photos)
    return ready


@contextmanager
def plain_photos(request: Mapping[str, Any], folder: Path) -> Iterator[Path | None]:
    """A folder of the photos that came with a question, readable and each once; None where none came. Gone afterwards.

    The folder is one of the job's inputs, so that it goes with them, too, if the process is killed meanwhile.

    Raises:
        InputError: none of them can be used.
    """
    from PIL import Image

    from unlearn.photos.faces import find_faces

    if not request.get("own_photos"):
        yield None
        return
    with _inputs_gone_afterwards(folder) as given:
        found = find_faces(photos_of(request, folder), face_config(crops=True), Settings.from_environment())
        if not found.usable:
            raise InputError("None of the photos can be used. " + " ".join({one.message for one in found.photos}))
        made = given / "readable"
        made.mkdir(parents=True, exist_ok=True)
        for photo in found.usable:
            if photo.crop is not None:
                Image.fromarray(photo.crop).save(made / f"{photo.number:03d}.png")
        yield made


@contextmanager
def asked_photo(request: Mapping[str, Any], folder: Path) -> Iterator[np.ndarray | None]:
    """The pixels of the photo that came with a question, uint8 (height, width, 3); None where none came. Its file is gone afterwards.

    Raises:
        InputError: it is not there any more.
    """
    from unlearn.photos.reader import read_photo

    if not request.get("own_photos"):
        yield None
        return
    with _inputs_gone_afterwards(folder) as given:
        if not (given / ASKED).is_file():
            raise InputError("The photo of this question is not here any more; ask again with the photo.")
        pixels = read_photo(given / ASKED)
    yield pixels


@contextmanager
def _inputs_gone_afterwards(folder: Path) -> Iterator[Path]:
    given = inputs_of(folder)
    try:
        yield given
    finally:
        shutil.rmtree(given, ignore_errors=True)


def delete_searched(request: Mapping[str, Any], folder: Path) -> None:
    """Delete the photos of the searches that a job was started with; their results stay, without pictures.

    Called when the job has its result and needs no photo any more; `folder` is the job's own.
    """
    for row in request.get("faces") or []:
        if search := row.get("search"):
            for name in (SET, SHOWN):
                shutil.rmtree(folder.parent / search / name, ignore_errors=True)
