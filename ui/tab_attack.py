"""Tab: the identity inference attack before and after, its control, and the same for anybody else. Knows no model."""

from __future__ import annotations

import dataclasses
from typing import Any

import gradio as gr

from ui import forms, story, views_results
from ui.render import render
from ui.screen import Screen, View, Visit
from unlearn.config import clean_name


def show(view: View) -> str:
    """The run's attack."""
    return render("waiting", text="No attack yet.") if view.run is None else views_results.attack(view.run)


def show_asked(view: View) -> str:
    """The latest attack that was asked for."""
    asked = view.asked("attack")
    return views_results.attacked(asked[0]) if asked else ""


def build(screen: Screen) -> None:
    """Lay out the tab."""
    people = [person["name"] for person in screen.service.people]
    gr.HTML(story.ATTACK, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Attack somebody else, or with other settings", open=False):
        with gr.Row():
            name = gr.Dropdown(
                people, value=people[-1] if people else None, label="Person", allow_custom_value=True, min_width=220,
                info="Somebody of the model set",
            )  # fmt: skip
            fields = {f.key: gr.Number(f.value, label=f.label, info=f.info, minimum=f.low, maximum=f.high, min_width=180)
                      for f in forms.IDIA_FIELDS}  # fmt: skip
        attack = gr.Button("Attack both models", elem_id="attack")
        screen.asking(attack)
    screen.html(show_asked, live=True, elem_id="attacked")

    def ask(memory: dict[str, Any], visit: Visit, name: str | None, **values: Any) -> None:
        config = forms.idia_config(values)
        request = {"name": clean_name(name or ""), "idia": dataclasses.asdict(config)}
        screen.service.ask("attack", screen.key(memory), request, visit.owner)

    screen.on(attack.click, ask, inputs_kwargs={"name": name, **fields})
