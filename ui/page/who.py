"""First section: the form that says whom to forget, and starts the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.page import fields, forms, who_photos
from ui.page.screen import Screen, Visit
from ui.server import photo_sets
from ui.server.service import Service
from ui.views import story
from ui.views.render import render
from unlearn.config import ForgetConfig, Person
from unlearn.errors import InputError

Widgets = dict[str, gr.components.Component]


def _people(service: Service) -> str:
    has_photos = service.photo(0, 0) is not None
    rows = [
        {**person, "photo": f"people/{index}-0.webp" if has_photos else ""}
        for index, person in enumerate(service.people)
    ]
    return render("people", people=rows)


def _field(field: fields.Field) -> gr.components.Component:
    if isinstance(field.value, bool):
        return gr.Checkbox(field.value, label=field.label, info=field.info, min_width=220)
    return gr.Number(field.value, label=field.label, info=field.info, minimum=field.low, maximum=field.high, min_width=220)


def _fields(rows: Sequence[fields.Field], prefix: str = "") -> Widgets:
    with gr.Row():
        return {prefix + field.key: _field(field) for field in rows}


def _own_schedule(model_set: str) -> Widgets:
    """The choice of the schedule, and the fields of one's own, which appear when it is chosen."""
    schedule = gr.Radio(list(fields.SCHEDULES), value=next(iter(fields.SCHEDULES)), label="Schedule")
    with gr.Column(visible=False) as own:
        gr.Markdown("Text encoder")
        widgets = _fields(fields.own_fields("text", model_set))
        gr.Markdown("Image encoder")
        widgets |= _fields(fields.own_fields("image", model_set), fields.IMAGE)
    schedule.change(
        lambda choice: gr.Column(visible=fields.SCHEDULES[choice] == "own"), schedule, own, queue=False,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    return {**widgets, "schedule": schedule}


def _advanced(service: Service) -> Widgets:
    portraits = service.set_info.portraits
    with gr.Accordion("Advanced settings", open=False, elem_classes="advanced"):
        gr.Markdown("#### Fine-tuning")
        widgets = _own_schedule(service.options.model_set)
        widgets["seed"] = gr.Number(0, label="Seed of the fine-tuning", precision=0, minimum=0)
        gr.Markdown("#### Attack")
        widgets |= _fields(fields.IDIA_FIELDS)
        gr.Markdown("#### Portraits")
        widgets |= portrait_fields(portraits.prompt_template, portraits.seeds, portraits.n_steps, portraits.guidance_scale)
    return widgets


def portrait_fields(template: str | None, seeds: Sequence[int], n_steps: int, guidance_scale: float) -> Widgets:
    """The settings of portraits; without template where the prompts are given otherwise."""
    widgets: Widgets = {}
    if template is not None:
        widgets["prompt_template"] = gr.Textbox(template, label="Prompt", info="{0} stands for the name", max_length=200)
    with gr.Row():
        widgets["seeds"] = gr.Textbox(
            ", ".join(map(str, seeds)), label="Seeds", info="Whole numbers, separated by commas", min_width=200
        )
        widgets["portrait_steps"] = gr.Slider(1, 100, n_steps, step=1, label="Drawing steps", min_width=200)
        widgets["guidance_scale"] = gr.Slider(1.0, 15.0, guidance_scale, step=0.5, label="Guidance", min_width=200)
    return widgets


def _whom(service: Service, example: str | None) -> tuple[gr.Textbox, gr.Dropdown, gr.Radio]:
    """Names, neutral term and encoder; beside them the people of the model set, if there are any."""
    with gr.Row(elem_classes="who-row"):
        with gr.Column(scale=2, min_width=320):
            names = gr.Textbox(
                label="Names", info="One person per line; other names after it, as in Name|Nickname", lines=3,
                max_lines=8, placeholder=f"{example or 'First Last'}|Nickname", elem_id="names",
            )  # fmt: skip
            neutral_term = gr.Dropdown(
                list(fields.NEUTRAL_TERMS), value="human", label="Neutral term", allow_custom_value=True,
                info="What the name should mean afterwards. Pick a term or type your own",
            )  # fmt: skip
            encoder = gr.Radio(
                list(fields.ENCODERS), value=next(iter(fields.ENCODERS)), label="What to defend", elem_id="defend",
                info="Name: texts no longer lead to the person. Face: photos no longer do, which needs about 30 photos",
            )  # fmt: skip
        if service.people:
            with gr.Column(scale=3, min_width=320):
                gr.HTML(_people(service), apply_default_css=False, elem_id="people")
    return names, neutral_term, encoder


def build(screen: Screen) -> None:
    """Lay out the form and connect its two buttons."""
    service = screen.service
    example = next((person["name"] for person in service.people if person["member"]), None)
    gr.HTML(story.WHO, apply_default_css=False)
    names, neutral_term, encoder = _whom(service, example)
    photos = who_photos.build(screen, names)
    with gr.Row(elem_classes="go"):
        start = gr.Button("Forget", variant="primary", elem_id="start")
        show_me = gr.Button(f"Just show me: forget {example}", visible=example is not None, elem_id="example")
    encoder.change(
        lambda choice: gr.Column(visible=fields.ENCODERS[choice] != "text"), encoder, photos, queue=False,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    _connect(screen, start, {"names": names, "neutral_term": neutral_term, "encoder": encoder, **_advanced(service)})
    _connect_example(screen, show_me, example)


def _connect(screen: Screen, start: gr.Button, widgets: Widgets) -> None:
    service = screen.service

    def forget(memory: dict[str, Any], visit: Visit, **values: Any) -> str | None:
        options = service.options
        config = forms.forget_config(values, options.model_set, service.set_info.portraits, options.max_persons)
        doubts = service.doubts(config)
        memory["job"] = photo_sets.forget(service, config, visit.owner, screen.key(memory)).id
        return f"The job has started. {' '.join(doubts)}" if doubts else None

    screen.on(start.click, forget, inputs_kwargs=widgets, scroll=True, submits=True)


def _connect_example(screen: Screen, show_me: gr.Button, example: str | None) -> None:
    service = screen.service

    def forget_example(memory: dict[str, Any], visit: Visit) -> None:
        if example is None:
            raise InputError("This model set has no people of its own to show; type a name.")
        config = ForgetConfig((Person(example),), service.options.model_set, portraits=service.set_info.portraits)
        memory["job"] = service.forget(config, visit.owner).id

    screen.on(show_me.click, forget_example, scroll=True, submits=True)
