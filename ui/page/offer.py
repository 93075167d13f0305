"""Below the verdict: the offer to run a job again with stand-ins, where the paper's target made somebody known."""

from __future__ import annotations

import gradio as gr

from ui.page.screen import Screen, View
from ui.views import story
from ui.views.jobs import stand_in_helps
from ui.views.render import render


def show(view: View) -> str:
    """The offer; empty where there is no reason for it, and for visitors who did not start the job."""
    job = view.job
    return render("offer", why=story.STAND_IN_OFFER, job=job.id) if job is not None and view.own and stand_in_helps(view.run) else ""


def build(screen: Screen) -> gr.HTML:
    """Lay it out; its button is one of `ui.page.actions`."""
    return screen.html(show, elem_id="offer")
