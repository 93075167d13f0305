"""One photo after another -> its face crop, or why it has none; copies are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from unlearn.errors import InputError
from unlearn.photos.crops import CROP_SIDE, FACE, Fingerprint, FoundFace, crop_face, shrink
from unlearn.photos.face_sets import FacePhoto
from unlearn.photos.finders import FaceFinder
from unlearn.photos.uploads import PhotoSource

BACKGROUND = 1 / 3  # of the largest face; smaller ones are taken for passers-by
READY_PX = 256  # longest side of a ready face crop: avatars and aligned crops of 112 px are smaller, photos of a camera are larger
READY_RATIO = 1.1  # of their sides, at most


class FaceIntake:
    """Reads photos one by one and remembers what they look like, so that copies are left out.

    Args:
        finder: finds the faces; None: all photos are face crops already.
        min_face_px: smaller faces are not used.
        detects_crops: whether a photo that is a face crop already is recognised as such and used as it is.
        picks: photo number -> face number, both from 1, for photos that show several.
        ready_share: as of `FinderBars`.
    """

    def __init__(
        self, finder: FaceFinder | None, min_face_px: int, detects_crops: bool, picks: Mapping[int, int], ready_share: float
    ) -> None:
        self.photos: list[FacePhoto] = []
        self._finder, self._min_face_px, self._detects_crops, self._picks = finder, min_face_px, detects_crops, picks
        self._ready_share = ready_share
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
        face = self._face(number, photo.pixels)
        if face.crop is not None and not face.as_is:  # what is used as it is was compared as a whole
            crop = Fingerprint(face.crop, FACE)
            if (earlier := _copy_in(crop, self._crops)) is not None:
                face = _duplicate(number, earlier)
            else:
                self._crops[number] = crop
        if face.status in ("usable", "several faces"):  # of the others a better copy may follow
            self._wholes[number] = whole
        self.photos.append(replace(face, message=" ".join(filter(None, (face.message, photo.note)))))

    def _face(self, number: int, pixels: np.ndarray) -> FacePhoto:
        if self._finder is None:
            return self._as_it_is(number, pixels, "Used as it is.")
        faces = self._finder.find(pixels)
        if self._detects_crops and number not in self._picks and _is_ready_crop(pixels, faces, self._ready_share):
            why = "the face fills the picture" if faces else "no face was found, but the picture is as small and square as a face crop"
            return self._as_it_is(number, pixels, f"Used as it is: {why}.")
        if not faces:
            return FacePhoto(number, "no face", "No face was found; choose a photo that shows it larger, upright and from the front.")
        largest = max(face.side for face in faces)
        if largest < self._min_face_px:
            message = f"The face is {largest:.0f} px large; at least {self._min_face_px} px are needed."
            return FacePhoto(number, "too small", message)
        main = [face for face in faces if face.side >= max(self._min_face_px, BACKGROUND * largest)]
        return self._choose(number, pixels, main, len(faces) - len(main))

    def _as_it_is(self, number: int, pixels: np.ndarray, message: str) -> FacePhoto:
        if min(pixels.shape[:2]) < self._min_face_px:
            size = f"{pixels.shape[1]} x {pixels.shape[0]} px"
            return FacePhoto(number, "too small", f"The picture is {size}; at least {self._min_face_px} px are needed.")
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
            message += f" Left out: {n_small} much smaller in the background."
        candidates = crops if len(crops) > 1 else ()
        return FacePhoto(number, "usable", message, crops[pick - 1], candidates, faces[pick - 1].embedding)


def _is_ready_crop(pixels: np.ndarray, faces: Sequence[FoundFace], ready_share: float) -> bool:
    """Whether a photo is a face crop already: small and square, and a face fills it or none was found.

    None is found in drawn faces and in faces that reach beyond the picture.
    """
    short, long = sorted(pixels.shape[:2])
    if long > READY_PX or long > READY_RATIO * short:
        return False
    return not faces or CROP_SIDE * max(face.side for face in faces) >= ready_share * short


def _copy_in(picture: Fingerprint, earlier: Mapping[int, Fingerprint]) -> int | None:
    return next((number for number, other in earlier.items() if picture.is_copy_of(other)), None)


def _duplicate(number: int, earlier: int) -> FacePhoto:
    return FacePhoto(number, "duplicate", f"The same picture as photo {earlier}, or nearly; left out.")
