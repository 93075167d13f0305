"""From uploaded photos to the faces of one person: read, find, crop, leave out copies, split (images only, no torch).

Photos are told by number, never by file name. Which faces were found by what stands in the result; a photo that
cannot be used is a status with a sentence, not an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unlearn.config import Progress, Report, Settings, no_report
from unlearn.errors import ConfigError, InputError
from unlearn.face_sets import FILE as FILE
from unlearn.face_sets import MIN_USABLE as MIN_USABLE
from unlearn.face_sets import RECOMMENDED as RECOMMENDED
from unlearn.face_sets import FacePhoto as FacePhoto  # the redundant `as` says: exported from here, too
from unlearn.face_sets import FaceSet as FaceSet
from unlearn.face_sets import is_face_set as is_face_set
from unlearn.face_sets import load_face_set as load_face_set
from unlearn.face_sets import n_evaluation_of, split
from unlearn.face_sets import save_face_set as save_face_set
from unlearn.photo_uploads import PhotoSource, expand_upload


@dataclass(frozen=True)
class FaceConfig:
    """How faces are found and split.

    Attributes:
        detector: "insightface", "cascade", "crops" (the photos are face crops already) or "auto": InsightFace if
            its pack is on this machine, else the cascade.
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
        if self.min_face_px < 16:
            raise ConfigError(f"min_face_px is {self.min_face_px}; use 16 or more.")
        if self.n_evaluation is not None and self.n_evaluation < 1:
            raise ConfigError(f"n_evaluation is {self.n_evaluation}; use 1 or more.")


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
        settings: max_upload_mb, device.
        picks: photo number -> face number, both from 1, for photos that show several.
        report: told after every photo; what it raises (JobCancelled) ends the work.

    Returns:
        All photos with what became of them. Too few usable ones are a warning and an empty split, not an error.

    Raises:
        InputError: no photo at all; a pick of a face that is not there.
        ModelLoadError: InsightFace was asked for and its pack is not at hand.
    """
    config, settings = config or FaceConfig(), settings or Settings()
    upload = expand_upload(paths)
    if not upload.sources:
        raise InputError(" ".join(("There is no photo in what was given.", *upload.notes)))
    photos = []
    for number, source in enumerate(upload.sources, start=1):
        photos.append(_crop_photo(number, source, settings))
        report(Progress(number, len(upload.sources), "finding faces"))
    return _divided(photos, "already face crops", upload.notes, config)


def _crop_photo(number: int, source: PhotoSource, settings: Settings) -> FacePhoto:
    try:
        photo = source.read(settings.max_upload_mb)
    except InputError as error:
        return FacePhoto(number, "unreadable", str(error))
    return FacePhoto(number, "usable", photo.note or "Used as it is.", photo.pixels)


def _divided(photos: Sequence[FacePhoto], finder: str, notes: Sequence[str], config: FaceConfig) -> FaceSet:
    usable = [photo for photo in photos if photo.status == "usable"]
    if len(usable) < MIN_USABLE:
        return FaceSet(tuple(photos), finder, warnings=tuple(notes))
    n_evaluation = n_evaluation_of(len(usable), config.n_evaluation)
    fine_tuning, evaluation = split(usable, n_evaluation, config.seed)
    return FaceSet(tuple(photos), finder, fine_tuning, evaluation, tuple(notes))
