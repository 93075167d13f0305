"""What is known of a job that is still at work, as HTML; and, once it is done, how it came about."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

from ui.views.film import film
from ui.views.render import render
from unlearn.config import ForgetConfig
from unlearn.config.stand_ins import OLDER_RUNS
from unlearn.jobs import Job, Running
from unlearn.runs.film_sentences import no_film
from unlearn.runs.records import SIDES, AttackRecord, PortraitEntry
from unlearn.runs.results import PORTRAITS, Run
from unlearn.runs.sentences import verdict_sentence
from unlearn.runs.so_far import SO_FAR, EvidenceSoFar
from unlearn.texts.prompts import PROMPT_TEMPLATES

MAX_SHOWN = 3  # persons


def running(job: Job, evidence: EvidenceSoFar) -> str:
    """What is known already; nothing of a job that does not run."""
    if not isinstance(job.state, Running):
        return ""
    config = ForgetConfig.from_json(json.dumps({**OLDER_RUNS, **job.request["config"]}))
    base = f"media/{job.id}/{SO_FAR}"
    verdicts = [_verdict(record, config) for record in evidence.idia.persons[:MAX_SHOWN]]
    drawn = [_drawn(evidence.portraits, number, person.name, base) for number, person in enumerate(config.persons[:MAX_SHOWN])]
    moving = film(evidence.film, config.persons[evidence.film.person_index].name, base, is_running=True)
    return render(
        "so_far", id=job.id, is_running=True, is_empty=evidence.is_empty, verdicts=verdicts, drawn=[row for row in drawn if row],
        many=len(config.persons) > 1, film=Markup(moving), why_not=no_film(config),
    )  # fmt: skip


def done(run: Run) -> str:
    """The film of a finished run; a sentence where what was chosen leaves none."""
    moving = film(run.film, run.names[run.film.person_index], f"media/{run.key}")
    return render(
        "so_far", id=run.key, is_running=False, is_empty=False, verdicts=[], drawn=[], many=False, film=Markup(moving),
        why_not=no_film(run.config),
    )  # fmt: skip


def _verdict(record: AttackRecord, config: ForgetConfig) -> dict[str, Any]:
    """The verdict on one person, by the original alone or by both models."""
    before, after = record.original.correct_templates, record.defended.correct_templates
    is_known = record.defended.recognised is not None or record.original.recognised is None
    return {
        "name": record.name, "before": before, "after": after, "n_templates": len(PROMPT_TEMPLATES), "is_known": is_known,
        "recognised": record.original.recognised, "sentence": verdict_sentence(record.name, record, config) if is_known else "",
        "photos": record.original.photos,
    }  # fmt: skip


def _drawn(entries: tuple[PortraitEntry, ...], number: int, name: str, base: str) -> dict[str, Any]:
    """The portraits of one person's name by model; empty before there are any."""
    own = [entry for entry in entries if entry.person_index == number and entry.prompt == "name"]
    pictures = [(entry.model, {"src": f"{base}/{PORTRAITS}/{entry.file}", "seed": entry.seed}) for entry in own]
    sides: dict[str, Any] = {side: [picture for model, picture in pictures if model == side] for side in SIDES}
    return {"name": name, "number": number, **sides} if own else {}
