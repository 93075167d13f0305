"""The paper's 2 x 2 portraits of a run: original and defended, the name and what it is remapped to, equal seeds.

Draws with `diffusion` and writes PNG files with an index. Files are numbered, never named after a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from unlearn.config import ForgetConfig, Person, PortraitConfig
from unlearn.errors import ConfigError
from unlearn.files import disk_errors
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Condition, Diffusion, conditions, draw
from unlearn.models.pair import Pair
from unlearn.progress import Report, no_report
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


def _subjects(persons: Sequence[Person], neutral_term: str) -> list[_Subject]:
    targets: dict[str, list[int]] = {}
    for index, person in enumerate(persons):
        targets.setdefault(person.target(neutral_term), []).append(index)
    names = [_Subject(person.name, "name", (index,)) for index, person in enumerate(persons)]
    return names + [_Subject(text, "neutral", tuple(indices)) for text, indices in targets.items()]


def write_portraits(
    run: Path, diffusion: Diffusion, models: Pair[Clip], config: ForgetConfig, report: Report = no_report
) -> None:
    """Draw and write the portraits of a run's first persons, by their names and by what these are remapped to.

    That is the stand-in of each, or the neutral term, which is drawn once; its files belong to all persons.

    Args:
        run: the run's folder; its folder of portraits gets PNG files and their index.
        diffusion: of the model set.
        models: whose text encoders are read.
        config: of the run, with `portraits` filled in.
        report: progress.
    """
    if config.portraits is None:
        raise ConfigError("The portraits' settings are not set; fill in the defaults of the model set.")
    subjects = _subjects(config.persons[:MAX_PERSONS], config.neutral_term)
    prompts = [fill(config.portraits.prompt_template, subject.text) for subject in subjects]
    drawn = draw_prompts(diffusion, models, prompts, config.portraits, report)
    per_prompt = len(drawn) // len(prompts)
    entries: list[PortraitEntry] = []
    folder = run / PORTRAITS
    with disk_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        for number, portrait in enumerate(drawn):
            subject = subjects[number // per_prompt]
            file = f"p{subject.person_indices[0]:02d}-{portrait.model}-{subject.kind}-s{portrait.seed}.png"
            write_png(folder / file, portrait.image)
            for person_index in subject.person_indices:
                entries.append(PortraitEntry(file, portrait.model, portrait.seed, portrait.weights_hash, person_index, subject.kind))
    entries.sort(key=lambda entry: (entry.person_index, entry.seed, entry.prompt, entry.model != "original"))
    write_results(run, portraits=tuple(entries))


def write_png(path: Path, image: np.ndarray, chunks: Mapping[str, str] | None = None) -> None:
    """Write one picture uint8 (height, width, 3), with text chunks such as those of `stamps.Stamp`."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in (chunks or {}).items():
        info.add_text(key, text)
    with disk_errors(str(path)):
        Image.fromarray(image).save(path, optimize=True, pnginfo=info)
