"""Embeddings of the photos that a user gave for the attack, or that were drawn for it, kept with the run: the pictures are not.

With them, later questions to the run (probes, attacks on its persons) see the same photos as the run did. They lie in the run's
cache, which is deleted with the run and does not leave it. Persons are told by number, not by name; the names of drawn controls, whom
nobody was asked to forget, stand in the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unlearn.attacks.gallery import Gallery
from unlearn.attacks.own_photos import DrawnPhotos, OwnPhotos, Photos
from unlearn.config import Person
from unlearn.errors import InputError
from unlearn.files import CACHE, disk_errors
from unlearn.models.defended import defended_folder
from unlearn.models.pair import Pair
from unlearn.modes import new_file
from unlearn.runs.results import MANIFEST, finished_run

KeptPhotos: TypeAlias = dict[str, Photos | DrawnPhotos]
DRAWN, CONTROLS = " drawn", "controls"  # at the end of the keys of drawn pictures; the names of controls in the file
FILE = "photos/embeddings.safetensors"  # a folder of its own: what else is in the cache may be removed to make room


def keep_photos(run: Path, persons: Sequence[Person], galleries: Pair[Gallery]) -> None:
    """Write the embeddings of the photos that are not the world's, as each of the two models sees them.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    names = [person.name for person in persons]
    controls = [name for name in galleries.original.photos if name in galleries.original.drawn and name not in names]
    tensors = {
        f"{side} {number}{DRAWN if name in gallery.drawn else ''}": gallery.photos[name].contiguous()
        for side, gallery in zip(Pair._fields, galleries, strict=True)
        for number, name in enumerate((*names, *controls))
        if name in gallery.own
    }
    if not tensors:
        return
    path = run / CACHE / FILE
    with disk_errors("The run's cache"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = new_file(path.parent)
        os.close(handle)
        try:
            save_file({key: tensor.clone() for key, tensor in tensors.items()}, temporary, {CONTROLS: json.dumps(controls)})
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def kept_photos(run: Path, persons: Sequence[Person]) -> Pair[KeptPhotos]:
    """Name -> embeddings (photos, d) by each of the two models; who was attacked with the world's photos, or not at all, is in neither.

    Raises:
        InputError: the file is damaged; without it an attack would be told as "no photos".
    """
    path = run / CACHE / FILE
    if not path.is_file():
        return Pair({}, {})
    try:
        with safe_open(path, "pt") as file:
            controls = json.loads((file.metadata() or {}).get(CONTROLS, "[]"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError("The photos' embeddings that the run kept cannot be read; run it again.") from error
    names = [*(person.name for person in persons), *controls]
    return Pair(*(_kept(tensors, side, names) for side in Pair._fields))


def _kept(tensors: dict[str, Tensor], side: str, names: Sequence[str]) -> KeptPhotos:
    photos: KeptPhotos = {name: tensors[key] for number, name in enumerate(names) if (key := f"{side} {number}") in tensors}
    drawn = {name: tensors[key] for number, name in enumerate(names) if (key := f"{side} {number}{DRAWN}") in tensors}
    return {**photos, **{name: DrawnPhotos(pictures) for name, pictures in drawn.items()}}


def photos_of(kept: KeptPhotos, persons: Sequence[Person], name: str) -> Photos | DrawnPhotos | None:
    """The kept embeddings of the person, or the control, who goes by a name, however it is written."""
    known = [*persons, *map(Person, kept.keys() - {person.name for person in persons})]
    owner = next((person.name for person in known if person.goes_by(name)), None)
    return kept.get(owner) if owner is not None else None


def run_of(weights: Path) -> Path | None:
    """The finished run that defended weights lie in."""
    run = defended_folder(weights).parent
    return run if (run / MANIFEST).is_file() else None


def photos_of_run(person: Person, run: Path | None, weights: Path | None = None) -> OwnPhotos:
    """Embeddings of the photos that a run was given for the person, by the model that is attacked; empty where it was given none.

    Args:
        person: however the name is written.
        run: a finished one; None: the one that `weights` lie in, if any.
        weights: the defended model that is attacked; None: the original.
    """
    folder = run if run is not None or weights is None else run_of(weights)
    if folder is None:
        return {}
    persons = finished_run(folder).config.persons
    kept = kept_photos(folder, persons)
    photos = photos_of(kept.original if weights is None else kept.defended, persons, person.name)
    return {} if photos is None else {person.name: photos}
