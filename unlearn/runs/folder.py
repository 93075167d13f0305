"""The folder of a run: which files it has, and turning outcomes into their JSON; a run without manifest is none.

    config.json  idia.json  bystanders.json  losses.json  probes.json  predictions.json  metrics.json  report.html
    photos/  portraits/  defended/            and, last, manifest.json
    cache/   embeddings for later questions to the run; not part of what is taken home

Until then unfinished.json stands there, so that a run that failed or was cancelled can be started again.

Knows outcomes and files; computes no embeddings. Names stand inside the files, never in their names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unlearn.attacks.collateral import collateral, fnr, tpr
from unlearn.attacks.idia import IdiaOutcome
from unlearn.config import ForgetConfig
from unlearn.config.stand_ins import OLDER_RUNS
from unlearn.errors import InputError
from unlearn.files import CACHE, disk_errors, require_space, write_json
from unlearn.models.clip import Clip

FORMAT = 1
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"  # written first, gone when the manifest is there
OTHER_BYTES = 40_000_000  # portraits, JSON and cached embeddings of a run


@dataclass(frozen=True)
class Attacked:
    """The attack on one model: outcomes by who was attacked.

    Attributes:
        persons: those to forget.
        bystanders: other members of the set's world, who should stay.
        controls: strangers, never in the training data, on whom the attack must fail.
    """

    persons: list[IdiaOutcome]
    bystanders: list[IdiaOutcome]
    controls: list[IdiaOutcome]


def not_attacked(before: Attacked) -> Attacked:
    """What stands for an attack on the same people that could not be made."""
    parts = (before.persons, before.bystanders, before.controls)
    return Attacked(*([IdiaOutcome(one.name, (), 0, None) for one in part] for part in parts))


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
    """An earlier run in a folder of `prepare` stops existing: to be called when no input can fail any more."""
    _mark_unfinished(out, original)
    with disk_errors(str(out)):
        (out / MANIFEST).unlink(missing_ok=True)
    for part in ("portraits", "photos", CACHE, "defended"):
        shutil.rmtree(out / part, ignore_errors=True)


def read_config(run: Path) -> ForgetConfig:
    """The config of a finished run.

    Raises:
        InputError: no finished run, or it cannot be read.
    """
    try:
        if not (run / MANIFEST).is_file():
            raise InputError(f"{run} holds no finished run (no {MANIFEST}); give the folder that `forget --out` wrote.")
        return ForgetConfig.from_json((run / "config.json").read_text("utf-8"), OLDER_RUNS)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{run / 'config.json'} cannot be read: {error}.") from error


def attack_metrics(before: Attacked, after: Attacked) -> dict[str, Any]:
    """The part of metrics.json that the attack gives; None where nobody was attacked."""
    pairs = zip(before.persons, after.persons, strict=True)
    persons = [
        {"name": one.name, "idia": {"original": _verdict(one), "defended": _verdict(other)}} for one, other in pairs
    ]
    return {
        "persons": persons,
        "tpr": tpr(before.persons, after.persons),
        "fnr": fnr(before.persons, after.persons),
        "bystanders": _counts(before.bystanders, after.bystanders),
        "control": _counts(before.controls, after.controls),
    }


def _verdict(outcome: IdiaOutcome) -> dict[str, Any]:
    return {"correct_templates": outcome.correct_templates, "recognised": outcome.recognised}


def _counts(before: Sequence[IdiaOutcome], after: Sequence[IdiaOutcome]) -> dict[str, int | None]:
    found = collateral(before, after)
    if found.n == 0:
        return {"n": 0, **dict.fromkeys(("recognised_original", "recognised_defended"), None)}
    return {
        "n": found.n, "recognised_original": found.recognised_original, "recognised_defended": found.recognised_defended,
        "wrongly_forgotten": found.wrongly_forgotten, "newly_recalled": found.newly_recalled,
        "unchanged": found.unchanged,
    }  # fmt: skip


def write_attack(out: Path, before: Attacked, after: Attacked) -> None:
    """idia.json (template by template, of persons and controls) and bystanders.json (one row a bystander)."""
    write_json(
        out / "idia.json",
        {
            "persons": [_by_template(*pair) for pair in zip(before.persons, after.persons, strict=True)],
            "controls": [_by_template(*pair) for pair in zip(before.controls, after.controls, strict=True)],
        },
    )
    rows = [
        {"name": one.name, "original": _verdict(one), "defended": _verdict(other), "status": _status(one, other)}
        for one, other in zip(before.bystanders, after.bystanders, strict=True)
    ]
    write_json(out / "bystanders.json", rows)


def _by_template(one: IdiaOutcome, other: IdiaOutcome) -> dict[str, Any]:
    is_compared = len(one.templates) == len(other.templates)  # not where one of the attacks is missing
    votes = [
        {
            "template": before.template,
            "original": {"majority_name": before.majority_name, "share": before.share, "correct": before.correct},
            "defended": {"majority_name": after.majority_name, "share": after.share, "correct": after.correct},
        }
        for before, after in zip(one.templates, other.templates if is_compared else (), strict=is_compared)
    ]
    return {
        "name": one.name, "n_images": one.n_images, "original": _verdict(one), "defended": _verdict(other),
        "templates": votes,
    }  # fmt: skip


def _status(one: IdiaOutcome, other: IdiaOutcome) -> str:
    if one.recognised is None or other.recognised is None:
        return "not attacked"
    if one.recognised == other.recognised:
        return "kept" if one.recognised else "never recognised"
    return "newly recalled" if other.recognised else "wrongly forgotten"


def write_results(out: Path, config: ForgetConfig, metrics: dict[str, Any]) -> None:
    """Write config.json and metrics.json."""
    write_json(out / "config.json", json.loads(config.to_json()))
    write_json(out / "metrics.json", metrics)


def write_manifest(out: Path, config: ForgetConfig, metrics: dict[str, Any], device: str) -> None:
    """Write manifest.json; from now on the run exists."""
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path != out / UNFINISHED)
    write_json(
        out / MANIFEST,
        {
            "format": FORMAT, "created": datetime.now(UTC).isoformat(timespec="seconds"), "device": device,
            "model_set": config.model_set, "weights": metrics["weights"], "files": files,
        },
    )  # fmt: skip
    with disk_errors(str(out)):
        (out / UNFINISHED).unlink(missing_ok=True)
