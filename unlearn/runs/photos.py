"""Embeddings of the photos that a user gave for the attack, kept with the run: the photos themselves are deleted after it.

With them, later questions to the run (probes, attacks on its persons) see the same photos as the run did. They lie in the run's
cache, which is deleted with the run and does not leave it. Persons are told by number, not by name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn.attacks.gallery import Gallery
from unlearn.config import Person
from unlearn.errors import InputError
from unlearn.files import CACHE, disk_errors
from unlearn.models.pair import Pair
from unlearn.modes import new_file

FILE = "photos/embeddings.safetensors"  # a folder of its own: what else is in the cache may be removed to make room


def keep_photos(run: Path, persons: Sequence[Person], galleries: Pair[Gallery]) -> None:
    """Write the embeddings of the users' photos, as each of the two models sees them.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    tensors = {
        f"{side} {number}": gallery.photos[person.name].contiguous()
        for side, gallery in zip(Pair._fields, galleries, strict=True)
        for number, person in enumerate(persons)
        if person.name in gallery.own
    }
    if not tensors:
        return
    path = run / CACHE / FILE
    with disk_errors("The run's cache"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = new_file(path.parent)
        os.close(handle)
        try:
            save_file({name: tensor.clone() for name, tensor in tensors.items()}, temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def kept_photos(run: Path, persons: Sequence[Person]) -> Pair[dict[str, Tensor]]:
    """Name -> embeddings (photos, d) by each of the two models; who had no photos of a user's is in neither.

    Raises:
        InputError: the file is damaged; without it an attack would be told as "no photos".
    """
    path = run / CACHE / FILE
    if not path.is_file():
        return Pair({}, {})
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError("The photos' embeddings that the run kept cannot be read; run it again.") from error
    by_side = (
        {person.name: tensors[key] for number, person in enumerate(persons) if (key := f"{side} {number}") in tensors}
        for side in Pair._fields
    )
    return Pair(*by_side)


def photos_of(kept: dict[str, Tensor], persons: Sequence[Person], name: str) -> Tensor | None:
    """The kept embeddings of the person who goes by a name, however it is written."""
    owner = next((person.name for person in persons if person.goes_by(name)), None)
    return kept.get(owner) if owner is not None else None
