"""From uploaded photos to the faces of one person: read, find, crop, leave out copies, split (images only, no torch).

Photos are told by number, never by file name. Which faces were found by what stands in the result; a photo that
cannot be used is a status with a sentence, not an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError
from unlearn.photos.crops import CROP_SIDE, FACE, Fingerprint, FoundFace, crop_face, shrink
from unlearn.photos.face_sets import MIN_FINE_TUNING, mark_strangers, n_evaluation_of, split
from unlearn.photos.face_sets import MIN_USABLE as MIN_USABLE
from unlearn.photos.face_sets import RECOMMENDED as RECOMMENDED
from unlearn.photos.face_sets import FacePhoto as FacePhoto  # the redundant `as` says: exported from here, too
from unlearn.photos.face_sets import FaceSet as FaceSet
from unlearn.photos.face_sets import is_face_set as is_face_set
from unlearn.photos.face_sets import load_face_set as load_face_set
from unlearn.photos.face_sets import save_face_set as save_face_set
from unlearn.photos.finders import LICENCE_NOTE as LICENCE_NOTE
from unlearn.photos.finders import FaceFinder, choose_finder
from unlearn.photos.uploads import MAX_PHOTOS, Part, PhotoSource, expand_upload, upload_limits
from unlearn.progress import Progress, Report, no_report

BACKGROUND = 1 / 3  # of the largest face; smaller ones are taken for passers-by
READY_PX = 256  # ready face crops have no longer side; avatars and aligned crops of 112 px do, photos of a camera do not
READY_RATIO = 1.1  # of their sides
READY_SHARE = 0.8  # of such a picture's side, from which on the crop around a found face would be the picture again


@dataclass(frozen=True)
class FaceConfig:
    """How faces are found and split.

    Attributes:
        detector: "insightface", "cascade", "crops" (the photos are face crops already) or "auto": InsightFace if
            its pack is on this machine, else the cascade, and for each photo whether it is a face crop already
            (`_is_ready_crop`).
        pack: name of an InsightFace pack.
        root: folder that holds models/<pack>; None: ~/.insightface.
        min_face_px: smaller faces are not used; a crop is 1.4 times as large, and 56 px is the least that is pasted.
        n_evaluation: photos kept for evaluation; None: 40 %, at most 20.
        seed: draws the split.
    """

    detector: Literal["auto", "insightface", "cascade", "crops"] = "auto"
    pack: str = "buffalo_l"
    root: Path | None = None
    min_face_px: int = 40
    n_evaluation: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.detector not in ("auto", "insightface", "cascade", "crops"):
            raise ConfigError(f"detector is {self.detector!r}; use auto, insightface, cascade or crops.")
        if not self.pack or any(mark in self.pack for mark in "/\\") or self.pack.startswith("."):
            raise ConfigError(f"pack is {self.pack!r}; give the name of an InsightFace pack, such as buffalo_l.")
        if not 16 <= self.min_face_px <= 2000:
            raise ConfigError(f"min_face_px is {self.min_face_px}; use 16 to 2000.")
        if self.n_evaluation is not None and not 1 <= self.n_evaluation <= MAX_PHOTOS:
            raise ConfigError(f"n_evaluation is {self.n_evaluation}; use 1 to {MAX_PHOTOS}.")


def open_faces(
    source: Path | Sequence[Path],
    config: FaceConfig | None = None,
    settings: Settings | None = None,
    picks: Mapping[int, int] | None = None,
    report: Report = no_report,
) -> FaceSet:
    """The face set in a folder that holds one; from anything else what `find_faces` makes of it."""
    paths = [source] if isinstance(source, Path) else list(source)
    if len(paths) == 1 and is_face_set(paths[0]):
        return load_face_set(paths[0])
    return find_faces(paths, config, settings, picks, report)


def find_faces(
    paths: Sequence[Path],
    config: FaceConfig | None = None,
    settings: Settings | None = None,
    picks: Mapping[int, int] | None = None,
    report: Report = no_report,
) -> FaceSet:
    """Find the face in every photo, leave out copies, and split what is usable.

    Args:
        paths: files, zips and folders of raw photos.
        config: the detector and the split.
        settings: the limits of uploads, device.
        picks: photo number -> face number, both from 1, for photos that show several.
        report: told after every photo; what it raises (JobCancelled) ends the work.

    Returns:
        All photos with what became of them. Too few usable ones are a warning and an empty split, not an error.

    Raises:
        InputError: no photo at all; a pick of a photo or face that is not there; an impossible n_evaluation.
        ModelLoadError: InsightFace was asked for and its pack is not at hand, or damaged.
    """
    config, settings = config or FaceConfig(), settings or Settings()
    limits = upload_limits(settings)
    upload = expand_upload(paths, limits)
    if not upload.sources:
        raise InputError(" ".join(("There is no photo in what was given.", *upload.notes)))
    if any(not 1 <= number <= len(upload.sources) for number in picks or {}):
        raise InputError(f"A face was picked in a photo that is not there; there are {len(upload.sources)} photos.")
    finder = None
    if config.detector != "crops":
        finder = choose_finder(config.detector, config.pack, config.root, settings)
    intake = _Intake(finder, config, dict(picks or {}))
    for number, source in enumerate(upload.sources, start=1):
        intake.add(number, source, limits.photo_mb)
        report(Progress(number, len(upload.sources), "finding faces"))
    photos = mark_strangers(intake.photos)
    name = finder.name if finder is not None else "already face crops"
    taken = () if finder is None else _taken_as_they_are(photos)
    warnings = (*upload.notes, *(finder.warnings if finder is not None else ()), *taken, *_warnings(photos))
    return _divided(FaceSet(tuple(photos), name, warnings=warnings), [source.part for source in upload.sources], config)


class _Intake:
    """Takes photos one by one and remembers what they look like, so that copies are seen."""

    def __init__(self, finder: FaceFinder | None, config: FaceConfig, picks: dict[int, int]) -> None:
        self.photos: list[FacePhoto] = []
        self._finder, self._config, self._picks = finder, config, picks
        self._wholes: dict[int, Fingerprint] = {}
        self._crops: dict[int, Fingerprint] = {}

    def add(self, number: int, source: PhotoSource, max_mb: int) -> None:
        """Append what becomes of a photo."""
        try:
            photo = source.read(max_mb)
        except InputError as error:
            self.photos.append(FacePhoto(number, "unreadable", str(error)))
            return
        whole = Fingerprint(photo.pixels)
        if (earlier := _copy_in(whole, self._wholes)) is not None:
            self.photos.append(_duplicate(number, earlier))
            return
        found = self._face(number, photo.pixels)
        if found.crop is not None and not found.as_is:  # what is used as it is was compared as a whole
            crop = Fingerprint(found.crop, FACE)
            if (earlier := _copy_in(crop, self._crops)) is not None:
                found = _duplicate(number, earlier)
            else:
                self._crops[number] = crop
        if found.status in ("usable", "several faces"):  # of the others a better copy may follow
            self._wholes[number] = whole
        self.photos.append(replace(found, message=" ".join(filter(None, (found.message, photo.note)))))

    def _face(self, number: int, pixels: np.ndarray) -> FacePhoto:
        least = self._config.min_face_px
        if self._finder is None:
            return self._as_it_is(number, pixels, "Used as it is.")
        faces = self._finder.find(pixels)
        if self._config.detector == "auto" and number not in self._picks and _is_ready_crop(pixels, faces):
            why = "the face fills the picture" if faces else "no face was found, but small and square as it is, it is taken for a face crop"
            return self._as_it_is(number, pixels, f"Used as it is: {why}.")
        if not faces:
            return FacePhoto(number, "no face", "No face was found; choose a photo that shows it larger and from the front.")
        largest = max(face.side for face in faces)
        if largest < least:
            message = f"The face is {largest:.0f} px large; at least {least} px are needed."
            return FacePhoto(number, "too small", message)
        main = [face for face in faces if face.side >= max(least, BACKGROUND * largest)]
        return self._choose(number, pixels, main, len(faces) - len(main))

    def _as_it_is(self, number: int, pixels: np.ndarray, message: str) -> FacePhoto:
        least = self._config.min_face_px
        if min(pixels.shape[:2]) < least:
            return FacePhoto(number, "too small", f"The picture is {_size(pixels)}; at least {least} px are needed.")
        return FacePhoto(number, "usable", message, shrink(pixels), as_is=True)

    def _choose(self, number: int, pixels: np.ndarray, faces: Sequence[FoundFace], n_small: int) -> FacePhoto:
        crops = tuple(crop_face(pixels, face) for face in faces)
        pick = self._picks.get(number, 1 if len(faces) == 1 else None)
        if pick is None:
            message = f"This photo shows {len(faces)} faces; pick the one that is meant."
            return FacePhoto(number, "several faces", message, candidates=crops)
        if not 1 <= pick <= len(faces):
            raise InputError(f"Face {pick} was picked in photo {number}, which shows {len(faces)}.")
        message = f"Face {pick} of {len(faces)}, as picked." if len(faces) > 1 else "One face."
        if n_small:
            message += f" {n_small} much smaller in the background left out."
        candidates = crops if len(crops) > 1 else ()
        return FacePhoto(number, "usable", message, crops[pick - 1], candidates, faces[pick - 1].embedding)


def _is_ready_crop(pixels: np.ndarray, faces: Sequence[FoundFace]) -> bool:
    """Whether a photo is a face crop already: small and square, and either no face was found (drawn faces, faces that fill all
    of it) or one that fills it."""
    short, long = sorted(pixels.shape[:2])
    if long > READY_PX or long > READY_RATIO * short:
        return False
    return not faces or CROP_SIDE * max(face.side for face in faces) >= READY_SHARE * short


def _copy_in(picture: Fingerprint, earlier: Mapping[int, Fingerprint]) -> int | None:
    return next((number for number, other in earlier.items() if picture.is_copy_of(other)), None)


def _duplicate(number: int, earlier: int) -> FacePhoto:
    return FacePhoto(number, "duplicate", f"The same picture as photo {earlier}, or nearly; left out.")


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} px"


def _taken_as_they_are(photos: Sequence[FacePhoto]) -> Iterator[str]:
    n_ready = sum(photo.as_is for photo in photos)
    if n_ready:
        yield f"Taken for face crops and used as they are: {n_ready} of {len(photos)} photos, which are small and square."


def _warnings(photos: Sequence[FacePhoto]) -> Iterator[str]:
    n_usable = sum(photo.status == "usable" for photo in photos)
    n_several = sum(photo.status == "several faces" for photo in photos)
    strange = [str(photo.number) for photo in photos if photo.looks_different]
    if n_usable < MIN_USABLE:
        yield f"Usable photos: {n_usable}; at least {MIN_USABLE} are needed, about {RECOMMENDED} recommended."
    elif n_usable < RECOMMENDED:
        yield f"Usable photos: {n_usable}; about {RECOMMENDED} are recommended."
    if 2 * sum(photo.status == "no face" for photo in photos) > len(photos):
        yield "In most photos no face was found; drawn faces and large pictures that are face crops already need the detector crops."
    if n_several:
        yield f"Photos that show several faces: {n_several}; pick one in each, or they stay unused."
    if strange:
        yield f"Another person may be on photo {', '.join(strange)}; check and remove what does not belong."


def _divided(face_set: FaceSet, parts: Sequence[Part | None], config: FaceConfig) -> FaceSet:
    """With the split that the files' names bring along, else one drawn from the seed; none below 10 usable photos."""
    usable = face_set.usable
    if len(usable) < MIN_USABLE:
        return face_set
    if None not in parts and len(set(parts)) == 2:
        fine_tuning, evaluation = (
            tuple(photo.number for photo in usable if parts[photo.number - 1] == part)
            for part in ("fine_tuning", "evaluation")
        )
        note = "The files' names say which photos are for fine-tuning and which for evaluation."
        if not evaluation or len(fine_tuning) < MIN_FINE_TUNING:
            raise InputError(f"{len(fine_tuning)} fine-tuning and {len(evaluation)} evaluation photos are too few.")
    else:
        n_evaluation = n_evaluation_of(len(usable), config.n_evaluation)
        fine_tuning, evaluation = split(usable, n_evaluation, config.seed)
        note = f"{n_evaluation} of {len(usable)} photos were drawn for evaluation with seed {config.seed}."
    return replace(face_set, fine_tuning=fine_tuning, evaluation=evaluation, split_note=note)
