"""Whether a run is still what its seal says: the weights are hashed again, and a portrait is drawn again from them and compared.

A portrait that is drawn again may differ in the last of 255 levels of a few pixels: it is drawn in a smaller batch than in the run,
whose sums are rounded in another order, and the number of threads changes them, too. Another kind of device rounds so differently that
pictures cannot be compared level by level.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from unlearn.config import PortraitConfig, Settings
from unlearn.errors import InputError
from unlearn.files import file_hash
from unlearn.models.clip import resolve_device
from unlearn.progress import Report, no_report
from unlearn.runs.defended_files import defended_files
from unlearn.runs.portraits import Portrait
from unlearn.runs.questions import PortraitRequest, portraits
from unlearn.runs.records import PortraitEntry
from unlearn.runs.results import PORTRAITS, Run, finished_run
from unlearn.runs.stamps import read_png
from unlearn.runs.verification_records import TOLERANCE, Outcome, PictureCheck, Verification, WeightsCheck
from unlearn.texts.prompts import fill

NO_SEAL = "This run has no seal: an earlier version of the program made it. Run it again."


def verify(settings: Settings, run: Path, seed: int | None = None, person_index: int = 0, report: Report = no_report) -> Verification:
    """Hash the weights of a finished run, draw both portraits of a person and seed again, and compare with the seal and the files.

    Args:
        settings: device, folders.
        run: a finished run.
        seed: one of the run's portraits; None: the first.
        person_index: number of the person in the run's config.
        report: progress of drawing.

    Raises:
        InputError: no finished run, no seal, no such person, or no portrait with this seed.
    """
    finished = finished_run(run)
    if not finished.seal.created:
        raise InputError(NO_SEAL)
    entries = _entries(finished, seed, person_index)
    weights = _checked_weights(finished)
    device, run_device = str(resolve_device(settings)), finished.manifest.device
    pictures: tuple[PictureCheck, ...] = ()
    if entries and all(check.is_equal for check in weights):
        drawn = _drawn_again(settings, finished, entries[0], report)
        is_same_kind = device.partition(":")[0] == run_device.partition(":")[0]
        pictures = tuple(_compared(finished, entry, drawn[entry.model], is_same_kind) for entry in entries)
    is_verified = all(check.is_equal for check in weights) and all(check.is_good for check in pictures)
    return Verification(is_verified, finished.seal.created, device, run_device, weights, pictures)


def _entries(run: Run, seed: int | None, person_index: int) -> list[PortraitEntry]:
    """The portraits of a person by name with one seed; none where the run has no portraits and no seed was asked for."""
    if not 0 <= person_index < len(run.config.persons):
        raise InputError(f"person is {person_index}; the run has {len(run.config.persons)} persons, numbered from 0.")
    named = [entry for entry in run.portraits if (entry.person_index, entry.prompt) == (person_index, "name")]
    seeds = list(dict.fromkeys(entry.seed for entry in named))
    if seed is not None and seed not in seeds:
        known = f"it has {', '.join(map(str, seeds))}" if seeds else "it has none of this person"
        raise InputError(f"The run has no portrait with seed {seed}; {known}.")
    return [entry for entry in named if entry.seed == (seeds[0] if seed is None else seed)]


def _checked_weights(run: Run) -> tuple[WeightsCheck, ...]:
    """Every file of weights that the seal names or the folder holds."""
    there = defended_files(run.folder)
    pairs = {file: (run.seal.weights.get(file), there.get(file)) for file in sorted(there.keys() | run.seal.weights.keys())}
    return tuple(WeightsCheck(file, sealed, now, sealed == now) for file, (sealed, now) in pairs.items())


def _drawn_again(settings: Settings, run: Run, entry: PortraitEntry, report: Report) -> dict[str, Portrait]:
    config = run.config.portraits or PortraitConfig()
    prompt = fill(config.prompt_template, run.config.persons[entry.person_index].name)
    request = PortraitRequest((prompt,), replace(config, seeds=(entry.seed,)))
    return {portrait.model: portrait for portrait in portraits(settings, run.folder, request, report)}


def _compared(run: Run, entry: PortraitEntry, drawn: Portrait, is_same_kind: bool) -> PictureCheck:
    file = f"{PORTRAITS}/{entry.file}"
    n_pixels = drawn.image.shape[0] * drawn.image.shape[1]
    try:
        stored, now = read_png(run.folder / file), file_hash(run.folder / file)
    except (InputError, OSError):
        return PictureCheck(file, entry.model, entry.seed, False, n_pixels, n_pixels, None, "unreadable")
    is_sealed = run.seal.pictures.get(file) == now
    n_different, largest = differences(stored, drawn.image)
    outcome: Outcome = "equal" if not n_different else "rounding" if largest <= TOLERANCE else "different" if is_same_kind else "undecided"
    return PictureCheck(file, entry.model, entry.seed, is_sealed, n_pixels, n_different, largest, outcome)


def differences(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """(Pixels that differ, the largest difference in levels) of two pictures; of other sizes everything differs."""
    if one.shape != other.shape:
        return max(one.shape[0] * one.shape[1], other.shape[0] * other.shape[1]), 255
    levels = np.abs(one.astype(int) - other).max(axis=2)
    return int((levels > 0).sum()), int(levels.max(initial=0))
