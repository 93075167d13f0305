"""Tab: the identity inference attack before and after, its control, and the same for anybody else."""

from __future__ import annotations

import dataclasses
from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.fields import IDIA_FIELDS
from ui.page.screen import Screen, View, Visit
from ui.page.uploads import PhotoFiles, temporary_uploads
from ui.server import photo_sets
from ui.views import answers, results, story
from ui.views.render import render


def show(view: View) -> str:
    """The run's attack."""
    return render("waiting", text="No attack yet.") if view.run is None else results.attack(view.run)


def show_asked(view: View) -> str:
    """The latest attack that was asked for."""
    questions = view.asked("attack")
    return answers.attacked(questions[0]) if questions else ""


def build(screen: Screen) -> None:
    """Lay out the tab."""
    people = [person["name"] for person in screen.service.people]
    gr.HTML(story.ATTACK, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Attack somebody else, with your own photos, or with other settings", open=False):
        with gr.Row():
            name = gr.Dropdown(
                people, value=people[-1] if people else None, label="Person", allow_custom_value=True, min_width=220,
                info="Somebody of the model set, or any name; without photos the original draws portraits of it", elem_id="attack-name",
            )  # fmt: skip
            fields = {f.key: gr.Number(f.value, label=f.label, info=f.info, minimum=f.low, maximum=f.high, min_width=180)
                      for f in IDIA_FIELDS}  # fmt: skip
        upload = PhotoFiles(
            label="Photos of your own (files or a zip); leave empty for those of the model set",
            file_count="multiple", height=140, elem_id="attack-upload", elem_classes="drop",
        )  # fmt: skip
        attack = gr.Button("Attack both models", elem_id="attack")
        screen.asking(attack)
    screen.html(show_asked, live=True, elem_id="attacked")

    def ask(memory: dict[str, Any], visit: Visit, name: str | None, upload: list[str], **values: Any) -> dict[Any, Any]:
        config = forms.idia_config(values)
        request = {"name": forms.one_name(name or "", "The name"), "idia": dataclasses.asdict(config), "own_photos": bool(upload)}
        with temporary_uploads(upload) as paths, photo_sets.given(screen.service) as inputs:
            photo_sets.take(paths, inputs)
            screen.service.ask("attack", screen.key(memory), request, visit.owner, inputs)
        return {box: None}

    box = upload
    screen.on(attack.click, ask, outputs=[box], inputs_kwargs={"name": name, "upload": box, **fields}, submits=True)
