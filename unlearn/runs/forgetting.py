"""One run of forgetting from beginning to end: attack, fine-tune, attack again, measure, draw, save.

The only place where the stages meet; each of them lives in a module of its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import Tensor

from unlearn.attacks.gallery import Gallery, Photos, build_gallery, defended_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.defend import defend, require_texts, stages_of
from unlearn.defence.trigger_checks import common_words, looked_at_captions, require_room
from unlearn.runs.inputs import read_run_photos
from unlearn.measure.labelled_images import class_folders, measured_things
from unlearn.measure.probes import Prober
from unlearn.runs.measuring import AGAIN, measure, measure_image, seconds, summary, write_losses, write_predictions, write_probes
from unlearn.runs.metrics import Metrics
from unlearn.runs.mishaps import Mishaps
from unlearn.models.clip import Clip, Models, _use_threads, load_clip, resolve_device, resolve_precision, world_of
from unlearn.models.defended import save_defended
from unlearn.models.diffusion import load_diffusion, require_drawing
from unlearn.models.embeddings import original_cache, run_cache
from unlearn.models.weights import find_diffusion
from unlearn.models.worlds import World
from unlearn.photos.face_sets import Faces, require_faces
from unlearn.runs.portraits import write_portraits
from unlearn.progress import Report, Stages, no_report
from unlearn.runs.report import write_report
from unlearn.runs.folder import Attacked, attack_metrics, not_attacked, prepare, start_over, write_attack, write_manifest
from unlearn.runs.results import write_results
from unlearn.runs.photos import keep_photos

BEFORE = {"loading": 6.0, "attack on the original": 16.0}  # stages and their shares of the time
AFTER = {"saving": 2.0, "attack on the defended": 14.0, "measuring": 8.0, "portraits": 14.0}
DRAW_LATER = "Draw them with `python -m unlearn portraits --run FOLDER`, or under Portraits."
Prompts = tuple[Tensor, Tensor]


def run_forgetting(
    asked: ForgetConfig, settings: Settings, out: Path, report: Report, photos: Photos | None = None,
    faces: Faces | None = None,
) -> Metrics:  # fmt: skip
    """Forget the persons of the config and measure what changed; see `forget`.

    What fails after the fine-tuning costs that part of the result and no more; `mishaps` tells it.
    """
    started = time.perf_counter()
    if asked.encoder != "text":
        require_faces(asked.persons, faces or {})
    if asked.labelled_images is not None:
        class_folders(Path(asked.labelled_images))
    mishaps = Mishaps(report)
    stages = Stages(mishaps.report, {**BEFORE, **stages_of(asked), **AFTER})
    with stages.stage("loading") as inner:
        original, config, drawing = _load(asked, settings)
        doubts = _doubts(original, config)
        world = world_of(original)
        things, warnings = measured_things(config, original.image, world, settings, inner)
        prepare(out, original, config.encoder)
        gallery = build_gallery(original, world, config.persons, config.idia, photos)
    with stages.stage("attack on the original") as inner:
        first = prompt_embeddings(original.text, gallery, original_cache(settings), inner)
        before = _attack(gallery, first, world, config)
        drawing.result()
    defence = defend(original, config, faces or {}, world, settings, stages)
    start_over(out, original)  # not before all input has been used: until here an earlier run stays
    models, tuned = (original, defence.defended), defence.tuned
    with stages.stage("saving"):  # first of all: nothing that fails from here on costs the fine-tuning
        write_losses(out, tuned)
        save_defended(out / "defended", *models)
    seen, prober, after = cast("Gallery | None", None), cast("Prober | None", None), not_attacked(before)
    with stages.stage("attack on the defended") as inner:
        with mishaps.spared("The attack on the defended model is missing", AGAIN):
            seen, second = defended_gallery(models, gallery, world, config, photos), first
            if models[1].text is not original.text:
                second = prompt_embeddings(models[1].text, gallery, run_cache(out, settings), inner)
            after = _attack(seen, second, world, config)
            prober = Prober(models, (gallery, seen), (first, second), config.neutral_term, world)
        with mishaps.spared("What later questions need of the photos is missing", AGAIN):
            if seen is not None:
                keep_photos(out, config.persons, (gallery, seen))
    with stages.stage("measuring"):
        metrics = measure(attack_metrics(before, after), models, config, things, mishaps)
        with mishaps.spared("The figures of the image encoder are missing", AGAIN):
            metrics = replace(metrics, image=measure_image(original, defence, (gallery, seen), config, world, faces or {}))
        write_attack(out, before, after)
        write_probes(out, prober, config, world, mishaps)
        write_predictions(out, models, config, world, photos, mishaps)
    with stages.stage("portraits") as inner:
        is_drawn = _draw(out, models, config, settings, (inner, mishaps))
    metrics = replace(
        metrics, fine_tuning={name: summary(part) for name, part in tuned.items()}, seconds=seconds(stages, tuned, is_drawn, started),
        warnings=(*original.warnings, *doubts, *warnings, *mishaps.warnings),
    )  # fmt: skip
    write_results(out, config=config, metrics=metrics)
    n_told = len(mishaps.warnings)
    with mishaps.spared("The report is missing", "Write it with `python -m unlearn report --run FOLDER`."):
        write_report(out)
    if later := mishaps.warnings[n_told:]:
        metrics = replace(metrics, warnings=(*metrics.warnings, *later))
        write_results(out, metrics=metrics)
    write_manifest(out, config, metrics, str(original.text.device))
    stages.finish()
    return metrics


def _load(asked: ForgetConfig, settings: Settings) -> tuple[Clip, ResolvedConfig, Future[None]]:
    """The original and the complete config; what would only be missed later (files of texts, pictures...) is missed now.

    The future is done when drawing is known to be possible. Reading the drawing library's code takes seconds of one core: as long
    as the attack, which leaves room for it.
    """
    original = load_clip(asked.model_set, settings)
    config = original.model_set.resolved(asked)
    require_texts(config)
    beside = ThreadPoolExecutor(1)
    if original.model_set.diffusion is None:
        drawing = beside.submit(lambda: None)
    else:
        drawing = beside.submit(require_drawing, find_diffusion(original.model_set, settings), config.portraits)
    beside.shutdown(wait=False)
    if config.portraits.scheduler != original.model_set.portraits.scheduler:
        drawing.result()  # what somebody typed is looked at before anything is computed
    return original, config, drawing


def _doubts(original: Clip, config: ResolvedConfig) -> list[str]:
    """Warnings about the names; raises `InputError` where they cannot be used with this model set."""
    texts = () if config.encoder == "image" else (original.hidden,)
    warnings = require_room(config, [encoder for encoder in dict.fromkeys((original.text, *texts)) if encoder is not None])
    if config.encoder != "image":
        warnings += common_words(config.persons, looked_at_captions(config.text.captions, config.seed))
    return warnings


def _attack(gallery: Gallery, prompts: Tensor, world: World | None, config: ForgetConfig) -> Attacked:
    names = [person.name for person in config.persons]
    others = [inhabitant for inhabitant in world.inhabitants if inhabitant.name in gallery.photos] if world else []
    others = [inhabitant for inhabitant in others if inhabitant.name not in names]
    members = [inhabitant.name for inhabitant in others if inhabitant.member]
    strangers = [inhabitant.name for inhabitant in others if not inhabitant.member]
    found = gallery.attack(prompts, [*names, *members, *strangers])
    n_bystanders = len(names) + len(members)
    return Attacked(found[: len(names)], found[len(names) : n_bystanders], found[n_bystanders:])


def _draw(
    out: Path, models: Models, config: ForgetConfig, settings: Settings, within: tuple[Report, Mishaps]
) -> bool:
    """Whether portraits were drawn: a model set without diffusion model has none, and drawing may fail."""
    if models[0].model_set.diffusion is None:
        return False
    report, mishaps = within
    with mishaps.spared("The portraits are missing", DRAW_LATER):
        device = resolve_device(settings)
        folder = find_diffusion(models[0].model_set, settings)
        diffusion = load_diffusion(folder, device, resolve_precision(settings, device))
        write_portraits(out, diffusion, models, config, report)
        return True
    shutil.rmtree(out / "portraits", ignore_errors=True)  # half of them would pass for all, and a full disk needs the room
    return False


def forget(
    config: ForgetConfig,
    settings: Settings,
    out: Path,
    report: Report = no_report,
    photos: Mapping[str, Path] | None = None,
    faces: Mapping[str, Path] | None = None,
) -> Metrics:
    """Attack, fine-tune, attack again, measure, draw, and write the run folder, its manifest last.

    Args:
        config: who is forgotten and how.
        settings: device, folders.
        out: the run folder; new, empty, or an earlier run, which is replaced.
        report: told about the progress; what it raises (JobCancelled) ends the run without a manifest.
        photos: name or alias -> folder of at least `config.idia.n_images` photos, for persons whom the set does not know.
            Without photos a person is forgotten all the same, but not attacked.
        faces: name, as in `config.persons` -> folder with a prepared face set or raw photos; the image encoder needs one
            of every person. Its fine-tuning photos train, its evaluation photos attack; for an inhabitant of the set's
            world without evaluation photos those of the world do.

    Returns:
        The figures that metrics.json holds.

    Raises:
        UnlearnError: bad names, unknown set, missing weights, unwritable folder, full disk.
    """
    _use_threads(settings)
    given = read_run_photos(photos or {}, faces or {}, config.persons, settings)
    return run_forgetting(config, settings, out, report, given.attacked, given.faces)
