"""What changed in a run, measured for its results: similarities, utility, probes, predictions, seconds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from unlearn.attacks.figures import DRAWN
from unlearn.attacks.gallery import Gallery
from unlearn.attacks.own_photos import DrawnPhotos, OwnPhotos, pictures_of
from unlearn.config import ForgetConfig
from unlearn.defence.defend import Defence
from unlearn.defence.loop import FineTuned
from unlearn.files import disk_errors
from unlearn.measure.probes import Prober, default_probes
from unlearn.measure.similarities import N_HIDDEN_CAPTIONS, captions_to_measure, image_metrics, similarities
from unlearn.measure.zero_shot import predictions, utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.worlds import Things, World
from unlearn.photos.face_sets import Faces
from unlearn.progress import Stages
from unlearn.runs.json_types import from_json
from unlearn.runs.metrics import Check, FineTuning, ImageMetrics, Metrics, PhotosUsed, Seconds, Similarities, Utility
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.portraits import MAX_PERSONS, write_png
from unlearn.runs.records import BeforeAfter, LossRow, PredictionRow, ProbeRow
from unlearn.runs.results import write_results

N_PHOTOS_SHOWN = 2  # per person, with predictions
PROBE_LATER = "Ask for them with `python -m unlearn probe --run FOLDER`, or under Probes."
AGAIN = "The defended weights are saved; run it again for the whole result."


def measure(metrics: Metrics, models: Pair[Clip], config: ForgetConfig, things: Things | None, mishaps: Mishaps) -> Metrics:
    """The figures with similarities, utility and hashes; what could not be measured stays None."""
    original, defended = models
    with mishaps.spared("The similarities are missing", AGAIN):
        pooled, hidden = _similarities(models, config)
        metrics = replace(metrics, **vars(pooled), hidden=hidden)
    with mishaps.spared("The share of things named right is missing", AGAIN):
        metrics = replace(metrics, utility=Utility(**utility(models, things)))
    return replace(metrics, weights=BeforeAfter(original.text.weights_hash, defended.text.weights_hash))


def _similarities(models: Pair[Clip], config: ForgetConfig) -> tuple[Similarities, Similarities | None]:
    """Those of pooled embeddings, and those of hidden states; None for what was not defended."""
    original, defended = models
    captions = captions_to_measure(config, original.text)
    pooled, hidden = Similarities(), None
    if defended.text is not original.text:
        encoders = Pair(original.text, defended.text)
        values = similarities(encoders, captions, config.persons, config.neutral_term)
        pooled = Similarities(**values, n_captions=len(captions))
    if original.hidden is not None and defended.hidden is not None and defended.hidden is not original.hidden:
        encoders = Pair(original.hidden, defended.hidden)
        values = similarities(encoders, captions, config.persons, config.neutral_term, "hidden")
        hidden = Similarities(**values, n_captions=min(len(captions), N_HIDDEN_CAPTIONS))
    return pooled, hidden


def measure_image(
    original: Clip, defence: Defence, galleries: tuple[Gallery, Gallery | None], config: ForgetConfig, world: World | None, faces: Faces
) -> ImageMetrics | None:
    """Figures of the image encoder; None where it was not defended.

    Args:
        galleries: as the original and the defended model see them. Without the latter what it makes of the photos is not measured,
            for the original's embeddings would pass for it.
    """
    if defence.image is None:
        return None
    names = [person.name for person in config.persons]
    gallery, seen = galleries
    shown = [None if seen is None else seen.photos.get(name) for name in names]
    used = tuple(
        PhotosUsed(len(faces[name].fine_tuning), len(gallery.photos[name]) if name in gallery.photos else 0, name in gallery.own)
        for name in names
    )
    return replace(from_json(ImageMetrics, image_metrics(original, defence.image, shown, world)), photos=used)


def write_losses(out: Path, tuned: Mapping[str, FineTuned[Any]]) -> None:
    """The losses of every step, encoder by encoder."""
    rows = (LossRow(encoder=encoder, **losses) for encoder, part in tuned.items() for losses in part.losses)  # type: ignore[arg-type]
    write_results(out, losses=tuple(rows))


def write_probes(out: Path, prober: Prober | None, config: ForgetConfig, world: World | None, mishaps: Mishaps) -> None:
    """What a few texts mean before and after; nothing without an attack, on whose prompts probes build."""
    rows: list[ProbeRow] = []
    with mishaps.spared("The probes are missing", PROBE_LATER):
        for index, person in enumerate(config.persons[:MAX_PERSONS] if prober is not None else ()):
            texts = default_probes(person, config.neutral_term, world.neutral_terms if world else ())
            probed = cast(Prober, prober).probe([row["text"] for row in texts], person.name)
            rows += [
                from_json(ProbeRow, {**row, "person_index": index, "kind": text["kind"]}) for text, row in zip(texts, probed, strict=True)
            ]
    if prober is None:
        mishaps.warnings.append(f"The probes are missing, because the attack on the defended model is. {PROBE_LATER}")
    write_results(out, probes=tuple(rows))


def write_predictions(
    out: Path, models: Pair[Clip], config: ForgetConfig, world: World | None, photos: OwnPhotos, mishaps: Mishaps
) -> None:
    """What a few photos of each person are taken for before and after."""
    rows: list[PredictionRow] = []
    with mishaps.spared("The predictions are missing", "Ask for them with `python -m unlearn predict`, or under Predictions."):
        rows = _predicted(out, models, config, world, photos)
    if not rows:
        shutil.rmtree(out / "photos", ignore_errors=True)
    write_results(out, predictions=tuple(rows))


def _predicted(out: Path, models: Pair[Clip], config: ForgetConfig, world: World | None, photos: OwnPhotos) -> list[PredictionRow]:
    """Predictions for a few photos of each person; labels are everybody's names, those of drawn controls among them.

    Pictures of the world's people, and those that were drawn, are written beside them. A user's photos are not kept: a run may be
    shown to others.
    """
    others = [inhabitant.name for inhabitant in world.members] if world else list(photos)
    names = [person.name for person in config.persons]
    labels = list(dict.fromkeys([*names, config.neutral_term, *others]))
    rows: list[PredictionRow] = []
    for index, name in enumerate(names[:MAX_PERSONS]):
        for number, image in enumerate(evaluation_photos(name, world, photos)[:N_PHOTOS_SHOWN]):
            file, is_drawn = None, isinstance(photos.get(name), DrawnPhotos)
            if is_drawn or name not in photos:
                file = f"photos/p{index:02d}-{number}.png"
                with disk_errors(str(out)):
                    (out / "photos").mkdir(exist_ok=True)
                write_png(out / file, image)
            (shares,) = predictions(models, image[None], labels)
            row = {**shares, "photo": file, "person_index": index, "name": name, "photos": DRAWN if is_drawn else None}
            rows.append(from_json(PredictionRow, row))
    return rows


def evaluation_photos(name: str, world: World | None, photos: OwnPhotos) -> Sequence[np.ndarray]:
    """The photos of a person that the attack sees: a user's, else those of the world, or drawn ones; none where there are none."""
    if name in photos:
        return cast(Sequence[np.ndarray], pictures_of(photos[name]))  # of a run that is being made they are no embeddings yet
    inhabitant = world.find(name) if world is not None else None
    return list(world.photos(inhabitant)) if world is not None and inhabitant is not None else []


def summary(part: FineTuned[Any]) -> FineTuning:
    """What the figures tell of the fine-tuning of one encoder."""
    checks = tuple(Check(int(row["step"]), row["margin"]) for row in part.checks)
    return FineTuning(part.n_steps_done, part.stopped, checks, part.layer)


def seconds(stages: Stages, tuned: Mapping[str, FineTuned[Any]], started: float) -> Seconds:
    """Run times of a run that began at `started`, without those of the drawing; None for what was not done."""
    took = stages.seconds
    return Seconds(
        loading=took["loading"],
        fine_tune=sum(part.seconds for part in tuned.values()),
        fine_tune_image=tuned["image"].seconds if "image" in tuned else None,
        attack=took["attack on the original"] + took["attack on the defended"],
        measure=took["measuring"],
        opponent=took.get("opponent"),
        dial=took.get("dial"),
        total=time.perf_counter() - started,
    )
