"""Tab: any texts before and after, portraits of them, and neutral terms as target of the same job."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.fields import NEUTRAL_TERMS
from ui.page.screen import Screen, View, Visit
from ui.views import answers, jobs, results, story
from ui.views.hearing import hearing
from ui.views.jobs import becomes, run_became, small_job
from ui.views.render import render
from unlearn.errors import InputError
from unlearn.jobs import Succeeded


def show(view: View) -> str:
    """The run's own probes."""
    if view.run is None:
        return render("waiting", text="Not probed yet.")
    return results.probes(view.run.probes, view.run, view.own)


def show_heard(view: View) -> str:
    """What the models hear in the names."""
    return "" if view.run is None else hearing(view.run)


def show_asked(view: View) -> str:
    """The latest texts that were asked about."""
    questions = view.asked("probe")
    return answers.probed(questions[0], view.run, view.own) if questions and view.run is not None else ""


def choices(view: View) -> Any:
    """The texts that portraits can be asked for: those of the latest probe, else of the run."""
    texts = _texts(view)
    return gr.CheckboxGroup(choices=texts, value=[])


def _texts(view: View) -> list[str]:
    if not view.askable or view.run is None:
        return []
    probed = [answers.probe_answer(job) for job in view.asked("probe") if isinstance(job.state, Succeeded)]
    return list(dict.fromkeys(row.text for row in (probed[0] if probed else view.run.probes)))


def show_terms(view: View) -> str:
    """The same job with neutral terms as target, side by side."""
    if view.job is None:
        return ""
    together = view.service.group_runs(view.job)
    if len(together) < 2:
        return ""
    done = [(run_became(run), run) for _, run in together if run is not None]
    waiting = [f"{becomes(job)}: {small_job(job)}" for job, run in together if run is None]
    return (jobs.compare(done) if done else "") + "".join(render("waiting", text=text) for text in waiting)


def build(screen: Screen) -> None:
    """Lay out the tab."""
    screen.html(show_heard, elem_id="heard")
    gr.HTML(story.PROBES, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Probe your own words", open=True):
        texts = gr.Textbox(
            label="Texts", lines=3, info="One a line: nicknames, first name, misspellings, other people, other terms",
            placeholder="a person in a suit\nTilda", elem_id="probe-texts",
        )  # fmt: skip
        probe = gr.Button("Probe", elem_id="probe")
        screen.asking(probe)
    screen.html(show_asked, live=True, elem_id="probed")
    chosen = gr.CheckboxGroup([], label="Draw portraits of", elem_id="chosen")  # the style sheet hides it while it is empty
    screen.panels.append((chosen, choices))
    draw = gr.Button("Draw the ticked ones (they appear under Portraits)", elem_id="draw-chosen")
    gr.HTML(story.TERMS, apply_default_css=False)
    terms = gr.CheckboxGroup(list(NEUTRAL_TERMS), value=list(NEUTRAL_TERMS), label="Neutral terms", elem_id="term-choice")
    run_terms = gr.Button("Run with these terms", elem_id="terms")
    screen.html(show_terms, elem_id="terms-table")
    _connect(screen, {"texts": texts, "probe": probe, "chosen": chosen, "draw": draw, "terms": terms, "run": run_terms})


def _connect(screen: Screen, widgets: dict[str, Any]) -> None:
    service = screen.service

    def ask(memory: dict[str, Any], visit: Visit, texts: str) -> None:
        service.ask("probe", screen.key(memory), {"texts": forms.parse_texts(texts, "texts")}, visit.owner)

    def draw(memory: dict[str, Any], visit: Visit, chosen: list[str]) -> str:
        if not chosen:
            raise InputError("Tick one or more of the texts first.")
        portraits = service.set_info.portraits
        request = {
            "prompt_template": portraits.prompt_template, "seeds": list(portraits.seeds[:2]),
            "n_steps": portraits.n_steps, "guidance_scale": portraits.guidance_scale,
            "texts": [portraits.prompt_template.replace("{0}", text) for text in chosen],
        }  # fmt: skip
        service.ask("portraits", screen.key(memory), request, visit.owner)
        return "The portraits are being drawn; they appear under Portraits."

    def run_terms(memory: dict[str, Any], visit: Visit, terms: list[str]) -> str:
        job = service.forget_job(screen.key(memory))
        if job is None or job.owner != visit.owner:
            raise InputError("Neutral terms can be compared for a job of your own; start one first.")
        started = service.compare_terms(job, terms, visit.owner)
        return f"{len(started)} jobs were queued." if started else "All of these have been run already."

    screen.on(widgets["probe"].click, ask, inputs_kwargs={"texts": widgets["texts"]}, submits=True)
    screen.on(widgets["draw"].click, draw, inputs_kwargs={"chosen": widgets["chosen"]}, submits=True)
    screen.on(widgets["run"].click, run_terms, inputs_kwargs={"terms": widgets["terms"]}, submits=True)
