"""The faces of one person, photo by photo, and their split into fine-tuning and evaluation.

Holds pixels and sentences, never a file's name. `face_set_folders` keeps a set on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from unlearn.config import Person
from unlearn.errors import InputError
from unlearn.photos.uploads import Part

Status = Literal["usable", "no face", "several faces", "too small", "unreadable", "duplicate"]
MIN_USABLE = 10
RECOMMENDED = 30
MAX_EVALUATION = 20  # photos that the attack looks at
EVALUATION_SHARE = 0.4  # of fewer than 50 photos
MIN_FINE_TUNING = 5


@dataclass(frozen=True)
class FacePhoto:
    """What became of one photo.

    Attributes:
        number: its place in the upload, from 1; how photos are told apart, since their names are private.
        status: only "usable" ones have a crop.
        message: one sentence for the user.
        crop: the face, uint8 (height, width, 3), or None.
        candidates: for "several faces" the crops to pick from; picks count them from 1.
        embedding: of the face, unit length, where a recognition model was at hand; never written to disk.
        looks_different: the face is unlike those of the other photos; usable all the same.
        as_is: the crop is the whole picture, taken for a face crop; else one cut around a face that was found.
    """

    number: int
    status: Status
    message: str
    crop: np.ndarray | None = None
    candidates: tuple[np.ndarray, ...] = ()
    embedding: np.ndarray | None = None
    looks_different: bool = False
    as_is: bool = False


@dataclass(frozen=True)
class FaceSet:
    """The photos of one person with their split.

    Attributes:
        photos: all of them, in order.
        finder: what found the faces, e.g. "insightface buffalo_l".
        fine_tuning, evaluation: numbers of usable photos, ascending, none in both; both empty below 10 usable photos.
        warnings: sentences about the set as a whole.
        split_note: how the split was made, one sentence.
    """

    photos: tuple[FacePhoto, ...]
    finder: str
    fine_tuning: tuple[int, ...] = ()
    evaluation: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    split_note: str = ""

    @property
    def usable(self) -> list[FacePhoto]:
        """The photos with a crop, in order."""
        return [photo for photo in self.photos if photo.status == "usable"]

    @property
    def is_ready(self) -> bool:
        """Whether there are enough photos, so that a split was made."""
        return bool(self.fine_tuning and self.evaluation)

    def crops(self, part: Part) -> list[np.ndarray]:
        """The crops of one part, uint8 (height, width, 3) each, in the order of their numbers."""
        numbers = set(getattr(self, part))
        return [photo.crop for photo in self.usable if photo.number in numbers and photo.crop is not None]

    def summary(self) -> dict[str, Any]:
        """What may be stored and printed: statuses, split, finder, warnings; no pixels, embeddings or file names."""
        photos = [
            {
                "number": photo.number, "status": photo.status, "message": photo.message, "n_faces": len(photo.candidates),
                "part": self.part_of(photo.number), "looks_different": photo.looks_different, "as_is": photo.as_is,
            }
            for photo in self.photos
        ]  # fmt: skip
        return {
            "finder": self.finder, "n_usable": len(self.usable), "fine_tuning": list(self.fine_tuning),
            "evaluation": list(self.evaluation), "split_note": self.split_note, "warnings": list(self.warnings), "photos": photos,
        }  # fmt: skip

    def part_of(self, number: int) -> Part | None:
        """Which part a photo is in; None: neither."""
        return "fine_tuning" if number in self.fine_tuning else "evaluation" if number in self.evaluation else None


def mark_strangers(photos: Sequence[FacePhoto], same_person: float) -> list[FacePhoto]:
    """The photos, flagged where a face is unlike the others: its cosine to the mean of the largest group is below `same_person`.

    Needs embeddings of at least 3 faces. Photos without an embedding are never flagged, and none is where no group has most of the
    photos: then the embeddings do not tell who is who.
    """
    embedded = [photo for photo in photos if photo.status == "usable" and photo.embedding is not None]
    if len(embedded) < 3:
        return list(photos)
    embeddings = np.stack([photo.embedding for photo in embedded if photo.embedding is not None])  # (photos, d)
    alike = embeddings @ embeddings.T  # (photos, photos)
    centre = int((np.where(alike >= same_person, 1 + alike, 0)).sum(axis=1).argmax())
    group = alike[centre] >= same_person
    if 2 * group.sum() <= len(group):
        return list(photos)
    mean = embeddings[group].mean(axis=0)
    to_mean = embeddings @ (mean / np.linalg.norm(mean))
    strange = {photo.number for photo, cosine in zip(embedded, to_mean, strict=True) if cosine < same_person}
    return [
        replace(photo, looks_different=True, message=f"{photo.message} It looks like another person than the rest.")
        if photo.number in strange else photo
        for photo in photos
    ]  # fmt: skip


def other_people_warning(photos: Sequence[FacePhoto]) -> list[str]:
    """The sentence that names the flagged photos by number; nothing where none is flagged."""
    strange = [str(photo.number) for photo in photos if photo.looks_different]
    return [f"Another person may be on photo {', '.join(strange)}; check and remove what does not belong."] if strange else []


def n_evaluation_of(n_usable: int, n_chosen: int | None = None) -> int:
    """How many of the usable photos are kept for evaluation: 40 % of them, at most 20 (10: 4, 12: 5, 30: 12, 50: 20).

    Args:
        n_usable: at least 10.
        n_chosen: the number that the user chose; None: the rule.

    Raises:
        InputError: `n_chosen` leaves fewer than 5 photos for fine-tuning, or is not positive.
    """
    number = min(MAX_EVALUATION, round(EVALUATION_SHARE * n_usable)) if n_chosen is None else n_chosen
    if not 1 <= number <= n_usable - MIN_FINE_TUNING:
        raise InputError(
            f"{number} evaluation photos of {n_usable} usable ones leave too few for fine-tuning;"
            f" choose 1 to {n_usable - MIN_FINE_TUNING}."
        )
    return number


def split(photos: Sequence[FacePhoto], n_evaluation: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of (fine-tuning, evaluation) photos, drawn from the seed.

    Each photo draws its rank from the seed and its own pixels, so that neither the order of the upload nor a further
    photo moves the others about.
    """
    ranked = sorted(photos, key=lambda photo: _rank(photo, seed))
    fine_tuning, evaluation = (sorted(photo.number for photo in part) for part in (ranked[n_evaluation:], ranked[:n_evaluation]))
    return tuple(fine_tuning), tuple(evaluation)


def _rank(photo: FacePhoto, seed: int) -> bytes:
    assert photo.crop is not None  # of usable photos only
    shape = "x".join(map(str, photo.crop.shape))
    return hashlib.sha256(f"{seed}:{shape}:".encode() + np.ascontiguousarray(photo.crop).tobytes()).digest()


@dataclass(frozen=True)
class PersonFaces:
    """Face crops of one person, uint8 (height, width, 3) each; no photo is in both parts."""

    fine_tuning: Sequence[np.ndarray]
    evaluation: Sequence[np.ndarray] = ()


Faces = Mapping[str, PersonFaces]  # by name, as in `ForgetConfig.persons`


def require_faces(persons: Sequence[Person], faces: Faces) -> None:
    """Raise `InputError` unless every person has fine-tuning photos and none of them is an evaluation photo.

    Persons are told by number, because messages end up in logs.
    """
    unknown = set(faces) - {person.name for person in persons}
    if unknown:
        raise InputError(f"{len(unknown)} sets of photos belong to nobody who is forgotten; give the names as they are given there.")
    for number, person in enumerate(persons, start=1):
        person_faces = faces.get(person.name)
        if person_faces is None or not len(person_faces.fine_tuning):
            raise InputError(
                f"Person {number} has no photos to fine-tune with; the image encoder needs about 30 of every person (--faces)."
            )
        trained = {_fingerprint(photo) for photo in person_faces.fine_tuning}
        if any(_fingerprint(photo) in trained for photo in person_faces.evaluation):
            raise InputError(f"A photo of person {number} is both for fine-tuning and for evaluation; they must differ.")


def _fingerprint(photo: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    return photo.shape, photo.tobytes()
