"""Which folder belongs to whom: the options --photos and --faces of `forget`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unlearn.config import ForgetConfig, Person, name_key
from unlearn.config.written_names import written_person
from unlearn.errors import InputError

FACESCRUB = "facescrub"  # in the place of a name: everybody's folder of this data set


def photo_folders(options: Sequence[str], persons: Sequence[Person] = ()) -> dict[str, Path]:
    """Name -> folder from "First Last=FOLDER" each, or from "facescrub=FOLDER" for all `persons` who are in that data set.

    Raises:
        InputError: no folder, a name that cannot be used, the same name twice, or nobody of the run is in FaceScrub.
    """
    given: list[tuple[str, Path]] = []
    for option in options:
        name, equals, folder = option.partition("=")
        if not equals or not folder:
            raise InputError("--photos needs 'First Last=FOLDER', or facescrub=FOLDER.")
        if name.strip().lower() == FACESCRUB:
            given += _of_facescrub(Path(folder), persons)
        else:
            given.append((written_person(name, "--photos").name, Path(folder)))
    if len({name_key(name) for name, _ in given}) < len(given):
        raise InputError("--photos gives photos of the same person twice; put them into one folder.")
    return dict(given)


def _of_facescrub(folder: Path, persons: Sequence[Person]) -> list[tuple[str, Path]]:
    """Each person of a run who is in FaceScrub, and the photos there."""
    from unlearn.measure.data_sets.layouts import people_folders

    known = {name_key(name): path for name, path in people_folders(folder).items()}
    keys = {person.name: next((key for key in map(name_key, person.triggers) if key in known), None) for person in persons}
    found = [(name, known[key]) for name, key in keys.items() if key is not None]
    if not found:
        raise InputError(
            f"The folder given as --photos facescrub has {len(known)} people, and none of the persons to forget is among them; "
            "it should hold a folder of photos for each person, named First_Last."
        )
    return found


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
