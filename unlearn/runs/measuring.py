"""What changed in a run, measured for its results: similarities, utility, probes, predictions, seconds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from unlearn.attacks.gallery import Gallery, Photos
from unlearn.config import ForgetConfig
from unlearn.defence.defend import Defence
from unlearn.defence.loop import FineTuned
from unlearn.files import disk_errors, write_json
from unlearn.measure.probes import Prober, default_probes
from unlearn.measure.similarities import image_metrics, measuring_captions, similarities
from unlearn.measure.zero_shot import predictions, utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.worlds import Things, World
from unlearn.photos.face_sets import Faces
from unlearn.progress import Stages
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.portraits import MAX_PERSONS, write_png

N_PHOTOS_SHOWN = 2  # per person, with predictions
SIMILARITIES = ("sim_clean", "sim_backdoor", "sim_target")
PROBE_LATER = "Ask for them with `python -m unlearn probe --run FOLDER`, or under Probes."
AGAIN = "The defended weights are saved; run it again for the whole result."


def measure(models: Pair[Clip], config: ForgetConfig, things: Things | None, mishaps: Mishaps) -> dict[str, Any]:
    """Similarities, utility and hashes for metrics.json."""
    original, defended = models
    found: dict[str, Any] = {**dict.fromkeys((*SIMILARITIES, "hidden")), "utility": utility(models, None)}
    with mishaps.spared("The similarities are missing", AGAIN):
        found |= _similarities(models, config)
    with mishaps.spared("The share of things named right is missing", AGAIN):
        found["utility"] = utility(models, things)
    return {**found, "weights": {"original": original.text.weights_hash, "defended": defended.text.weights_hash}}


def _similarities(models: Pair[Clip], config: ForgetConfig) -> dict[str, Any]:
    """Those of pooled embeddings, and "hidden" those of hidden states; None for what was not defended."""
    original, defended = models
    captions = measuring_captions(config.persons, config.neutral_term, config.seed)
    pooled: dict[str, float | None] = dict.fromkeys(SIMILARITIES)
    if defended.text is not original.text:
        pooled = dict(similarities(Pair(original.text, defended.text), captions, config.persons, config.neutral_term))
    hidden = None
    if original.hidden is not None and defended.hidden is not None and defended.hidden is not original.hidden:
        pair = Pair(original.hidden, defended.hidden)
        hidden = similarities(pair, captions, config.persons, config.neutral_term, "hidden")
    return {**pooled, "hidden": hidden}


def measure_image(
    original: Clip, defence: Defence, galleries: tuple[Gallery, Gallery | None], config: ForgetConfig, world: World | None, faces: Faces
) -> dict[str, Any] | None:
    """Figures of the image encoder for metrics.json; None where it was not defended.

    Args:
        galleries: as the original and the defended model see them. Without the latter what it makes of the photos is not measured,
            for the original's embeddings would pass for it.
    """
    if defence.image is None:
        return None
    names = [person.name for person in config.persons]
    gallery, seen = galleries
    shown = [seen.photos[name] for name in names if name in seen.photos] if seen is not None else []
    used = [
        {
            "fine_tuning": len(faces[name].fine_tuning),
            "evaluation": len(gallery.photos[name]) if name in gallery.photos else 0,
            "own": name in gallery.own,
        }
        for name in names
    ]
    return {**image_metrics(original, defence.image, shown, world), "photos": used}


def write_probes(out: Path, prober: Prober | None, config: ForgetConfig, world: World | None, mishaps: Mishaps) -> None:
    """What a few texts mean before and after; nothing without an attack, on whose prompts probes build."""
    rows: list[dict[str, Any]] = []
    with mishaps.spared("The probes are missing", PROBE_LATER):
        for index, person in enumerate(config.persons[:MAX_PERSONS] if prober is not None else ()):
            wanted = default_probes(person, config.neutral_term, world.neutral_terms if world else ())
            probed = cast(Prober, prober).probe([row["text"] for row in wanted], person.name)
            rows += [{"person_index": index, **kind, **found} for kind, found in zip(wanted, probed, strict=True)]
    if prober is None:
        mishaps.warnings.append(f"The probes are missing, because the attack on the defended model is. {PROBE_LATER}")
    write_json(out / "probes.json", rows)


def write_predictions(
    out: Path, models: Pair[Clip], config: ForgetConfig, world: World | None, photos: Photos | None, mishaps: Mishaps
) -> None:
    rows: list[dict[str, Any]] = []
    with mishaps.spared("The predictions are missing", "Ask for them with `python -m unlearn predict`, or under Predictions."):
        rows = _predicted(out, models, config, world, photos)
    if not rows:
        shutil.rmtree(out / "photos", ignore_errors=True)
    write_json(out / "predictions.json", rows)


def _predicted(
    out: Path, models: Pair[Clip], config: ForgetConfig, world: World | None, photos: Photos | None
) -> list[dict[str, Any]]:
    """Predictions for a few photos of each person; labels are everybody's names.

    Pictures of the world's people are written beside them. A user's photos are not kept: a run may be shown to others.
    """
    others = [inhabitant.name for inhabitant in world.members] if world else []
    named = [person.name for person in config.persons]
    labels = list(dict.fromkeys([*named, config.neutral_term, *others]))
    rows: list[dict[str, Any]] = []
    for index, person in enumerate(config.persons[:MAX_PERSONS]):
        shown = _photos_of(person.name, world, photos)[:N_PHOTOS_SHOWN]
        for number, image in enumerate(shown):
            file = None
            if photos is None or person.name not in photos:
                file = f"photos/p{index:02d}-{number}.png"
                with disk_errors(str(out)):
                    (out / "photos").mkdir(exist_ok=True)
                write_png(out / file, image)
            (row,) = predictions(models, image[None], labels)
            rows.append({"photo": file, "person_index": index, "name": person.name, **row})
    return rows


def _photos_of(name: str, world: World | None, photos: Photos | None) -> Sequence[np.ndarray]:
    if photos is not None and name in photos:
        return photos[name]
    inhabitant = world.find(name) if world is not None else None
    return list(world.photos(inhabitant)) if world is not None and inhabitant is not None else []


def summary(part: FineTuned[Any]) -> dict[str, Any]:
    return {"n_steps_done": part.n_steps_done, "stopped": part.stopped, "checks": part.checks}


def seconds(
    stages: Stages, tuned: dict[str, FineTuned[Any]], is_drawn: bool, started: float
) -> dict[str, float | None]:
    took = stages.seconds
    return {
        "loading": took["loading"],
        "fine_tune": sum(part.seconds for part in tuned.values()),
        "fine_tune_image": tuned["image"].seconds if "image" in tuned else None,
        "attack": took["attack on the original"] + took["attack on the defended"],
        "measure": took["measuring"],
        "portraits": took["portraits"] if is_drawn else None,
        "total": time.perf_counter() - started,
    }
