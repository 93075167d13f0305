"""The paper's 2 x 2 portraits of a run: original and defended, the name and what it is remapped to, equal seeds.

Draws with `diffusion` and writes PNG files with an index. Files are numbered, never named after a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unlearn.config import Person, PortraitConfig, ResolvedConfig
from unlearn.errors import ConfigError
from unlearn.files import disk_errors
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Condition, Diffusion, conditions, draw
from unlearn.models.pair import Pair
from unlearn.progress import Report, no_report, part_of
from unlearn.runs.records import PortraitEntry
from unlearn.runs.results import PORTRAITS, write_results
from unlearn.texts.prompts import fill

Model = Literal["original", "defended"]
MODELS: tuple[Model, ...] = ("original", "defended")
MAX_PERSONS = 8  # of a run, who are drawn; more would take longer than everything else


@dataclass(frozen=True)
class Portrait:
    """One picture: uint8 (height, width, 3), and what it depends on besides the settings."""

    prompt: str
    seed: int
    model: Model
    weights_hash: str
    image: np.ndarray


def draw_prompts(
    diffusion: Diffusion,
    models: Pair[Clip],
    prompts: Sequence[str],
    config: PortraitConfig,
    report: Report = no_report,
) -> list[Portrait]:
    """Every prompt by original and defended for every seed, prompt by prompt, then seed by seed, original first.

    Raises:
        ConfigError: the set has no diffusion model.
    """
    drawn_conditions: list[Condition] = []
    hashes = []
    for clip in models:
        if clip.hidden is None:
            raise ConfigError("This model set has no Stable Diffusion, so it cannot draw.")
        drawn_conditions += conditions(clip.hidden, prompts)
        hashes.append(clip.hidden.weights_hash)
    drawn = draw(diffusion, drawn_conditions, config, report)  # (seeds, models * prompts, height, width, 3)
    return [
        Portrait(prompt, seed, model, hashes[m], drawn[s, m * len(prompts) + p])
        for p, prompt in enumerate(prompts)
        for s, seed in enumerate(config.seeds)
        for m, model in enumerate(MODELS)
    ]


@dataclass(frozen=True)
class _Subject:
    """Who is drawn: a person by name, or what names are remapped to ("neutral"), and whose rows the pictures are."""

    text: str
    kind: Literal["name", "neutral"]
    person_indices: tuple[int, ...]


def _subjects(all_persons: Sequence[Person], neutral_term: str) -> list[_Subject]:
    persons = all_persons[:MAX_PERSONS]
    targets: dict[str, list[int]] = {}
    for index, person in enumerate(persons):
        targets.setdefault(person.target(neutral_term), []).append(index)
    names = [_Subject(person.name, "name", (index,)) for index, person in enumerate(persons)]
    return names + [_Subject(text, "neutral", tuple(indices)) for text, indices in targets.items()]


def draw_side(
    diffusion: Diffusion, clip: Clip, model: Model, config: ResolvedConfig, report: Report = no_report
) -> Iterator[list[Portrait]]:
    """The portraits of a run's first persons by one of its models, by their names and by what these are remapped to, seed by seed.

    The target is the stand-in of each, or the neutral term, which is drawn once. Where parts of the diffusion model wait outside of the
    GPU, all seeds come at once, because each call moves them.

    Args:
        diffusion: of the model set.
        clip: whose text encoder is read.
        model: which of the two it is.
        config: of the run.
        report: progress.
    """
    hidden = clip.hidden
    if hidden is None:
        raise ConfigError("This model set has no Stable Diffusion, so it cannot draw.")
    prompts = [fill(config.portraits.prompt_template, subject.text) for subject in _subjects(config.persons, config.neutral_term)]
    drawn_conditions, seeds = conditions(hidden, prompts), config.portraits.seeds
    groups = [seeds] if diffusion.placement.plan.note else [(seed,) for seed in seeds]
    for number, group in enumerate(groups):
        drawing = replace(config.portraits, seeds=group)
        drawn = draw(diffusion, drawn_conditions, drawing, part_of(report, number, len(groups)))  # (seeds, prompts, height, width, 3)
        yield [
            Portrait(prompt, seed, model, hidden.weights_hash, image)
            for seed, of_seed in zip(group, drawn, strict=True)
            for prompt, image in zip(prompts, of_seed, strict=True)
        ]


def write_portraits(run: Path, portraits: Sequence[Portrait], config: ResolvedConfig) -> None:
    """Write portraits of `draw_side` as PNG files, and their index, into the folder of portraits of a run's folder."""
    write_results(run, portraits=in_order(portrait_files(run, portraits, config)))


def in_order(entries: Iterable[PortraitEntry]) -> tuple[PortraitEntry, ...]:
    """The rows of an index as it is read: person by person, seed by seed, each original beside its defended one."""
    return tuple(sorted(entries, key=lambda entry: (entry.person_index, entry.seed, entry.prompt, entry.model != "original")))


def portrait_files(run: Path, portraits: Sequence[Portrait], config: ResolvedConfig) -> list[PortraitEntry]:
    """Write portraits as PNG files; the rows of their index. A file of a neutral term belongs to all persons."""
    template = config.portraits.prompt_template
    subjects = {fill(template, subject.text): subject for subject in _subjects(config.persons, config.neutral_term)}
    entries: list[PortraitEntry] = []
    folder = run / PORTRAITS
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        for portrait in portraits:
            subject = subjects[portrait.prompt]
            file = f"p{subject.person_indices[0]:02d}-{portrait.model}-{subject.kind}-s{portrait.seed}.png"
            write_png(folder / file, portrait.image)
            for person_index in subject.person_indices:
                entries.append(PortraitEntry(file, portrait.model, portrait.seed, portrait.weights_hash, person_index, subject.kind))
    return entries


def write_png(path: Path, image: np.ndarray, chunks: Mapping[str, str] | None = None) -> None:
    """Write one picture uint8 (height, width, 3), with text chunks such as those of `stamps.Stamp`."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in (chunks or {}).items():
        info.add_text(key, text)
    with disk_errors(str(path)):
        Image.fromarray(image).save(path, optimize=True, pnginfo=info)
