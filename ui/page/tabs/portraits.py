"""Tab: portraits of the finished run, and new ones on demand."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page.forms import parse_texts, portrait_config
from ui.page.screen import Screen, View, Visit
from ui.page.tabs import dial
from ui.page.who import portrait_fields
from ui.views import answers, portraits, story
from ui.views.render import render


def show(view: View) -> str:
    """The run's portraits."""
    return render("waiting", text="No portraits yet.") if view.run is None else portraits.portraits(view.run, view.own)


def show_drawn(view: View) -> str:
    """Those that were asked for afterwards."""
    return answers.drawn(view.asked("portraits"))


def build(screen: Screen) -> None:
    """Lay out the tab."""
    defaults = screen.service.set_info.portraits
    gr.HTML(story.PORTRAITS, apply_default_css=False)
    screen.html(show)
    with gr.Accordion("Draw more", open=False):
        prompts = gr.Textbox(
            label="Prompts", lines=3, info="One a line, drawn by both models. Leave empty for the name and for what it was "
            "remapped to, in the prompt below.", placeholder="a portrait of a person in a park",
        )  # fmt: skip
        widgets = portrait_fields(defaults.prompt_template, defaults.seeds[:2], defaults.n_steps, defaults.guidance_scale)
        draw = gr.Button("Draw", elem_id="draw")
        screen.asking(draw)
    screen.html(show_drawn, live=True, elem_id="drawn")
    gr.HTML(story.PORTRAITS_LIMIT, apply_default_css=False)
    dial.build(screen)

    def ask(memory: dict[str, Any], visit: Visit, prompts: str, **values: Any) -> None:
        config = portrait_config(values, defaults)
        request: dict[str, Any] = {
            "prompt_template": config.prompt_template, "seeds": list(config.seeds), "n_steps": config.n_steps,
            "guidance_scale": config.guidance_scale, "texts": parse_texts(prompts, "prompts") if prompts.strip() else [],
        }  # fmt: skip
        screen.service.ask("portraits", screen.key(memory), request, visit.owner)

    screen.on(draw.click, ask, inputs_kwargs={"prompts": prompts, **widgets}, submits=True)
