"""The opponent's jobs: attacks that try to bring a forgotten person back, and texts in the place of the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unlearn.config import Settings
from unlearn.jobs import Task
from unlearn.progress import Progress, Report
from unlearn.runs.json_types import to_json


def attacked(task: Task, run: Path, report: Report) -> dict[str, Any]:
    """The answer to a request {attacks, budget, person, seed, keep} on the run in a folder; its report tells of it, too, if it is kept."""
    from unlearn.runs import recovery
    from unlearn.runs.report import write_report

    request, settings = task.request, Settings.from_plain(task.settings)
    wanted = recovery.RecoveryRequest(
        tuple(request["attacks"]), request["budget"], person_index=request["person"], seed=request["seed"], keep=request["keep"]
    )
    found = recovery.recover(settings, run, wanted, report)
    if request["keep"]:
        write_report(run)
    return {"recovery": to_json(found)}


def tried(task: Task, run: Path, report: Report) -> dict[str, Any]:
    """The answer to a request {texts, person, keep} on the run in a folder."""
    from unlearn.runs import recovery

    request, settings = task.request, Settings.from_plain(task.settings)
    own = []
    for number, text in enumerate(request["texts"]):
        report(Progress(number, len(request["texts"]), "Trying it"))
        own.append(recovery.try_text(settings, run, text, request["person"], keep=request["keep"]))
    return {"own": to_json(own)}
