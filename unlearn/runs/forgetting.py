"""One run of forgetting from beginning to end: attack, fine-tune, attack again, measure, draw, save.

The only place where the stages meet; each of them lives in a module of its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from unlearn.attacks.gallery import Gallery, defended_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, Settings
from unlearn.defence.defend import Defence, defend, sources_of, stages_of
from unlearn.measure.data_sets.opening import require_folders
from unlearn.measure.labelled_images import class_folders
from unlearn.measure.probes import Prober
from unlearn.models.defended import save_defended
from unlearn.models.embeddings import run_cache
from unlearn.models.pair import Pair
from unlearn.models.sets import find_model_set
from unlearn.photos.face_sets import require_faces
from unlearn.progress import Report, Stages, no_report
from unlearn.runs.data_sets import data_set_stages, with_accuracy
from unlearn.runs.drawing import STAGE as DRAWING
from unlearn.runs.drawing import drawing_stages, with_drawn_photos
from unlearn.runs.evidence import Compared, measured_evidence
from unlearn.runs.folder import Attacked, attack_metrics, not_attacked, start_over, write_attack, write_manifest
from unlearn.runs.hearing import measured_hearing
from unlearn.runs.inputs import RunPhotos, read_run_photos
from unlearn.runs.measuring import AGAIN, measure, measure_image, seconds, summary, write_losses, write_predictions, write_probes
from unlearn.runs.metrics import Metrics
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.never_met_model import never_met_model, with_never_met_model
from unlearn.runs.photos import keep_photos
from unlearn.runs.portraits import write_portraits
from unlearn.runs.preparation import PreparedRun, prepared_run
from unlearn.runs.recovery import quick
from unlearn.runs.report import write_report
from unlearn.runs.results import PORTRAITS, write_results

LOADING, ORIGINAL, PICTURES = 6.0, "attack on the original", "pictures for the defence of faces"
AFTER = {"saving": 2.0, "attack on the defended": 14.0, "measuring": 8.0, "opponent": 12.0, "portraits": 14.0}
DRAW_LATER = "Draw them with `python -m unlearn portraits --run FOLDER`, or under Portraits."
OPPOSE_LATER = "Make them with `python -m unlearn recover --run FOLDER`."
REPORT_LATER = "Write it with `python -m unlearn report --run FOLDER`."


@dataclass(frozen=True)
class _Before:
    """The attack on the original: its outcome, and the embeddings of its prompts."""

    attacked: Attacked
    prompts: Tensor


@dataclass(frozen=True)
class _After:
    """The attack on the defended model; None where it failed."""

    attacked: Attacked
    gallery: Gallery | None = None
    prompts: Tensor | None = None
    prober: Prober | None = None


def run_forgetting(forget_config: ForgetConfig, settings: Settings, out: Path, photos: RunPhotos, report: Report) -> Metrics:
    """Forget the persons of the config and measure what changed; see `forget`.

    What fails after the fine-tuning costs that part of the result and no more; `mishaps` tells it.
    """
    started = time.perf_counter()
    _require_inputs(forget_config, photos)
    mishaps = Mishaps(report)
    drawing = drawing_stages(forget_config, photos.attacked)
    pictures = {} if forget_config.encoder == "text" else {PICTURES: 20.0}
    later = {**AFTER, **data_set_stages(forget_config)}
    stages = Stages(mishaps.report, {"loading": LOADING, **pictures, **drawing, ORIGINAL: 16.0, **stages_of(forget_config), **later})
    with stages.stage("loading") as inner:
        run = prepared_run(forget_config, settings, out, photos, inner)
    if pictures or drawing:
        run.drawable.result()
    sources = None
    if pictures:  # all before the first attack, so that nothing that is missing costs its time
        with stages.stage(PICTURES) as inner:
            sources = sources_of(run.suite.clip, run.config, settings, run.suite.world, inner)
    if drawing:
        with stages.stage(DRAWING) as inner:
            run = with_drawn_photos(run, inner)
    with stages.stage(ORIGINAL) as inner:
        before = _attack_original(run, inner)
        run.drawable.result()
    run.suite.make_room()
    defence = defend(run.suite.clip, run.config, photos.faces, sources, stages, run.suite.settings.memory)
    start_over(out, run.suite.clip)  # not before all input has been used: until here an earlier run stays
    with stages.stage("saving"):  # first of all: nothing that fails from here on costs the fine-tuning
        _save(run, defence)
    with stages.stage("attack on the defended") as inner:
        after = _attack_defended(run, defence, before, mishaps, inner)
    with stages.stage("measuring"):
        metrics, compared = _measured(run, defence, before, after, mishaps)
    if compared is not None and compared.is_attacked and run.config.opponent != "off":
        _oppose(compared, metrics, out, mishaps, stages)
    with stages.stage("portraits") as inner:
        is_drawn = _draw(run, defence, mishaps, inner)
    metrics = with_accuracy(run, defence.defended, metrics, mishaps, stages)
    metrics = replace(
        metrics, fine_tuning={name: summary(tuned) for name, tuned in defence.tuned.items()},
        method=run.config.method if run.config.encoder != "image" else None,
        seconds=seconds(stages, defence.tuned, is_drawn, started),
    )  # fmt: skip
    metrics = _finish(run, metrics, mishaps)
    stages.finish()
    return metrics


def _require_inputs(config: ForgetConfig, photos: RunPhotos) -> None:
    """Raise `InputError` for what can be found missing before anything is loaded."""
    if config.encoder != "text":
        require_faces(config.persons, photos.faces)
    if config.labelled_images is not None:
        class_folders(Path(config.labelled_images))
    require_folders(config.zero_shot)


def _attack_original(run: PreparedRun, report: Report) -> _Before:
    prompts = prompt_embeddings(run.suite.clip.text, run.gallery, run.suite.embeddings, report)
    return _Before(run.attack(run.gallery, prompts), prompts)


def _save(run: PreparedRun, defence: Defence) -> None:
    write_losses(run.out, defence.tuned)
    save_defended(run.out / "defended", run.suite.clip, defence.defended)


def _attack_defended(run: PreparedRun, defence: Defence, before: _Before, mishaps: Mishaps, report: Report) -> _After:
    """The attack once more, and what later questions to the run need of it."""
    models, world, config = Pair(run.suite.clip, defence.defended), run.suite.world, run.config
    after = _After(not_attacked(before.attacked))
    with mishaps.spared("The attack on the defended model is missing", AGAIN):
        gallery, prompts = defended_gallery(models, run.gallery, world, config, run.photos.attacked), before.prompts
        if models.defended.text is not models.original.text:
            prompts = prompt_embeddings(models.defended.text, gallery, run_cache(run.out, run.suite.settings), report)
        prober = Prober(models, Pair(run.gallery, gallery), Pair(before.prompts, prompts), config.targets, world)
        after = _After(run.attack(gallery, prompts), gallery, prompts, prober)
    with mishaps.spared("What later questions need of the photos is missing", AGAIN):
        if after.gallery is not None:
            keep_photos(run.out, config.persons, Pair(run.gallery, after.gallery))
    return after


def _measured(
    run: PreparedRun, defence: Defence, before: _Before, after: _After, mishaps: Mishaps
) -> tuple[Metrics, Compared | None]:
    """The metrics, with the files that they sum up, and what they were measured on; None where the second attack failed."""
    suite, config, out = run.suite, run.config, run.out
    models = Pair(suite.clip, defence.defended)
    metrics = measure(attack_metrics(before.attacked, after.attacked), models, config, run.things, mishaps)
    with mishaps.spared("The figures of the image encoder are missing", AGAIN):
        image = measure_image(suite.clip, defence, (run.gallery, after.gallery), config, suite.world, run.photos.faces)
        metrics = replace(metrics, image=image)
    compared = None
    if after.gallery is not None and after.prompts is not None:
        galleries, prompts = Pair(run.gallery, after.gallery), Pair(before.prompts, after.prompts)
        others = defence.image.sources.others if defence.image is not None else None
        compared = Compared(models, galleries, prompts, config, suite.world, None if others is None else others.measured)
        metrics = measured_evidence(metrics, compared, mishaps)
        with mishaps.spared("What the model hears in the names is missing", AGAIN):
            write_results(out, heard=measured_hearing(compared, suite.embeddings))
    write_attack(out, before.attacked, after.attacked)
    write_probes(out, after.prober, config, suite.world, mishaps)
    write_predictions(out, models, config, suite.world, run.photos.attacked, mishaps)
    with mishaps.spared("The comparison with a model that never met the person is missing", AGAIN):
        if compared is not None and (third := never_met_model(suite, compared, run.photos.attacked)) is not None:
            metrics = with_never_met_model(out, metrics, third, compared, run.photos.attacked)
    return metrics, compared


def _oppose(compared: Compared, metrics: Metrics, out: Path, mishaps: Mishaps, stages: Stages) -> None:
    """Try to bring the persons back."""
    with stages.stage("opponent") as inner, mishaps.spared("The attempts to bring the persons back are missing", OPPOSE_LATER):
        write_results(out, recovery=quick(compared, metrics.trace, inner))


def _draw(run: PreparedRun, defence: Defence, mishaps: Mishaps, report: Report) -> bool:
    """Whether portraits were drawn: a model set without diffusion model has none, and drawing may fail."""
    if not run.suite.can_draw:
        return False
    folder = run.out / PORTRAITS
    with mishaps.spared("The portraits are missing", DRAW_LATER):
        write_portraits(run.out, run.suite.diffusion(), Pair(run.suite.clip, defence.defended), run.config, report)
        return True
    shutil.rmtree(folder, ignore_errors=True)  # half of them would pass for all, and a full disk needs the room
    return False


def _finish(run: PreparedRun, metrics: Metrics, mishaps: Mishaps) -> Metrics:
    """Write the results, the report on them and, last, the manifest; the metrics with all warnings."""
    metrics = replace(metrics, warnings=(*run.suite.clip.warnings, *run.warnings, *mishaps.warnings))
    write_results(run.out, config=run.config, metrics=metrics)
    n_warnings = len(mishaps.warnings)
    with mishaps.spared("The report is missing", REPORT_LATER):
        write_report(run.out)
    if later := mishaps.warnings[n_warnings:]:
        metrics = replace(metrics, warnings=(*metrics.warnings, *later))
        write_results(run.out, metrics=metrics)
    write_manifest(run.out, run.config, metrics, str(run.suite.clip.text.device))
    return metrics


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
    run_photos = read_run_photos(photos or {}, faces or {}, config.persons, settings, find_model_set(config.model_set).finder)
    return run_forgetting(config, settings, out, run_photos, report)
