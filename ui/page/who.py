"""First section: the form that says whom to forget, and starts the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.page import forms, who_photos
from ui.page.screen import Screen, Visit
from ui.server import photo_sets
from ui.views import story
from ui.views.render import render
from unlearn.config import ForgetConfig, Person
from unlearn.errors import InputError

Widgets = dict[str, gr.components.Component]


def _people(screen: Screen) -> str:
    has_photos = screen.service.photo(0, 0) is not None
    rows = [
        {**person, "photo": f"people/{index}-0.webp" if has_photos else ""}
        for index, person in enumerate(screen.service.people)
    ]
    return render("people", people=rows)


def _fields(fields: Sequence[forms.Field]) -> Widgets:
    made: Widgets = {}
    for field in fields:
        if isinstance(field.value, bool):
            made[field.key] = gr.Checkbox(field.value, label=field.label, info=field.info)
        else:
            made[field.key] = gr.Number(
                field.value, label=field.label, info=field.info, minimum=field.low, maximum=field.high, min_width=220
            )
    return made


def _advanced(screen: Screen) -> Widgets:
    portraits, model_set = screen.service.set_info.portraits, screen.service.options.model_set
    with gr.Accordion("Advanced settings", open=False, elem_classes="advanced"):
        gr.Markdown("#### Fine-tuning")
        schedule = gr.Radio(list(forms.SCHEDULES), value=next(iter(forms.SCHEDULES)), label="Schedule")
        with gr.Column(visible=False) as own:
            gr.Markdown("Text encoder")
            with gr.Row():
                widgets = _fields(forms.own_fields("text", model_set))
            gr.Markdown("Image encoder")
            with gr.Row():
                widgets |= {forms.IMAGE + key: one for key, one in _fields(forms.own_fields("image", model_set)).items()}
        schedule.change(
            lambda chosen: gr.Column(visible=forms.SCHEDULES[chosen] == "own"), schedule, own, queue=False,
            show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        widgets["seed"] = gr.Number(0, label="Seed of the fine-tuning", precision=0, minimum=0)
        gr.Markdown("#### Attack")
        with gr.Row():
            widgets |= _fields(forms.IDIA_FIELDS)
        gr.Markdown("#### Portraits")
        widgets |= portrait_fields(portraits.prompt_template, portraits.seeds, portraits.n_steps, portraits.guidance_scale)
    return {**widgets, "schedule": schedule}


def portrait_fields(template: str | None, seeds: Sequence[int], n_steps: int, guidance_scale: float) -> Widgets:
    """The settings of portraits; without template where the prompts are given otherwise."""
    made: Widgets = {}
    if template is not None:
        made["prompt_template"] = gr.Textbox(template, label="Prompt", info="{0} is where the name goes", max_length=200)
    with gr.Row():
        made["seeds"] = gr.Textbox(", ".join(map(str, seeds)), label="Seeds", info="Whole numbers with commas", min_width=200)
        made["portrait_steps"] = gr.Slider(1, 100, n_steps, step=1, label="Drawing steps", min_width=200)
        made["guidance_scale"] = gr.Slider(1.0, 15.0, guidance_scale, step=0.5, label="Guidance", min_width=200)
    return made


def build(screen: Screen) -> gr.Textbox:
    """Lay out the form and connect its two buttons; the box of names is handed back."""
    service = screen.service
    example = next((p["name"] for p in service.people if p["member"]), None)
    gr.HTML(story.WHO, apply_default_css=False)
    with gr.Row(elem_classes="who-row"):
        with gr.Column(scale=2, min_width=320):
            names = gr.Textbox(
                label="Names", info="One person a line; other names of the same person after a |", lines=3, max_lines=8,
                placeholder=f"{example or 'First Last'}|Nickname", elem_id="names",
            )  # fmt: skip
            neutral = gr.Dropdown(
                list(forms.NEUTRAL_TERMS), value="human", label="Neutral term", allow_custom_value=True,
                info="What the name shall mean afterwards; pick one or type your own",
            )  # fmt: skip
            defend = gr.Radio(
                list(forms.ENCODERS), value=next(iter(forms.ENCODERS)), label="What should be defended", elem_id="defend",
                info="The name: texts no longer lead to the person. The face: photos no longer do; needs about 30 of them",
            )  # fmt: skip
        if service.people:
            with gr.Column(scale=3, min_width=320):
                gr.HTML(_people(screen), apply_default_css=False, elem_id="people")
    photos = who_photos.build(screen, names)
    with gr.Row(elem_classes="go"):
        start = gr.Button("Forget", variant="primary", elem_id="start")
        show_me = gr.Button(f"Just show me: forget {example}", visible=example is not None, elem_id="example")
    defend.change(
        lambda chosen: gr.Column(visible=forms.ENCODERS[chosen] != "text"), defend, photos, queue=False,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    widgets: Widgets = {"names": names, "neutral_term": neutral, "encoder": defend, **_advanced(screen)}

    def forget(memory: dict[str, Any], visit: Visit, **values: Any) -> str | None:
        options = service.options
        config = forms.forget_config(values, options.model_set, service.set_info.portraits, options.max_persons)
        doubts = service.doubts(config)
        memory["job"] = photo_sets.forget(service, config, visit.owner, screen.key(memory)).id
        return f"The job has started. {' '.join(doubts)}" if doubts else None

    def forget_example(memory: dict[str, Any], visit: Visit) -> None:
        if example is None:
            raise InputError("This model set has no people to show it with; type a name.")
        config = ForgetConfig((Person(example),), service.options.model_set, portraits=service.set_info.portraits)
        memory["job"] = service.forget(config, visit.owner).id

    for listener, handle, inputs in ((start.click, forget, widgets), (show_me.click, forget_example, {})):
        screen.on(listener, handle, inputs_kwargs=inputs, scroll=True, submits=True)
    return names
