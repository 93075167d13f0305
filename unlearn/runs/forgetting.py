"""One run of forgetting from beginning to end: attack, fine-tune, attack again, measure, draw, save.

The only place where the stages meet; each of them lives in a module of its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from unlearn.attacks.gallery import Gallery, Photos, build_gallery, defended_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, ResolvedConfig, Settings
from unlearn.defence.defend import Defence, defend, require_texts, stages_of
from unlearn.defence.trigger_checks import common_words, looked_at_captions, require_room
from unlearn.files import write_json
from unlearn.measure.labelled_images import class_folders, measured_things
from unlearn.measure.probes import Prober
from unlearn.models.clip import Clip
from unlearn.models.defended import save_defended
from unlearn.models.embeddings import run_cache
from unlearn.models.pair import Pair
from unlearn.models.suite import Suite, suite_of
from unlearn.models.worlds import Things
from unlearn.photos.face_sets import Faces, require_faces
from unlearn.progress import Report, Stages, no_report
from unlearn.runs.folder import Attacked, attack_metrics, not_attacked, prepare, start_over, write_attack, write_manifest, write_results
from unlearn.runs.inputs import own_photos, read_faces
from unlearn.runs.measuring import AGAIN, measure, measure_image, seconds, summary, write_predictions, write_probes
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.photos import keep_photos
from unlearn.runs.portraits import write_portraits
from unlearn.runs.report import write_report

BEFORE = {"loading": 6.0, "attack on the original": 16.0}  # stages and their shares of the time
AFTER = {"saving": 2.0, "attack on the defended": 14.0, "measuring": 8.0, "portraits": 14.0}
DRAW_LATER = "Draw them with `python -m unlearn portraits --run FOLDER`, or under Portraits."
REPORT_LATER = "Write it with `python -m unlearn report --run FOLDER`."


@dataclass(frozen=True)
class UserPhotos:
    """The photos that a user gave.

    Attributes:
        attacked: name -> photos for the attack.
        faces: name -> photos to fine-tune the image encoder on, and to measure it on.
    """

    attacked: Photos = field(default_factory=dict)
    faces: Faces = field(default_factory=dict)


@dataclass(frozen=True)
class _Run:
    """A run whose inputs have been read and checked.

    Attributes:
        suite: the original model set.
        config: complete.
        out: the run folder.
        photos: of a user.
        things: what zero-shot accuracy is measured on; None: nothing.
        gallery: as the original sees it.
        warnings: sentences for the results about the inputs.
        drawable: done when drawing is known to be possible; its result raises where it is not.
    """

    suite: Suite
    config: ResolvedConfig
    out: Path
    photos: UserPhotos
    things: Things | None
    gallery: Gallery
    warnings: tuple[str, ...]
    drawable: Future[None]

    def attack(self, gallery: Gallery, prompts: Tensor) -> Attacked:
        """The attack on the persons of the run, on the other members of the set's world, and on its strangers."""
        names, world = [person.name for person in self.config.persons], self.suite.world
        others = [other for other in world.inhabitants if other.name in gallery.photos and other.name not in names] if world else []
        members = [other.name for other in others if other.member]
        strangers = [other.name for other in others if not other.member]
        return Attacked(*(gallery.attack(prompts, attacked) for attacked in (names, members, strangers)))


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
    prober: Prober | None = None


def run_forgetting(asked: ForgetConfig, settings: Settings, out: Path, photos: UserPhotos, report: Report) -> dict[str, Any]:
    """Forget the persons of the config and measure what changed; see `forget`.

    What fails after the fine-tuning costs that part of the result and no more; `mishaps` tells it.
    """
    started = time.perf_counter()
    if asked.encoder != "text":
        require_faces(asked.persons, photos.faces)
    if asked.labelled_images is not None:
        class_folders(Path(asked.labelled_images))
    mishaps = Mishaps(report)
    stages = Stages(mishaps.report, {**BEFORE, **stages_of(asked), **AFTER})
    with stages.stage("loading") as inner:
        run = _loaded(asked, settings, out, photos, inner)
    with stages.stage("attack on the original") as inner:
        before = _attack_original(run, inner)
        run.drawable.result()
    run.suite.make_room()
    defence = defend(run.suite.clip, run.config, photos.faces, run.suite.world, (settings, stages))
    start_over(out, run.suite.clip)  # not before all input has been used: until here an earlier run stays
    with stages.stage("saving"):  # first of all: nothing that fails from here on costs the fine-tuning
        _save(run, defence)
    with stages.stage("attack on the defended") as inner:
        after = _attack_defended(run, defence, before, mishaps, inner)
    with stages.stage("measuring"):
        metrics = _measured(run, defence, before, after, mishaps)
    with stages.stage("portraits") as inner:
        is_drawn = _draw(run, defence, mishaps, inner)
    metrics["fine_tuning"] = {name: summary(tuned) for name, tuned in defence.tuned.items()}
    metrics["seconds"] = seconds(stages, defence.tuned, is_drawn, started)
    _finish(run, metrics, mishaps)
    stages.finish()
    return metrics


def _loaded(asked: ForgetConfig, settings: Settings, out: Path, photos: UserPhotos, report: Report) -> _Run:
    """Load the set and read all inputs; what would only be missed later (files of texts, pictures...) is missed now."""
    suite = suite_of(asked.model_set, settings)
    config = suite.model_set.resolved(asked)
    require_texts(config)
    drawable = _check_drawing(suite, config)
    doubts = _doubts(suite.clip, config)
    things, warnings = measured_things(config, suite.clip.image, suite.world, settings, report)
    prepare(out, suite.clip, config.encoder)
    gallery = build_gallery(suite.clip, suite.world, config.persons, config.idia, photos.attacked)
    return _Run(suite, config, out, photos, things, gallery, (*doubts, *warnings), drawable)


def _check_drawing(suite: Suite, config: ResolvedConfig) -> Future[None]:
    """Done when drawing is known to be possible.

    Reading the drawing library's code takes seconds of one core, as long as the attack, which leaves room for it.
    """
    executor = ThreadPoolExecutor(1)
    drawable = executor.submit(suite.require_drawing, config.portraits)
    executor.shutdown(wait=False)
    if config.portraits.scheduler != suite.model_set.portraits.scheduler:
        drawable.result()  # what somebody typed is looked at before anything is computed
    return drawable


def _doubts(original: Clip, config: ResolvedConfig) -> list[str]:
    """Warnings about the names; raises `InputError` where they cannot be used with this model set."""
    texts = () if config.encoder == "image" else (original.hidden,)
    warnings = require_room(config, [encoder for encoder in dict.fromkeys((original.text, *texts)) if encoder is not None])
    if config.encoder != "image":
        warnings += common_words(config.persons, looked_at_captions(config.text.captions, config.seed))
    return warnings


def _attack_original(run: _Run, report: Report) -> _Before:
    prompts = prompt_embeddings(run.suite.clip.text, run.gallery, run.suite.embeddings, report)
    return _Before(run.attack(run.gallery, prompts), prompts)


def _save(run: _Run, defence: Defence) -> None:
    losses = [{"encoder": name, **row} for name, tuned in defence.tuned.items() for row in tuned.losses]
    write_json(run.out / "losses.json", losses)
    save_defended(run.out / "defended", run.suite.clip, defence.defended)


def _attack_defended(run: _Run, defence: Defence, before: _Before, mishaps: Mishaps, report: Report) -> _After:
    """The attack once more, and what later questions to the run need of it."""
    models, world, config = Pair(run.suite.clip, defence.defended), run.suite.world, run.config
    after = _After(not_attacked(before.attacked))
    with mishaps.spared("The attack on the defended model is missing", AGAIN):
        gallery, prompts = defended_gallery(models, run.gallery, world, config, run.photos.attacked), before.prompts
        if models.defended.text is not models.original.text:
            prompts = prompt_embeddings(models.defended.text, gallery, run_cache(run.out, run.suite.settings), report)
        prober = Prober(models, Pair(run.gallery, gallery), Pair(before.prompts, prompts), config.neutral_term, world)
        after = _After(run.attack(gallery, prompts), gallery, prober)
    with mishaps.spared("What later questions need of the photos is missing", AGAIN):
        if after.gallery is not None:
            keep_photos(run.out, config.persons, Pair(run.gallery, after.gallery))
    return after


def _measured(run: _Run, defence: Defence, before: _Before, after: _After, mishaps: Mishaps) -> dict[str, Any]:
    """The metrics, and the files with what they sum up."""
    suite, config, out = run.suite, run.config, run.out
    models = Pair(suite.clip, defence.defended)
    metrics = {**attack_metrics(before.attacked, after.attacked), **measure(models, config, run.things, mishaps), "image": None}
    with mishaps.spared("The figures of the image encoder are missing", AGAIN):
        galleries = (run.gallery, after.gallery)
        metrics["image"] = measure_image(suite.clip, defence, galleries, config, suite.world, run.photos.faces)
    write_attack(out, before.attacked, after.attacked)
    write_probes(out, after.prober, config, suite.world, mishaps)
    write_predictions(out, models, config, suite.world, run.photos.attacked, mishaps)
    return metrics


def _draw(run: _Run, defence: Defence, mishaps: Mishaps, report: Report) -> bool:
    """Whether portraits were drawn: a model set without diffusion model has none, and drawing may fail."""
    if not run.suite.can_draw:
        return False
    folder = run.out / "portraits"
    with mishaps.spared("The portraits are missing", DRAW_LATER):
        write_portraits(folder, run.suite.diffusion(), Pair(run.suite.clip, defence.defended), run.config, report)
        return True
    shutil.rmtree(folder, ignore_errors=True)  # half of them would pass for all, and a full disk needs the room
    return False


def _finish(run: _Run, metrics: dict[str, Any], mishaps: Mishaps) -> None:
    """Write the results, the report on them and, last, the manifest."""
    metrics["warnings"] = [*run.suite.clip.warnings, *run.warnings, *mishaps.warnings]
    write_results(run.out, run.config, metrics)
    n_told = len(mishaps.warnings)
    with mishaps.spared("The report is missing", REPORT_LATER):
        write_report(run.out)
    if later := mishaps.warnings[n_told:]:
        metrics["warnings"] += later
        write_results(run.out, run.config, metrics)
    write_manifest(run.out, run.config, metrics, str(run.suite.clip.text.device))


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
    attacked = own_photos(photos or {}, config.persons, settings)
    face_sets = read_faces(faces or {}, settings)
    attacked |= {name: list(face_set.evaluation) for name, face_set in face_sets.items() if len(face_set.evaluation)}
    return run_forgetting(config, settings, out, UserPhotos(attacked, face_sets), report)
