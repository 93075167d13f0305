"""First section: the form that says whom to forget, and starts the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.page import fields, forms, who_known, who_photos
from ui.page.screen import Screen, Visit
from ui.page.targets import DEFAULT_TERM, MEANING, TARGETS, target_of
from ui.server import photo_sets
from ui.server.service import Service
from ui.views import story
from ui.views.render import render
from unlearn.config import ForgetConfig, Person
from unlearn.errors import InputError
from unlearn.models.sets import find_model_set

Widgets = dict[str, gr.components.Component]
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}  # of events within the form


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


def _own_schedule(model_set: str, meaning: gr.Dropdown) -> Widgets:
    """The choice of the schedule, and the fields of one's own, which appear when it is chosen and follow the target."""
    schedule = gr.Radio(list(fields.SCHEDULES), value=next(iter(fields.SCHEDULES)), label="Schedule")
    with gr.Column(visible=False) as own:
        gr.Markdown("Text encoder")
        widgets = _fields(fields.own_fields("text", model_set))
        gr.Markdown("Image encoder")
        widgets |= _fields(fields.own_fields("image", model_set), fields.IMAGE)
    schedule.change(lambda choice: gr.Column(visible=fields.SCHEDULES[choice] == "own"), schedule, own, **_QUIET)
    _follow_paper(schedule, meaning)
    _follow_target(meaning, {field.key: widgets[field.key] for field in fields.FINE_TUNE_FIELDS}, model_set)
    return {**widgets, "schedule": schedule}


def _follow_paper(schedule: gr.Radio, meaning: gr.Dropdown) -> None:
    """With the paper's schedule the name takes a term's meaning; with another one the earlier choice comes back."""

    def follow(choice: str, now: str, earlier: str) -> tuple[Any, str]:
        if fields.SCHEDULES[choice] == "paper":
            term = DEFAULT_TERM if target_of(now) == "stand_in" else now
            return gr.Dropdown(value=term, info=fields.PAPER_INFO), now
        return gr.Dropdown(value=earlier or now, info=fields.MEANING_INFO), ""

    earlier = gr.State("")
    schedule.change(follow, [schedule, meaning, earlier], [meaning, earlier], **_QUIET)


def _follow_target(meaning: gr.Dropdown, widgets: Widgets, model_set: str) -> None:
    """The fields of a schedule of one's own show the set's values for the target, as far as the visitor did not change them."""
    values = {target: [field.value for field in fields.own_fields("text", model_set, target)] for target in TARGETS}

    def follow(choice: str, *shown: Any) -> list[Any]:
        target = target_of(choice)
        earlier = values[next(other for other in TARGETS if other != target)]
        return [new if now == old else gr.skip() for now, old, new in zip(shown, earlier, values[target], strict=True)]

    meaning.change(follow, [meaning, *widgets.values()], [*widgets.values()], **_QUIET)


def _advanced(service: Service, meaning: gr.Dropdown) -> Widgets:
    portraits, can_draw = service.set_info.portraits, find_model_set(service.options.model_set).diffusion is not None
    with gr.Accordion("Advanced settings", open=False, elem_classes="advanced"):
        gr.Markdown("### Fine-tuning")
        methods = list(fields.METHODS)
        widgets: Widgets = {"method": gr.Radio(methods, value=methods[0], label="Method of the text encoder", info=fields.METHOD_INFO)}
        widgets |= _own_schedule(service.options.model_set, meaning)
        widgets["seed"] = gr.Number(0, label="Seed of the fine-tuning", precision=0, minimum=0)
        widgets[fields.DECOYS.key] = _field(fields.DECOYS)
        gr.Markdown("### Attack")
        widgets |= _fields(fields.IDIA_FIELDS)
        if can_draw:
            widgets |= _fields(fields.drawn_fields(service.options.model_set), fields.DRAWN)
        gr.Markdown("### Portraits")
        widgets |= portrait_fields(portraits.prompt_template, portraits.seeds, portraits.n_steps, portraits.guidance_scale)
        if can_draw:
            widgets[fields.FILM.key] = _field(fields.FILM)
        widgets[fields.DIAL.key] = _field(fields.DIAL)
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
    """Names, what they are remapped to, and encoder; beside them the people of the model set, if there are any."""
    with gr.Row(elem_classes="who-row"):
        with gr.Column(scale=2, min_width=320):
            names = gr.Textbox(
                label="Names", info="One person per line; other names after it, as in Name|Nickname", lines=3,
                max_lines=8, placeholder=f"{example or 'First Last'}|Nickname", elem_id="names",
            )  # fmt: skip
            meaning = gr.Dropdown(
                [fields.STAND_IN, *fields.NEUTRAL_TERMS], value=fields.STAND_IN, label="What the name should mean afterwards",
                info=fields.MEANING_INFO, allow_custom_value=True, elem_id="meaning",
            )  # fmt: skip
            encoder = gr.Radio(
                list(fields.ENCODERS), value=next(iter(fields.ENCODERS)), label="What to defend", elem_id="defend",
                info="Name: texts no longer lead to the person. Face: photos no longer do, which needs about 30 photos",
            )  # fmt: skip
        if service.people:
            with gr.Column(scale=3, min_width=320):
                gr.HTML(_people(service), apply_default_css=False, elem_id="people")
    return names, meaning, encoder


def build(screen: Screen) -> None:
    """Lay out the form and connect its two buttons."""
    service = screen.service
    example = next((person["name"] for person in service.people if person["member"]), None)
    gr.HTML(story.WHO, apply_default_css=False)
    names, meaning, encoder = _whom(service, example)
    who_known.build(screen, names)
    photos = who_photos.build(screen, names)
    with gr.Row(elem_classes="go"):
        start = gr.Button("Forget", variant="primary", elem_id="start")
        show_me = gr.Button(f"Just show me: forget {example}", visible=example is not None, elem_id="example")
    encoder.change(lambda choice: gr.Column(visible=fields.ENCODERS[choice] != "text"), encoder, photos, **_QUIET)
    _connect(screen, start, {"names": names, MEANING: meaning, "encoder": encoder, **_advanced(service, meaning)})
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
