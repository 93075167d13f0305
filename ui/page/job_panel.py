"""Second section: the job that is shown, its progress and its buttons; and the events that bring news to the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page.screen import Screen, View, Visit
from ui.server.recognition import recognition_of
from ui.server.so_far import evidence_of
from ui.views import jobs, so_far, story
from unlearn.jobs import Running


def show(view: View) -> str:
    """The job's progress; losses only while it runs, afterwards they are under Numbers."""
    job = view.job
    losses = view.service.jobs.store.losses(job.id) if job and isinstance(job.state, Running) else []
    return jobs.job_panel(job, losses, view.own)


def show_so_far(view: View) -> str:
    """What is known of the job while it runs; of a finished one, how it came about."""
    if view.job is not None and isinstance(view.job.state, Running):
        return so_far.running(view.job, evidence_of(view.service, view.job))
    return so_far.done(view.run) if view.run is not None else ""


def build(screen: Screen) -> gr.HTML:
    """Lay out the section."""
    gr.HTML(story.FORGETTING, apply_default_css=False, elem_id="forgetting")
    gr.HTML(story.NO_MEMORY, apply_default_css=False, elem_classes="no-memory")  # shown by the page's script where it applies
    job = screen.html(show, live=True, elem_id="job")
    screen.html(show_so_far, live=True, elem_id="so-far")
    return job


def connect(screen: Screen, blocks: gr.Blocks) -> None:
    """Show a browser its job when the page opens, and news when the page's script presses a button for them."""

    def open_page(memory: dict[str, Any], visit: Visit) -> str | None:
        recognition_of(screen.service).drop(visit.owner)  # the form is empty
        linked = dict(visit.request.query_params).get("job") if visit.request else None
        if linked:
            memory["job"] = linked
        if memory["job"] and screen.service.forget_job(memory["job"]) is None:
            memory["job"] = ""
            return "That job does not exist any more: it was deleted, or its storage time has ended." if linked else None
        return None

    def look(memory: dict[str, Any], visit: Visit) -> None:
        """No effect besides the refresh that follows every event."""

    screen.on(blocks.load, open_page)
    screen.on(screen.news.click, look, quiet=True)
    screen.on(screen.everything.click, look, quiet=True, everything=True)
