"""What page and command line call: people, open_faces, forget, attack, portraits, predict, probe; each names its inputs.

Everything below is reached through here. A loaded model set is kept for the next call of the same process (`models.suite`).
Results are plain values or small frozen types; shares are fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.attacks.gallery import build_gallery, defended_gallery, personal_gallery, prompt_embeddings
from unlearn.attacks.idia import IdiaOutcome
from unlearn.attacks.own_photos import DrawnPhotos
from unlearn.config import DrawnPhotosConfig, IdiaConfig, Person, PortraitConfig, Settings
from unlearn.defence.trigger_checks import require_all_fitting, require_fitting
from unlearn.errors import InputError
from unlearn.measure.probes import Prober
from unlearn.measure.zero_shot import predictions
from unlearn.models.embeddings import EmbeddingCache, run_cache
from unlearn.models.pair import Pair
from unlearn.models.sets import find_model_set
from unlearn.models.suite import Suite, suite_of
from unlearn.models.worlds import World
from unlearn.photos.faces import open_faces as open_faces  # the redundant `as` says: called from here, too
from unlearn.photos.reader import read_photo
from unlearn.progress import Report, no_report
from unlearn.runs.drawn_photos import drawn_persons
from unlearn.runs.inputs import attack_photos
from unlearn.runs.never_met_questions import meanings_by_never_met, shares_by_never_met
from unlearn.runs.photos import kept_photos, photos_of_run, run_of
from unlearn.runs.portraits import Portrait, draw_prompts
from unlearn.runs.results import MANIFEST, finished_run

MAX_LABELS = 1000
MAX_PROMPTS = 16
MAX_PROBES = 64
MAX_TEXT_LENGTH = 500  # characters of a prompt or label


@dataclass(frozen=True)
class PortraitRequest:
    """Pictures asked for after a run: prompts as they are (no template), and settings (None: the run's)."""

    prompts: tuple[str, ...]
    config: PortraitConfig | None = None


def people(settings: Settings, model_set: str) -> list[dict[str, Any]]:
    """Who is known about a model set: rows {name, member, aliases}; empty for sets without a world.

    Raises:
        ConfigError: unknown set.
        ModelLoadError: its files are damaged.
    """
    root = find_model_set(model_set).world
    return World(root).people if root is not None else []


def attack(
    settings: Settings,
    model_set: str,
    person: Person,
    *,
    weights: Path | None = None,
    idia: IdiaConfig | None = None,
    photos: Path | DrawnPhotos | None = None,
    run: Path | None = None,
    report: Report = no_report,
) -> IdiaOutcome:
    """The identity inference attack on one person, by the original or a defended model.

    Args:
        settings: device, folders.
        model_set: whose CLIP is attacked.
        person: attacked under `person.name`, which may be an alias.
        weights: a run or defended folder; None: the original.
        idia: settings of the attack; None: the paper's.
        photos: a folder of photos, or a prepared face set, of which the evaluation photos are used; pictures of `drawn_for`; None:
            those that the run was given for the person, if any, else those of the set's world.
        run: the finished run whose photos are meant; None: the one that `weights` lies in, if any.
        report: progress.

    Returns:
        The outcome; `recognised` is None where there are no photos, or too few.
    """
    suite = suite_of(model_set, settings)
    require_fitting(suite.clip.text, person.name, "the name")
    if photos is None:
        own = photos_of_run(person, run, weights)
    else:
        own = {person.name: photos if isinstance(photos, DrawnPhotos) else attack_photos(photos, settings)}
    clip = suite.clip if weights is None else suite.pair(weights).defended
    gallery = personal_gallery(clip, suite.world, person, idia or IdiaConfig(), own)
    if person.name not in gallery.photos:
        return IdiaOutcome(person.name, (), 0, None)
    is_original_text = weights is None or clip.text is suite.clip.text
    cache = suite.embeddings if is_original_text else _run_cache(weights or Path(), settings)
    return gallery.attack(prompt_embeddings(clip.text, gallery, cache, report), [person.name])[0]


def drawn_for(
    settings: Settings, model_set: str, person: Person, *, drawn: DrawnPhotosConfig | None = None, run: Path | None = None,
    report: Report = no_report,
) -> DrawnPhotos | None:  # fmt: skip
    """Pictures of somebody of whom there are no photos, by the original Stable Diffusion; they are not kept.

    Args:
        settings: device, folders.
        model_set: that draws.
        person: drawn by `person.name`.
        drawn: number, steps and size; None: those of the run, else the set's.
        run: a finished run, whose photos of the person come first.
        report: progress of drawing, which can be cancelled.

    Returns:
        None where there are photos, where the set cannot draw, and where nothing is to be drawn.
    """
    suite, config = suite_of(model_set, settings), finished_run(run).config if run is not None else None
    chosen = drawn or (config.drawn_photos if config is not None else None) or suite.model_set.drawn_photos
    has_photos = suite.world is not None and suite.world.find(person.name) is not None
    if has_photos or not suite.can_draw or chosen.n_portraits == 0 or photos_of_run(person, run):
        return None
    portraits = config.portraits if config is not None else None
    return drawn_persons(suite, [person.name], chosen.drawing(portraits or suite.model_set.portraits), report)[person.name]


def draws_soon(settings: Settings, model_set: str) -> bool:
    """False where drawing takes hours: with a model of full size on a CPU."""
    suite = suite_of(model_set, settings)
    return suite.clip.text.device.type != "cpu" or not suite.model_set.needs_gpu


def model_warnings(settings: Settings, model_set: str) -> tuple[str, ...]:
    """What has to be said with every result of a model set, such as that its weights file does not tell the activation.

    Raises:
        UnlearnError: as of `attack`, whose loaded model is used again.
    """
    return suite_of(model_set, settings).clip.warnings


def portraits(
    settings: Settings, run: Path, request: PortraitRequest, report: Report = no_report
) -> list[Portrait]:
    """Draw prompts with the original and the defended model of a run, equal seeds.

    Returns:
        Prompt by prompt, seed by seed, original before defended.
    """
    prompts = _checked(request.prompts, "prompt", MAX_PROMPTS)
    config = finished_run(run).config
    suite = suite_of(config.model_set, settings)
    models = suite.pair(run)
    if suite.clip.hidden is not None:
        require_all_fitting(suite.clip.hidden, prompts, "prompt")
    drawing = request.config or config.portraits or suite.model_set.portraits
    return draw_prompts(suite.diffusion(), models, prompts, drawing, report)


def predict(
    settings: Settings, run: Path, image: Path | np.ndarray, labels: Sequence[str], person: str | None = None
) -> dict[str, Any]:
    """Zero-shot probabilities of a photo: {labels, original, defended}, shares that sum to 1; `never_met` if a model never met the person.

    Args:
        run: a finished run.
        image: a file, or uint8 (height, width, 3).
        labels: names or nouns; each is put into "a photo of <label>".
        person: who is on the photo, if somebody of the set's world is.
    """
    checked = _checked(labels, "label", MAX_LABELS)
    pixels = image if isinstance(image, np.ndarray) else read_photo(image, settings.max_upload_mb)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise InputError(f"The picture is {pixels.dtype} {pixels.shape}; give uint8 (height, width, 3).")
    suite = suite_of(finished_run(run).config.model_set, settings)
    models = suite.pair(run)
    require_all_fitting(models.original.text, checked, "label")
    (row,) = predictions(models, pixels[None], checked)
    if (third := shares_by_never_met(suite, person, pixels, checked)) is not None:
        row["never_met"] = third
    return row


def probe(settings: Settings, run: Path, texts: Sequence[str], person_index: int = 0) -> list[dict[str, Any]]:
    """What texts mean before and after: rows as of `measure.probes.Prober.probe`; with `never_met` if a model never met the person.

    Args:
        run: a finished run.
        texts: synonyms, misspellings, free text.
        person_index: whose photos they are tried on, a number among the run's persons.
    """
    checked = _checked(texts, "text", MAX_PROBES)
    config = finished_run(run).config
    if not 0 <= person_index < len(config.persons):
        raise InputError(f"person_index is {person_index}; the run has {len(config.persons)} persons.")
    suite = suite_of(config.model_set, settings)
    require_all_fitting(suite.clip.text, checked, "text")
    rows = _prober(run, suite).probe(checked, config.persons[person_index].name)
    third = meanings_by_never_met(suite, run, person_index, checked)
    return rows if third is None else [{**row, "never_met": side} for row, side in zip(rows, third, strict=True)]


def _checked(texts: Sequence[str], what: str, most: int) -> list[str]:
    """The texts with single spaces; raises `InputError` for too many, empty or overlong ones."""
    spaced = [" ".join(text.split()) for text in texts]
    if not 1 <= len(spaced) <= most:
        raise InputError(f"{len(spaced)} {what}s given; give 1 to {most}.")
    if any(not text for text in spaced):
        raise InputError(f"A {what} is empty; leave it out.")
    if any(len(text) > MAX_TEXT_LENGTH for text in spaced):
        raise InputError(f"A {what} has more than {MAX_TEXT_LENGTH} characters; shorten it.")
    return spaced


def _run_cache(weights: Path, settings: Settings) -> EmbeddingCache | None:
    run = run_of(weights)
    return run_cache(run, settings) if run is not None else None


def _prober(run: Path, suite: Suite) -> Prober:
    """The prober of a run; that of the latest run is kept, until its folder is replaced."""
    key = ("prober", run, (run / MANIFEST).stat().st_mtime_ns)
    prober: Prober = suite.answers.get(key, lambda: _make_prober(run, suite))
    return prober


def _make_prober(run: Path, suite: Suite) -> Prober:
    config, models = finished_run(run).config, suite.pair(run)
    own = kept_photos(run, config.persons)
    gallery = build_gallery(suite.clip, suite.world, config.persons, config.idia, own.original)
    galleries = Pair(gallery, defended_gallery(models, gallery, suite.world, config, own.defended))
    before = after = prompt_embeddings(suite.clip.text, gallery, suite.embeddings)
    if models.defended.text is not suite.clip.text:
        after = prompt_embeddings(models.defended.text, gallery, run_cache(run, suite.settings))
    return Prober(models, galleries, Pair(before, after), config.targets, suite.world)
