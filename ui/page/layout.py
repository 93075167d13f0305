"""The page from top to bottom: who, forgetting, what changed, take it home, history."""

from __future__ import annotations

import gradio as gr

from ui.page import actions, endpoints, job_panel, offer, who
from ui.page.guard import guard
from ui.page.screen import Screen, View
from ui.page.tabs import attack, bystanders, numbers, opponent, portraits, predictions, probes, room
from ui.server.service import Service
from ui.views import jobs as views
from ui.views import opening, story
from ui.views.documents import documents
from ui.views.render import render
from unlearn.runs.results import PREPARED

TABS = (
    ("Portraits", portraits.build),
    ("Predictions", predictions.build),
    ("Attack", attack.build),
    ("Opponent", opponent.build),
    ("Bystanders", bystanders.build),
    ("Probes", probes.build),
    ("Numbers", numbers.build),
    ("Room", room.build),
)
UPLOADS_KEPT_S = 600  # Gradio's copies of uploaded files
# How often Gradio looks at its queue and for progress in it. Its own defaults, every 1 and 10 ms, cost 5 % of a core all the time.
# Only the named endpoints use that queue.
QUEUE_LOOK_S, PROGRESS_LOOK_S = 0.05, 0.5


def _show_verdict(view: View) -> str:
    if view.damage:
        return render("waiting", text=view.damage)
    if view.job is not None and view.run is None:
        return render("waiting", text="The result appears here when the job is done.")
    return views.verdict(view.run)


def _show_home(view: View) -> str:
    if view.run is None:
        return render("waiting", text="There is nothing to download yet.")
    return views.take_home(view.run, view.own, view.service.options.limits.retention_s)


def _show_documents(view: View) -> str:
    return "" if view.run is None else documents(view.run)


def _show_history(view: View) -> str:
    jobs = view.service.forgets(view.owner)
    return views.history(jobs, {job.id: view.service.finished(job) for job in jobs}, view.key)


def build(service: Service) -> gr.Blocks:
    """The whole page as Blocks; launch it with `theme.launch_options` and `media.app_kwargs`."""
    with gr.Blocks(title="Make a model forget a person", analytics_enabled=False,
                   delete_cache=(UPLOADS_KEPT_S, UPLOADS_KEPT_S)) as blocks:  # fmt: skip
        notice = gr.HTML("", elem_id="notice", apply_default_css=False)
        screen = Screen(service, notice)
        gr.HTML(opening.opening(service.set_info, service.options.notice, service.run(PREPARED)), apply_default_css=False)
        with gr.Column(elem_id="step-who", elem_classes="step"):
            who.build(screen)
        with gr.Column(elem_id="step-forgetting", elem_classes="step"):
            job = job_panel.build(screen)
        with gr.Column(elem_id="step-changed", elem_classes="step"):
            again = _results(screen)
        with gr.Column(elem_id="step-home", elem_classes="step"):
            gr.HTML(story.HOME, apply_default_css=False)
            home = screen.html(_show_home, elem_id="home")
            screen.html(_show_documents, elem_id="documents")
        with gr.Column(elem_id="step-jobs", elem_classes="step"):
            gr.HTML(story.HISTORY, apply_default_css=False)
            jobs = screen.html(_show_history, elem_id="history")
            comparison = gr.HTML("", elem_id="comparison", apply_default_css=False)
        gr.HTML(opening.presenter(), apply_default_css=False)
        for panel in (job, again, home, jobs, screen.photo_panel):
            if panel is not None:
                actions.connect(screen, panel, comparison)
        job_panel.connect(screen, blocks)
        screen.connect()
        endpoints.build(service)
    guard(blocks)
    blocks._queue.sleep_when_free, blocks._queue.progress_update_sleep_when_free = QUEUE_LOOK_S, PROGRESS_LOOK_S
    return blocks


def _results(screen: Screen) -> gr.HTML:
    """Verdict and tabs; returns the panel with the offer to run the job again."""
    gr.HTML(story.CHANGED, apply_default_css=False, elem_id="changed")
    screen.html(_show_verdict, elem_id="verdict")
    again = offer.build(screen)
    with gr.Column(elem_id="results"):  # the style sheet hides it while there is no result
        with gr.Tabs(overflow_behavior="wrap"):
            for title, build_tab in TABS:
                with gr.Tab(title, elem_id=f"tab-{title.lower()}"):
                    build_tab(screen)
    return again
