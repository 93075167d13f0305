"""The buttons inside the HTML panels: open, cancel, run again, compare, pick a face, delete."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page.screen import Screen, Visit
from ui.server import photo_sets
from ui.server.recognition import recognition_of
from ui.server.service import FORGET_LANE
from ui.views.jobs import compare, deleted_sentence, job_title, run_became
from unlearn.errors import InputError


def _own(screen: Screen, visit: Visit, job_id: str) -> None:
    if screen.service.jobs.get(job_id).owner != visit.owner:
        raise InputError("This job was started by somebody else; you can view it, but not change it.")


def connect(screen: Screen, panel: gr.HTML, comparison: gr.HTML) -> None:
    """Let the buttons of a panel work; the comparison of two jobs appears in `comparison`."""
    service = screen.service

    def act(memory: dict[str, Any], visit: Visit) -> dict[Any, Any] | str | None:
        action, job_id = visit.clicked("action"), str(visit.clicked("job") or "")
        if action == "compare":
            ticked = visit.clicked("ticked")
            return {comparison: _compare(screen, visit, [str(job) for job in ticked] if isinstance(ticked, list) else [])}
        if action == "open":
            if service.forget_job(job_id) is None:
                raise InputError("This job does not exist; it may have been deleted, or the link is incomplete.")
            memory["job"] = job_id
            return None
        if action == "pick":
            photo_sets.pick(service, job_id, str(visit.clicked("value") or ""), visit.owner)
            return None
        _own(screen, visit, job_id)
        if action == "cancel":
            service.jobs.cancel(job_id)
        elif action == "rerun":
            memory["job"] = service.jobs.rerun(job_id, visit.owner).id
        elif action == "stand_in":
            memory["job"] = service.forget_with_stand_ins(service.jobs.get(job_id), visit.owner).id
        elif action == "delete":
            recognition_of(service).drop(visit.owner)  # what was asked about the names before the job
            deleted = service.jobs.delete(job_id)
            if memory.get("job") == job_id:
                memory["job"] = ""
            return deleted_sentence(deleted.n_files, deleted.n_bytes)
        return None

    screen.on(panel.click, act, outputs=[comparison], submits=True)


def _compare(screen: Screen, visit: Visit, ticked: list[str]) -> str:
    if len(ticked) != 2:
        raise InputError("Tick two finished jobs in the list to compare them.")
    columns = []
    for job_id in reversed(ticked):  # the list has the newest first
        _own(screen, visit, job_id)
        run, job = screen.service.run(job_id), screen.service.jobs.get(job_id)
        if run is None or job.lane != FORGET_LANE:
            raise InputError("Only finished jobs can be compared.")
        columns.append((f"{job_title(run.names)} → {run_became(run)}", run))
    return compare(columns)
