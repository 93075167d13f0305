"""Answers to questions on a finished run as HTML; a question that is not done shows its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui.views.jobs import small_job
from ui.views.portraits import cells
from ui.views.render import render
from ui.views.results import attacked_person, prediction_bars, probes, settings_sentence
from unlearn.config import IdiaConfig
from unlearn.jobs import Job, Succeeded
from unlearn.runs.json_types import from_json
from unlearn.runs.records import AttackAnswer, DrawnPrompt, Prediction, Probe
from unlearn.runs.results import Run
from unlearn.runs.sentences import compared_sentence


def drawn(jobs: Sequence[Job]) -> str:
    """Portraits that were asked for on a finished run, newest first; a job that is not done shows its state."""
    sets = []
    for job in jobs:
        lines: list[dict[str, Any]] = []
        entries = from_json(tuple[DrawnPrompt, ...], job.state.result["rows"] if isinstance(job.state, Succeeded) else ())
        for text in dict.fromkeys(entry.text for entry in entries):
            same = [entry for entry in entries if entry.text == text]
            seeds = dict.fromkeys(entry.seed for entry in same)
            pairs = [cells(f"media/{job.id}", [entry for entry in same if entry.seed == seed], "asked for") for seed in seeds]
            lines.append({"text": text, "pairs": pairs})
        sets.append({"id": job.id, "title": "Drawn on demand", "note": small_job(job), "lines": lines})
    return render("drawn", sets=sets)


def predicted(job: Job) -> str:
    """A prediction that was asked for."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    request, bars = job.request, prediction_bars(from_json(Prediction, job.state.result))
    photo = {"src": "", "title": "Your photo (not kept)", "alt": "", **bars}
    if request.get("person"):
        src = f"people/{int(request['person_index'])}-{int(request['shot'])}.webp"
        photo |= {"src": src, "title": request["person"], "alt": f"A picture of {request['person']}"}
    return render("predictions", photos=[photo], uid=job.id)


def attacked(job: Job) -> str:
    """An attack that was asked for on a finished run."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    answer = from_json(AttackAnswer, {"name": job.request["name"], **job.state.result})
    idia = from_json(IdiaConfig, job.request.get("idia") or {})
    settings = settings_sentence(idia, [answer.n_images], "drawn" if answer.original.is_drawn else "own" if answer.own_photos else "set")
    shown = attacked_person(answer, compared_sentence(answer.name, answer, idia))
    return render("attack", persons=[shown], control=None, is_drawn=False, settings=settings, open_first=True, is_many=False)


def probe_answer(job: Job) -> tuple[Probe, ...]:
    """The texts that were asked about on a finished run; none while the question is not done."""
    return from_json(tuple[Probe, ...], job.state.result["rows"] if isinstance(job.state, Succeeded) else ())


def probed(job: Job, run: Run, own: bool = False) -> str:
    """Probes that were asked for on a finished run."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    return probes(probe_answer(job), run, own)
