"""Part of the first section: the line that says whether the model knows who is named, before anything is started."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.screen import Screen, View, Visit
from ui.server.recognition import recognition_of
from ui.views.recognition import recognition
from unlearn.errors import InputError


def show(view: View) -> str:
    """The answer to the visitor's latest question."""
    latest = recognition_of(view.service).latest(view.owner)
    return "" if latest is None else recognition(*latest)


def build(screen: Screen, names: gr.Textbox) -> None:
    """Lay out the line, and a button that the page's script presses once the names, or the photos, have stood still for a moment."""
    questions = recognition_of(screen.service)
    screen.html(show, fresh=True, elem_id="known")
    ask_again = gr.Button("Does the model know them?", elem_id="ask-known", elem_classes="unseen")

    def ask(memory: dict[str, Any], visit: Visit, names: str) -> None:
        try:
            persons = forms.parse_persons(names, screen.service.options.max_persons)
        except InputError:  # half-written; what is wrong is said when the job is started
            questions.drop(visit.owner)
            return
        questions.ask(persons, visit.owner, screen.key(memory))

    screen.on(ask_again.click, ask, inputs_kwargs={"names": names}, quiet=True)
