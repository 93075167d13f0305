"""Tab: which label fits a photo, before and after; example photos, and photos of the visitor."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page.forms import parse_texts
from ui.page.screen import Screen, View, Visit
from ui.page.uploads import PhotoFiles, temporary_uploads
from ui.server import photo_sets
from ui.server.photos import keep_photo
from ui.views import answers, results, story
from ui.views.render import render
from unlearn.errors import InputError

SHOT = 1  # which picture of somebody of the model set


def show(view: View) -> str:
    """The run's example photos."""
    return render("waiting", text="No predictions yet.") if view.run is None else results.predictions(view.run)


def show_asked(view: View) -> str:
    """The latest photo that was asked about."""
    questions = view.asked("predict")
    return answers.predicted(questions[0]) if questions else ""


def build(screen: Screen) -> None:
    """Lay out the tab."""
    service = screen.service
    people = [person["name"] for person in service.people]
    gr.HTML(story.PREDICTIONS, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Try another photo", open=False), gr.Row():
        with gr.Column(min_width=280):
            person = gr.Dropdown(people, value=None, label="A photo of", visible=bool(people), info="Somebody of the model set")
            upload = PhotoFiles(
                label="Or a photo of your own, which is not kept", file_count="single", height=140, elem_id="upload", elem_classes="drop"
            )
        with gr.Column(min_width=280):
            labels = gr.Textbox(
                "\n".join(service.labels), label="Labels", lines=9, info="One a line: people, things, anything",
                elem_id="labels",
            )  # fmt: skip
            predict = gr.Button("Predict", elem_id="predict")
            screen.asking(predict)
    screen.html(show_asked, live=True, elem_id="predicted")

    def ask(memory: dict[str, Any], visit: Visit, person: str | None, upload: list[str], labels: str) -> dict[Any, Any]:
        texts = parse_texts(labels, "labels")
        if len(texts) < 2:
            raise InputError("One label has nothing to compete with; write two or more, one a line.")
        request: dict[str, Any] = {"labels": texts, "own_photos": bool(upload)}
        if not upload:
            request |= _of_the_set(screen, person)
        with temporary_uploads(upload) as paths, photo_sets.given(service) as inputs:
            for path in paths:
                keep_photo(path, service.settings.max_upload_mb, inputs)
            service.ask("predict", screen.key(memory), request, visit.owner, inputs if upload else None)
        return dict.fromkeys(used)

    used = (upload, person)  # emptied once they were sent
    screen.on(
        predict.click, ask, outputs=[upload, person], submits=True,
        inputs_kwargs={"person": person, "upload": upload, "labels": labels},
    )  # fmt: skip


def _of_the_set(screen: Screen, person: str | None) -> dict[str, Any]:
    """A request's part that names a picture of the model set."""
    names = [p["name"] for p in screen.service.people]
    index = names.index(person) if person in names else -1
    if screen.service.photo(index, SHOT) is None:
        raise InputError("There is no photo yet: choose a person, or give a photo of your own.")
    return {"person": person, "person_index": index, "shot": SHOT, "model_set": screen.service.options.model_set}
