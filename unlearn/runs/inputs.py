"""Folders of photos, prepared or raw, -> the photos that a defence trains with and those that the attack looks at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlearn.attacks.own_photos import DrawnPhotos, OwnPhotos, Photos
from unlearn.config import FinderBars, Person, Settings, name_key
from unlearn.errors import InputError
from unlearn.photos.face_sets import Faces, PersonFaces
from unlearn.photos.faces import MIN_USABLE, FaceConfig, is_face_set, load_face_set, open_faces
from unlearn.photos.folders import read_photos
from unlearn.photos.uploads import upload_limits


@dataclass(frozen=True)
class RunPhotos:
    """The photos of a run, by names as in `ForgetConfig.persons`.

    Attributes:
        faces: face crops; their fine-tuning part trains the image encoder.
        attacked: photos that are not trained with and that the attack looks at: the evaluation part of `faces`, photos of their own, or
            pictures that were drawn instead.
    """

    faces: Faces
    attacked: OwnPhotos


def read_run_photos(
    photos: Mapping[str, Path], faces: Mapping[str, Path], persons: Sequence[Person], settings: Settings, bars: FinderBars | None = None
) -> RunPhotos:
    """The photos that a run was given.

    Args:
        photos: as for `own_photos`.
        faces: as for `read_faces`.
        persons: who is forgotten.
        settings: upload limits, device.
        bars: of the model set, for faces that have to be found; None: the defaults.

    Raises:
        InputError: a folder cannot be used, or a person has both kinds; told by number.
    """
    attacked: dict[str, Photos | DrawnPhotos] = {**own_photos(photos, persons, settings)}
    for number, person in enumerate(persons, start=1):
        if person.name in attacked and person.name in faces:
            raise InputError(
                f"Person {number} has photos for the attack (--photos) and faces (--faces), of which a part is kept for the attack; "
                "leave --photos out for this person."
            )
    crops = read_faces(faces, settings, bars)
    attacked |= {name: person_faces.evaluation for name, person_faces in crops.items() if len(person_faces.evaluation)}
    return RunPhotos(crops, attacked)


def own_photos(folders: Mapping[str, Path], persons: Sequence[Person], settings: Settings) -> dict[str, list[np.ndarray]]:
    """Photos of persons by the names in `persons`.

    Args:
        folders: a name or alias of one of the persons, however it is written -> a folder of photos.
        persons: who is forgotten.
        settings: the limits of uploads.

    Raises:
        InputError: somebody else's photos, photos of a person twice, or some that cannot be read; told by number.
    """
    names = {name_key(trigger): person.name for person in persons for trigger in person.triggers}
    owners = [names.get(name_key(name)) for name in folders]
    if None in owners:
        raise InputError(
            f"Photos {owners.index(None) + 1} (--photos) belong to nobody who is forgotten; write the name as it is given there."
        )
    if len(set(owners)) < len(owners):
        raise InputError("Photos (--photos) of the same person are given twice; put them into one folder.")
    return {str(owner): read_photos(folder, upload_limits(settings)) for owner, folder in zip(owners, folders.values(), strict=True)}


def read_faces(folders: Mapping[str, Path], settings: Settings, bars: FinderBars | None = None) -> dict[str, PersonFaces]:
    """The face crops of persons by name.

    Args:
        folders: name -> a prepared face set (used as it is), or raw photos, in which faces are looked for; what is a face crop
            already, as the drawn pictures of a world are, is used as it is.
        settings: upload limits, device.
        bars: of the model set; None: the defaults.

    Raises:
        InputError: a folder is missing, or has too few usable photos; persons are told by number.
    """
    faces: dict[str, PersonFaces] = {}
    for number, (name, folder) in enumerate(folders.items(), start=1):
        if not os.path.exists(folder):  # False for a name too long to be a path, too
            raise InputError(f"The photos of person {number} (--faces) do not exist; check the path.")
        face_set = open_faces(folder, FaceConfig(bars=bars or FinderBars()), settings)
        if not face_set.is_ready:
            raise InputError(
                f"Of the photos of person {number}, {len(face_set.usable)} can be used ({face_set.finder}); "
                f"give at least {MIN_USABLE}. `python -m unlearn faces FOLDER` says why."
            )
        faces[name] = PersonFaces(tuple(face_set.crops("fine_tuning")), tuple(face_set.crops("evaluation")))
    return faces


def attack_photos(folder: Path, settings: Settings) -> list[np.ndarray]:
    """Photos to attack with: the evaluation part of a prepared face set, or all photos of a plain folder.

    Raises:
        InputError: no photo, or one that cannot be read.
    """
    if not os.path.exists(folder):
        raise InputError("The folder of photos does not exist; check the path.")
    return load_face_set(folder).crops("evaluation") if is_face_set(folder) else read_photos(folder, upload_limits(settings))
