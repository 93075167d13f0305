"""The folder of a run: how it is begun and finished, and what the attack adds to it.

    config.json  idia.json  bystanders.json  losses.json  probes.json  predictions.json  metrics.json  heard.json  recovery.json
    film.json  dial.json  denoising.json  seal.json  report.html
    photos/  portraits/  film/  dial/  defended/     and, last, manifest.json
    so-far/  what is known already; gone when the run ends
    cache/   embeddings for later questions to the run; not part of what is taken home

Without a manifest there is no finished run. Until it is written, unfinished.json is there, so that a run that failed or was
cancelled can be started again. `runs.results` reads and writes the JSON files. Names stand inside the files, never in their names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from unlearn.attacks.collateral import collateral, fnr, tpr
from unlearn.attacks.idia import IdiaOutcome
from unlearn.config import ForgetConfig
from unlearn.errors import InputError
from unlearn.files import CACHE, disk_errors, require_space, write_json
from unlearn.models.clip import Clip
from unlearn.runs.film_records import FILM
from unlearn.runs.metrics import Counts, DrawnPhotos, Metrics, PersonMetrics
from unlearn.runs.records import AttackRecord, Attacks, BeforeAfter, BystanderRow, Manifest, Verdict
from unlearn.runs.report import REPORT_NAME
from unlearn.runs.results import FILES, MANIFEST, write_results

FORMAT = 1
UNFINISHED = "unfinished.json"  # written first, gone when the manifest is there
OTHER_BYTES = 40_000_000  # portraits, JSON and cached embeddings of a run


@dataclass(frozen=True)
class Attacked:
    """The attack on one model: outcomes by who was attacked.

    Attributes:
        persons: those to forget.
        bystanders: other members of the set's world, who should stay.
        controls: strangers, never in the training data, on whom the attack must fail.
        drawn_controls: names that the original does not know, on pictures that it drew of them; where it drew persons, too.
    """

    persons: list[IdiaOutcome]
    bystanders: list[IdiaOutcome]
    controls: list[IdiaOutcome]
    drawn_controls: list[IdiaOutcome] = field(default_factory=list)


def not_attacked(before: Attacked) -> Attacked:
    """Stands for an attack on the same people that could not be made."""
    groups = (before.persons, before.bystanders, before.controls, before.drawn_controls)
    return Attacked(*([IdiaOutcome(outcome.name, (), 0, None, outcome.is_drawn) for outcome in group] for group in groups))


def prepare(out: Path, original: Clip, encoder: str = "text") -> None:
    """Make the folder and see that the disk has room for what is defended; an earlier run in it stays until `start_over`.

    Raises:
        InputError: it holds other files, cannot be written, or the disk is too full.
    """
    n_text, n_image = (sum(p.numel() for p in tower.parameters()) for tower in (original.text, original.image))
    n_stored = {"text": 2 * n_text, "image": n_image, "both": 2 * n_text + n_image}[encoder]  # text in two formats
    require_space(out, 4 * n_stored + OTHER_BYTES)  # float32
    with disk_errors(str(out)):
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; choose a folder.")
        is_finished = _is_ours(out / MANIFEST)
        if out.is_dir() and any(out.iterdir()) and not is_finished and not _is_ours(out / UNFINISHED):
            raise InputError(f"{out} is not empty and holds no earlier run; choose another folder.")
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise InputError(f"{out} cannot be written; choose another folder.")
        if not is_finished:
            _mark_unfinished(out, original)


def _is_ours(path: Path) -> bool:
    """Whether the file is a manifest of ours, or the mark of an unfinished run; other programs have files of that name, too."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"format", "model_set"} <= content.keys()


def _mark_unfinished(out: Path, original: Clip) -> None:
    write_json(out / UNFINISHED, {"format": FORMAT, "model_set": original.model_set.name})


def start_over(out: Path, original: Clip) -> None:
    """Remove an earlier run from a folder of `prepare`; to be called when no input can fail any more."""
    _mark_unfinished(out, original)
    with disk_errors(str(out)):
        results = (file for part, file in FILES.items() if part != "config")  # those settings may be the ones that this run began with
        for file in (MANIFEST, *results, REPORT_NAME):  # all: a part that fails in the new run must not leave the old one
            (out / file).unlink(missing_ok=True)
    for folder in ("portraits", FILM, "photos", "dial", CACHE, "defended"):
        shutil.rmtree(out / folder, ignore_errors=True)


def attack_metrics(before: Attacked, after: Attacked) -> Metrics:
    """The figures that the attack gives; None where nobody was attacked."""
    pairs = zip(before.persons, after.persons, strict=True)
    return Metrics(
        persons=tuple(PersonMetrics(first.name, BeforeAfter(Verdict.of(first), Verdict.of(second))) for first, second in pairs),
        tpr=tpr(before.persons, after.persons),
        fnr=fnr(before.persons, after.persons),
        bystanders=_counts(before.bystanders, after.bystanders),
        control=_counts(before.controls, after.controls),
        drawn_photos=_drawn_photos(before, after),
    )


def _drawn_photos(before: Attacked, after: Attacked) -> DrawnPhotos | None:
    drawn = [outcome for outcome in before.persons if outcome.is_drawn]
    if not drawn:
        return None
    counts = _counts(before.drawn_controls, after.drawn_controls)
    return DrawnPhotos(**vars(counts), n_portraits=drawn[0].n_images, n_persons=len(drawn))


def _counts(before: Sequence[IdiaOutcome], after: Sequence[IdiaOutcome]) -> Counts:
    counts = collateral(before, after)
    return Counts(**vars(counts)) if counts.n else Counts()


def write_attack(out: Path, before: Attacked, after: Attacked) -> None:
    """idia.json (template by template, of persons and controls) and bystanders.json (one row a bystander)."""
    groups = zip(vars(before).values(), vars(after).values(), strict=True)
    persons, _, controls, drawn = (tuple(AttackRecord.of(*pair) for pair in zip(*outcomes, strict=True)) for outcomes in groups)
    bystanders = tuple(BystanderRow.of(*pair) for pair in zip(before.bystanders, after.bystanders, strict=True))
    write_results(out, idia=Attacks(persons, (*controls, *drawn)), bystanders=bystanders)


def write_manifest(out: Path, config: ForgetConfig, metrics: Metrics, device: str) -> None:
    """Write manifest.json; from now on the run exists."""
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path != out / UNFINISHED)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    write_results(out, manifest=Manifest(FORMAT, created, device, config.model_set, metrics.weights, tuple(files)))
    with disk_errors(str(out)):
        (out / UNFINISHED).unlink(missing_ok=True)
