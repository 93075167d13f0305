"""Tab: which label fits a photo, before and after; example photos, and photos of the visitor. Knows Gradio, no model."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import story, views_results
from ui.forms import parse_texts
from ui.photos import data_uri, encode_photo, read_photo
from ui.render import render
from ui.screen import Screen, View, Visit
from ui.uploads import PhotoBox, taken
from unlearn.errors import InputError


def show(view: View) -> str:
    """The run's example photos."""
    return render("waiting", text="No predictions yet.") if view.run is None else views_results.predictions(view.run)


def show_asked(view: View) -> str:
    """The latest photo that was asked about."""
    asked = view.asked("predict")
    return views_results.predicted(asked[0], data_uri(asked[0].request["photo"])) if asked else ""


def build(screen: Screen) -> None:
    """Lay out the tab."""
    service = screen.service
    people = [person["name"] for person in service.people]
    gr.HTML(story.PREDICTIONS, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Try another photo", open=False), gr.Row():
        with gr.Column(min_width=280):
            person = gr.Dropdown(people, value=None, label="A photo of", visible=bool(people), info="Somebody of the model set")
            upload = PhotoBox(
                label="Or a photo of your own", type="filepath", sources=["upload"], height=220, buttons=[], elem_id="upload"
            )
        with gr.Column(min_width=280):
            labels = gr.Textbox(
                "\n".join(service.labels), label="Labels", lines=9, info="One a line: people, things, anything",
                elem_id="labels",
            )  # fmt: skip
            predict = gr.Button("Predict", elem_id="predict")
            screen.asking(predict)
    screen.html(show_asked, live=True, elem_id="predicted")

    def ask(memory: dict[str, Any], visit: Visit, person: str | None, upload: str | None, labels: str) -> dict[Any, Any]:
        found = parse_texts(labels, "labels")
        if len(found) < 2:
            raise InputError("One label has nothing to compete with; write two or more, one a line.")
        photo = _photo(screen, person, upload)
        screen.service.ask("predict", screen.key(memory), {"labels": found, "photo": photo}, visit.owner)
        return dict.fromkeys(used)

    used = (upload, person)  # emptied once they were sent
    screen.on(
        predict.click, ask, outputs=[upload, person], submits=True,
        inputs_kwargs={"person": person, "upload": upload, "labels": labels},
    )  # fmt: skip


def _photo(screen: Screen, person: str | None, upload: str | None) -> str:
    """The chosen photo as base64; an uploaded file is removed as soon as it is read."""
    if upload:
        with taken([upload]) as paths:
            return read_photo(paths[0], screen.service.settings.max_upload_mb)
    names = [p["name"] for p in screen.service.people]
    image = screen.service.photo(names.index(person), 1) if person in names else None
    if image is None:
        raise InputError("There is no photo yet: choose a person, or give a photo of your own.")
    return encode_photo(image)
