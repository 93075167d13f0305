"""Points (e) and (g) of the bench: whole schedules of fine-tuning, for one name and for many names.

The outcome of a timed schedule is measured, too: one that is fast and forgets nobody must meet no target.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from unlearn.attacks.gallery import build_gallery, prompt_embeddings
from unlearn.bench.timing import BenchConfig, first_name
from unlearn.config import ForgetConfig, IdiaConfig, Person, ResolvedConfig, Settings
from unlearn.defence.loop import fine_tune
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.defence.text_task import text_task
from unlearn.measure.similarities import measuring_captions, similarities
from unlearn.models.clip import Clip, world_of
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.models.worlds import known_names
from unlearn.texts.names import random_names


def schedules(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(e) Until one name is forgotten: the set's default schedule against the paper's 400 steps."""
    clip = suite_of(config.model_set, settings).clip
    kinds: tuple[Kind, ...] = ("pooled", "hidden") if clip.is_shared else ("pooled",)
    asked = ForgetConfig((Person(first_name(config.model_set)),), config.model_set)
    run = _with_stand_ins(clip.model_set.resolved(asked), clip)
    paper = clip.model_set.paper_text()
    tuned = fine_tune(clip.text, text_task(clip.text, replace(run, text=run.text_schedule), kinds), run.text_schedule)
    quality = _quality(clip, tuned.student, run)
    timed = replace(paper, n_steps=config.n_paper_steps)
    first_steps = fine_tune(clip.text, text_task(clip.text, replace(run, text=timed, target="neutral_term"), kinds), timed)
    paper_seconds = first_steps.seconds / config.n_paper_steps * paper.n_steps
    return {
        "seconds": tuned.seconds, "n_steps": tuned.n_steps_done, "stopped": tuned.stopped,
        "paper_seconds": paper_seconds, "paper_steps_timed": config.n_paper_steps, "ratio": paper_seconds / tuned.seconds, **quality,
        "target": "ratio >= 3 and correct_templates <= 0 and sim_clean >= 0.97 and sim_target >= 0.97 and sim_backdoor >= 0.95",
    }  # fmt: skip


def _quality(clip: Clip, student: TextEncoder, run: ResolvedConfig) -> dict[str, Any]:
    """The outcome of the timed schedule: templates that still recognise the person (None without photos), and the similarities."""
    name, world = run.persons[0].name, world_of(clip)
    gallery = build_gallery(clip, world, run.persons, IdiaConfig())
    models = {"original_templates": clip.text, "correct_templates": student}
    counts = {key: gallery.attack(prompt_embeddings(text, gallery, None), [name])[0].correct_templates for key, text in models.items()}
    captions = measuring_captions(run.persons, run.neutral_term, run.seed)
    return {**counts, **similarities(Pair(clip.text, student), captions, run.persons, run.neutral_term)}


def _with_stand_ins(config: ResolvedConfig, clip: Clip) -> ResolvedConfig:
    """The config as a run completes it; there are no candidates of an attack to stay away from but the world's people."""
    return with_stand_ins(config, clip, known_names(world_of(clip)))


def many_names(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(g) Fine-tuning of equal length for 1, 4, 16 and 64 names: the time that each further name costs."""
    clip = suite_of(config.model_set, settings).clip
    kinds: tuple[Kind, ...] = ("pooled", "hidden") if clip.is_shared else ("pooled",)
    schedule = replace(clip.model_set.text, early_stop=None, n_steps=10)
    counts = (1, 4, 16, 64)
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(3):
        for count in counts:
            persons = tuple(Person(name) for name in random_names(count, seed=1))
            run = _with_stand_ins(ResolvedConfig(persons, config.model_set, text=schedule), clip)
            seconds[count].append(fine_tune(clip.text, text_task(clip.text, run, kinds), schedule).seconds)
    per_step = {count: statistics.median(times) / schedule.n_steps for count, times in seconds.items()}
    n_steps = {count: clip.model_set.text.for_triggers(count).n_steps for count in counts}
    whole = {count: per_step[count] * n_steps[count] for count in counts}
    return {
        "seconds_per_step": {str(count): value for count, value in per_step.items()},
        "steps_assumed": {str(count): value for count, value in n_steps.items()},
        "seconds_per_further_name": (whole[64] - whole[1]) / 63, "paper_seconds_per_further_name": 0.07,
    }  # fmt: skip
