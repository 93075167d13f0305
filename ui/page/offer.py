"""Below the verdict: the offer to run a job again with stand-ins, where the paper's target made somebody known."""

from __future__ import annotations

import gradio as gr

from ui.page.screen import Screen, View
from ui.views import form_texts
from ui.views.render import render
from unlearn.runs.metrics import Metrics


def newly_recalled(metrics: Metrics) -> int:
    """How many of the persons to forget are recognised afterwards though they were not before."""
    return sum(person.idia.original.recognised is False and person.idia.defended.recognised is True for person in metrics.persons)


def show(view: View) -> str:
    """The offer; empty where there is no reason for it, and for visitors who did not start the job."""
    run, job = view.run, view.job
    if run is None or job is None or not view.own or run.config.target != "neutral_term" or not newly_recalled(run.metrics):
        return ""
    return render("offer", why=form_texts.STAND_IN_OFFER, job=job.id)


def build(screen: Screen) -> gr.HTML:
    """Lay it out; its button is one of `ui.page.actions`."""
    return screen.html(show, elem_id="offer")
