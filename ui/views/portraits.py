"""Portraits as HTML: original left, defended right; the name above, and below it the control, what the name was remapped to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui.views import story
from ui.views.render import render
from unlearn.config import PortraitConfig
from unlearn.runs.records import SIDES, Drawing, PortraitEntry
from unlearn.runs.results import PORTRAITS, Run
from unlearn.runs.sentences import NO_THIRD_PORTRAIT
from unlearn.texts.prompts import fill

WITH_NAME, CONTROL, TARGET_CONTROL = "With the name", "Control", "Control: what the name was remapped to"


def _cell(base: str, entry: Drawing, what: str) -> dict[str, Any]:
    return {
        "src": f"{base}/{entry.file}", "hash": entry.weights_hash[:8], "seed": entry.seed,
        "alt": f"Portrait by the {entry.model} model, {what}, seed {entry.seed}",
    }  # fmt: skip


def cells(base: str, entries: Sequence[Drawing], what: str) -> dict[str, Any]:
    """The pictures of one prompt and seed by model; None for one that was not drawn."""
    by_model = {entry.model: entry for entry in entries}
    return {side: _cell(base, by_model[side], what) if side in by_model else None for side in SIDES}


def portraits(run: Run, own: bool = False) -> str:
    """The 2 x 2 of every seed and person; `own`: the visitor started the run, and may read the stand-in's name."""
    people = []
    for index, name in enumerate(run.names):
        entries = [entry for entry in run.portraits if entry.person_index == index]
        seeds = [
            {"seed": seed, "lines": _lines(run, index, own, [entry for entry in entries if entry.seed == seed])}
            for seed in dict.fromkeys(entry.seed for entry in entries)
        ]
        if seeds:
            people.append({"name": name, "index": index, "seeds": seeds})
    notes = [story.IMAGE_ONLY_PORTRAITS] if run.config.encoder == "image" else []
    if people and any(person.never_met_model is not None for person in run.metrics.persons):
        notes.append(NO_THIRD_PORTRAIT)
    return render("portraits", people=people, uid=run.key, notes=notes)


def _lines(run: Run, index: int, own: bool, entries: Sequence[PortraitEntry]) -> list[dict[str, Any]]:
    """One line a prompt, the name's first."""
    person, config = run.config.persons[index], run.config
    template = (config.portraits or PortraitConfig()).prompt_template
    texts = {"name": person.name, "neutral": person.target(config.neutral_term) if own else person.shown_target(config.neutral_term)}
    titles = {"name": WITH_NAME, "neutral": CONTROL if config.encoder == "image" else TARGET_CONTROL}
    lines = []
    for prompt in dict.fromkeys(entry.prompt for entry in entries):
        title = titles.get(prompt, prompt)
        same = [entry for entry in entries if entry.prompt == prompt]
        pictures = cells(f"media/{run.key}/{PORTRAITS}", same, title[:1].lower() + title[1:])
        lines.append({**pictures, "title": title, "text": fill(template, texts.get(prompt, prompt))})
    return lines
