"""One run of forgetting from beginning to end: attack, fine-tune, attack again, measure, draw, save.

The only place where the stages meet; each of them lives in a module of its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor

from unlearn.attacks.gallery import Gallery, Photos, build_gallery, defended_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.defend import Defence, defend, require_texts, stages_of
from unlearn.defence.loop import FineTuned
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.defence.trigger_checks import common_words, looked_at_captions, require_room
from unlearn.runs.inputs import own_photos, read_faces
from unlearn.files import disk_errors, write_json
from unlearn.measure.labelled_images import class_folders, measured_things
from unlearn.measure.probes import Prober, default_probes
from unlearn.measure.similarities import image_metrics, measuring_captions, similarities
from unlearn.measure.zero_shot import predictions, utility
from unlearn.runs.mishaps import Mishaps
from unlearn.models.clip import Clip, Models, _use_threads, load_clip, resolve_device, resolve_precision, world_of
from unlearn.models.defended import save_defended
from unlearn.models.diffusion import load_diffusion, require_drawing
from unlearn.models.embeddings import original_cache, run_cache
from unlearn.models.weights import find_diffusion
from unlearn.models.worlds import Things, World, known_names
from unlearn.photos.face_sets import Faces, require_faces
from unlearn.runs.portraits import MAX_PERSONS, write_png, write_portraits
from unlearn.progress import Report, Stages, no_report
from unlearn.runs.report import write_report
from unlearn.runs.folder import Attacked, attack_metrics, not_attacked, prepare, start_over, write_attack, write_manifest, write_results
from unlearn.runs.photos import keep_photos

N_PHOTOS_SHOWN = 2  # per person, with predictions
BEFORE = {"loading": 6.0, "attack on the original": 16.0}  # stages and their shares of the time
AFTER = {"saving": 2.0, "attack on the defended": 14.0, "measuring": 8.0, "portraits": 14.0}
SIMILARITIES = ("sim_clean", "sim_backdoor", "sim_target")
DRAW_LATER = "Draw them with `python -m unlearn portraits --run FOLDER`, or under Portraits."
PROBE_LATER = "Ask for them with `python -m unlearn probe --run FOLDER`, or under Probes."
AGAIN = "The defended weights are saved; run it again for the whole result."
Prompts = tuple[Tensor, Tensor]


def run_forgetting(
    asked: ForgetConfig, settings: Settings, out: Path, report: Report, photos: Photos | None = None,
    faces: Faces | None = None,
) -> dict[str, Any]:  # fmt: skip
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
        config = with_stand_ins(config, original, [*gallery.candidates, *gallery.base_names, *known_names(world)])
    with stages.stage("attack on the original") as inner:
        first = prompt_embeddings(original.text, gallery, original_cache(settings), inner)
        before = _attack(gallery, first, world, config)
        drawing.result()
    defence = defend(original, config, faces or {}, world, (settings, stages))
    start_over(out, original)  # not before all input has been used: until here an earlier run stays
    models, tuned = (original, defence.defended), defence.tuned
    with stages.stage("saving"):  # first of all: nothing that fails from here on costs the fine-tuning
        write_json(out / "losses.json", [{"encoder": name, **row} for name, part in tuned.items() for row in part.losses])
        save_defended(out / "defended", *models)
    seen, prober, after = cast("Gallery | None", None), cast("Prober | None", None), not_attacked(before)
    with stages.stage("attack on the defended") as inner:
        with mishaps.spared("The attack on the defended model is missing", AGAIN):
            seen, second = defended_gallery(models, gallery, world, config, photos), first
            if models[1].text is not original.text:
                second = prompt_embeddings(models[1].text, gallery, run_cache(out, settings), inner)
            after = _attack(seen, second, world, config)
            prober = Prober(models, (gallery, seen), (first, second), config.targets, world)
        with mishaps.spared("What later questions need of the photos is missing", AGAIN):
            if seen is not None:
                keep_photos(out, config.persons, (gallery, seen))
    with stages.stage("measuring"):
        metrics = {**attack_metrics(before, after), **_measure(models, config, things, mishaps), "image": None}
        with mishaps.spared("The figures of the image encoder are missing", AGAIN):
            metrics["image"] = _measure_image(original, defence, (gallery, seen), config, world, faces or {})
        write_attack(out, before, after)
        _write_probes(out, prober, config, world, mishaps)
        _write_predictions(out, models, config, world, photos, mishaps)
    with stages.stage("portraits") as inner:
        is_drawn = _draw(out, models, config, settings, (inner, mishaps))
    metrics["fine_tuning"] = {name: _summary(part) for name, part in tuned.items()}
    metrics["seconds"] = _seconds(stages, tuned, is_drawn, started)
    metrics["warnings"] = [*original.warnings, *doubts, *warnings, *mishaps.warnings]
    write_results(out, config, metrics)
    n_told = len(mishaps.warnings)
    with mishaps.spared("The report is missing", "Write it with `python -m unlearn report --run FOLDER`."):
        write_report(out)
    if later := mishaps.warnings[n_told:]:
        metrics["warnings"] += later
        write_results(out, config, metrics)
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


def _measure(models: Models, config: ForgetConfig, things: Things | None, mishaps: Mishaps) -> dict[str, Any]:
    """Similarities, utility and hashes for metrics.json."""
    original, defended = models
    found: dict[str, Any] = {**dict.fromkeys((*SIMILARITIES, "hidden")), "utility": utility(original, defended, None)}
    with mishaps.spared("The similarities are missing", AGAIN):
        found |= _similarities(models, config)
    with mishaps.spared("The share of things named right is missing", AGAIN):
        found["utility"] = utility(original, defended, things)
    return {**found, "weights": {"original": original.text.weights_hash, "defended": defended.text.weights_hash}}


def _similarities(models: Models, config: ForgetConfig) -> dict[str, Any]:
    """Those of pooled embeddings, and "hidden" those of hidden states; None for what was not defended."""
    original, defended = models
    captions = measuring_captions(config.persons, config.neutral_term, config.seed)
    pooled: dict[str, float | None] = dict.fromkeys(SIMILARITIES)
    if defended.text is not original.text:
        pooled = dict(similarities((original.text, defended.text), captions, config.persons, config.neutral_term))
    hidden = None
    if original.hidden is not None and defended.hidden is not None and defended.hidden is not original.hidden:
        pair = (original.hidden, defended.hidden)
        hidden = similarities(pair, captions, config.persons, config.neutral_term, "hidden")
    return {**pooled, "hidden": hidden}


def _measure_image(
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
    shown = [None if seen is None else seen.photos.get(name) for name in names]
    used = [
        {
            "fine_tuning": len(faces[name].fine_tuning),
            "evaluation": len(gallery.photos[name]) if name in gallery.photos else 0,
            "own": name in gallery.own,
        }
        for name in names
    ]
    return {**image_metrics(original, defence.image, shown, world), "photos": used}


def _write_probes(out: Path, prober: Prober | None, config: ForgetConfig, world: World | None, mishaps: Mishaps) -> None:
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


def _write_predictions(
    out: Path, models: Models, config: ForgetConfig, world: World | None, photos: Photos | None, mishaps: Mishaps
) -> None:
    rows: list[dict[str, Any]] = []
    with mishaps.spared("The predictions are missing", "Ask for them with `python -m unlearn predict`, or under Predictions."):
        rows = _predicted(out, models, config, world, photos)
    if not rows:
        shutil.rmtree(out / "photos", ignore_errors=True)
    write_json(out / "predictions.json", rows)


def _predicted(
    out: Path, models: Models, config: ForgetConfig, world: World | None, photos: Photos | None
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
            (row,) = predictions(*models, image[None], labels)
            rows.append({"photo": file, "person_index": index, "name": person.name, **row})
    return rows


def _photos_of(name: str, world: World | None, photos: Photos | None) -> Sequence[np.ndarray]:
    if photos is not None and name in photos:
        return photos[name]
    inhabitant = world.find(name) if world is not None else None
    return list(world.photos(inhabitant)) if world is not None and inhabitant is not None else []


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
        write_portraits(out / "portraits", diffusion, models, config, report)
        return True
    shutil.rmtree(out / "portraits", ignore_errors=True)  # half of them would pass for all, and a full disk needs the room
    return False


def _summary(part: FineTuned[Any]) -> dict[str, Any]:
    return {"n_steps_done": part.n_steps_done, "stopped": part.stopped, "checks": part.checks}


def _seconds(
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


def forget(
    config: ForgetConfig,
    settings: Settings,
    out: Path,
    report: Report = no_report,
    photos: Mapping[str, Path] | None = None,
    faces: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
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
        The content of metrics.json.

    Raises:
        UnlearnError: bad names, unknown set, missing weights, unwritable folder, full disk.
    """
    _use_threads(settings)
    own = own_photos(photos or {}, config.persons, settings)
    prepared = read_faces(faces or {}, settings)
    own |= {name: list(found.evaluation) for name, found in prepared.items() if len(found.evaluation)}
    return run_forgetting(config, settings, out, report, own, prepared)
