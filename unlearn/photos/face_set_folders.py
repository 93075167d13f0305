"""A face set as a folder: the crops of each part as PNG, and what became of each photo as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from unlearn.errors import InputError
from unlearn.photos.face_sets import MIN_USABLE, FacePhoto, FaceSet, Status
from unlearn.photos.reader import read_photo
from unlearn.photos.uploads import Part

FILE = "face-set.json"  # written last: a folder that holds it is a face set
_FOLDERS: Mapping[Part, str] = {"fine_tuning": "fine-tuning", "evaluation": "evaluation"}


def save_face_set(face_set: FaceSet, folder: Path) -> None:
    """Write fine-tuning/NN.png, evaluation/NN.png and, last, face-set.json; an earlier face set there is replaced.

    Of the photos only the pixels of the crops are written: no names, no metadata, no embeddings, no unused faces.

    Raises:
        InputError: fewer than 10 usable photos; the folder holds something else or cannot be written.
    """
    from PIL import Image

    if not face_set.is_ready:
        raise InputError(f"{len(face_set.usable)} usable photos are too few; give at least {MIN_USABLE}.")
    try:
        if folder.is_dir() and not is_face_set(folder) and any(folder.iterdir()):
            raise InputError("The folder for the face set holds something else; give a new or empty one.")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).unlink(missing_ok=True)
        for part, name in _FOLDERS.items():
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
            for number, crop in zip(getattr(face_set, part), face_set.crops(part), strict=True):
                Image.fromarray(crop).save(folder / name / _file(number))
        content = json.dumps(face_set.summary(), indent=1)
        (folder / f"{FILE}.new").write_text(content, "utf-8")
        (folder / f"{FILE}.new").replace(folder / FILE)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise InputError(f"The folder for the face set cannot be written ({error.strerror}).") from None


def load_face_set(folder: Path) -> FaceSet:
    """The face set that `save_face_set` wrote, without embeddings and candidates, which are not kept.

    Raises:
        InputError: missing or damaged; a photo in both parts.
    """
    damaged = InputError("The face set is incomplete or damaged; prepare the photos again.")
    try:
        content = json.loads((folder / FILE).read_text("utf-8"))
        parts = {part: tuple(int(number) for number in content[part]) for part in _FOLDERS}
        photos = tuple(_read_row(folder, row, parts) for row in content["photos"])
        face_set = FaceSet(
            photos, str(content["finder"]), parts["fine_tuning"], parts["evaluation"],
            tuple(map(str, content["warnings"])), str(content["split_note"]),
        )  # fmt: skip
    except (OSError, ValueError, TypeError, LookupError, AttributeError, InputError):
        raise damaged from None
    usable = {photo.number for photo in face_set.usable}
    in_both = set(face_set.fine_tuning) & set(face_set.evaluation)
    if in_both or not face_set.is_ready or usable != {*face_set.fine_tuning, *face_set.evaluation}:
        raise damaged
    return face_set


def _read_row(folder: Path, row: dict[str, Any], parts: Mapping[Part, tuple[int, ...]]) -> FacePhoto:
    number, status = int(row["number"]), row["status"]
    if status not in get_args(Status):
        raise ValueError("unknown status")
    part = next((part for part, numbers in parts.items() if number in numbers), None)
    crop = read_photo(folder / _FOLDERS[part] / _file(number)) if part is not None else None
    as_is = bool(row.get("as_is", False))  # older sets lack it
    return FacePhoto(number, status, str(row["message"]), crop, looks_different=bool(row["looks_different"]), as_is=as_is)


def is_face_set(folder: Path) -> bool:
    """Whether the folder holds a finished face set, as opposed to raw photos."""
    return (folder / FILE).is_file()


def _file(number: int) -> str:
    return f"{number:02d}.png"
