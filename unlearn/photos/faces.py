"""From uploaded photos to the faces of one person: read, find, crop, leave out copies, split (images only, no torch).

A message names a photo by its number, never by its file's name. The result says what found the faces. A photo that cannot be used
gets a status and a sentence; it is no exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from unlearn.config import FinderBars, Settings
from unlearn.errors import ConfigError, InputError
from unlearn.photos.face_intake import FaceIntake
from unlearn.photos.face_set_folders import is_face_set as is_face_set
from unlearn.photos.face_set_folders import load_face_set as load_face_set
from unlearn.photos.face_set_folders import save_face_set as save_face_set
from unlearn.photos.face_sets import MIN_FINE_TUNING, mark_strangers, n_evaluation_of, other_people_warning, split
from unlearn.photos.face_sets import MIN_USABLE as MIN_USABLE
from unlearn.photos.face_sets import RECOMMENDED as RECOMMENDED
from unlearn.photos.face_sets import FacePhoto as FacePhoto  # the redundant `as` says: exported from here, too
from unlearn.photos.face_sets import FaceSet as FaceSet
from unlearn.photos.finders import LICENCE_NOTE as LICENCE_NOTE
from unlearn.photos.finders import choose_finder
from unlearn.photos.uploads import MAX_PHOTOS, Part, Upload, expand_upload, upload_limits
from unlearn.progress import Progress, Report, no_report


@dataclass(frozen=True)
class FaceConfig:
    """How faces are found and split.

    Attributes:
        detector: "insightface", "mtcnn", "cascade", "crops" (the photos are face crops already) or "auto": InsightFace
            if its pack is on this machine, else MTCNN, and for each photo whether it is a face crop already
            (`face_intake`).
        pack: name of an InsightFace pack.
        root: folder that holds models/<pack>; None: ~/.insightface.
        min_face_px: smaller faces are not used; a crop is 1.4 times as large, and 56 px is the least that is pasted.
        n_evaluation: photos kept for evaluation; None: 40 %, at most 20.
        seed: draws the split.
        bars: from which on something counts as a face, a crop or the same person.
    """

    detector: Literal["auto", "insightface", "mtcnn", "cascade", "crops"] = "auto"
    pack: str = "buffalo_l"
    root: Path | None = None
    min_face_px: int = 40
    n_evaluation: int | None = None
    seed: int = 0
    bars: FinderBars = field(default_factory=FinderBars)

    def __post_init__(self) -> None:
        if self.detector not in ("auto", "insightface", "mtcnn", "cascade", "crops"):
            raise ConfigError(f"detector is {self.detector!r}; use auto, insightface, mtcnn, cascade or crops.")
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
        ModelLoadError: the finder that was asked for is not at hand, or damaged.
    """
    config, settings = config or FaceConfig(), settings or Settings()
    limits = upload_limits(settings)
    upload = expand_upload(paths, limits)
    _require_photos(upload, picks or {})
    finder = choose_finder(config.detector, config.pack, config.root, settings, config.bars) if config.detector != "crops" else None
    intake = FaceIntake(finder, config.min_face_px, config.detector == "auto", picks or {}, config.bars.ready_share)
    for number, source in enumerate(upload.sources, start=1):
        intake.add(number, source, limits.photo_mb)
        report(Progress(number, len(upload.sources), "finding faces"))
    photos = mark_strangers(intake.photos, finder.same_person) if finder is not None else intake.photos
    name, of_finder = "already face crops", list[str]()
    if finder is not None:
        name, of_finder = finder.name, [*finder.warnings, *_used_as_they_are(photos)]
    face_set = FaceSet(tuple(photos), name, warnings=(*upload.notes, *of_finder, *_warnings(photos)))
    return _with_split(face_set, [source.part for source in upload.sources], config)


def _require_photos(upload: Upload, picks: Mapping[int, int]) -> None:
    if not upload.sources:
        raise InputError(" ".join(("There is no photo in what was given.", *upload.notes)))
    if any(not 1 <= number <= len(upload.sources) for number in picks):
        raise InputError(f"A face was picked in a photo that does not exist; there are {len(upload.sources)} photos.")


def _used_as_they_are(photos: Sequence[FacePhoto]) -> Iterator[str]:
    n_ready = sum(photo.as_is for photo in photos)
    if n_ready:
        yield f"Face crops already, used as they are: {n_ready} of {len(photos)} photos, which are small and square."


def _warnings(photos: Sequence[FacePhoto]) -> Iterator[str]:
    n_usable = sum(photo.status == "usable" for photo in photos)
    n_several = sum(photo.status == "several faces" for photo in photos)
    if n_usable < MIN_USABLE:
        yield f"Usable photos: {n_usable}; at least {MIN_USABLE} are needed, about {RECOMMENDED} recommended."
    elif n_usable < RECOMMENDED:
        yield f"Usable photos: {n_usable}; about {RECOMMENDED} are recommended."
    if 2 * sum(photo.status == "no face" for photo in photos) > len(photos):
        yield "In most photos no face was found; drawn faces and large face crops need the detector crops."
    if n_several:
        yield f"Photos that show several faces: {n_several}; pick one in each, or they stay unused."
    yield from other_people_warning(photos)


def _with_split(face_set: FaceSet, parts: Sequence[Part | None], config: FaceConfig) -> FaceSet:
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
