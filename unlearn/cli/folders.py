"""Which folder belongs to whom: the options --photos and --faces of `forget`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unlearn.config import ForgetConfig, name_key
from unlearn.config.written_names import written_person
from unlearn.errors import InputError


def photo_folders(options: Sequence[str]) -> dict[str, Path]:
    """Name -> folder from "First Last=FOLDER" each.

    Raises:
        InputError: no folder, a name that cannot be used, or the same name twice.
    """
    folders: dict[str, Path] = {}
    for option in options:
        name, equals, folder = option.partition("=")
        if not equals or not folder:
            raise InputError("--photos needs 'First Last=FOLDER'.")
        folders[written_person(name, "--photos").name] = Path(folder)
    if len(set(map(name_key, folders))) < len(options):
        raise InputError("--photos gives photos of the same person twice; put them into one folder.")
    return folders


def face_folders(config: ForgetConfig, folders: Sequence[Path]) -> dict[str, Path]:
    """Name -> folder of photos of the face, in the order of the persons.

    Raises:
        InputError: not one for each person.
    """
    if not folders and config.encoder == "text":
        return {}
    if len(folders) != len(config.persons):
        raise InputError(
            f"{len(folders)} folders of photos (--faces) for {len(config.persons)} persons; give one for each --name, in their order."
        )
    return {person.name: folder for person, folder in zip(config.persons, folders, strict=True)}
