"""Below the portraits: the dial, the portraits as they grow, and what proves that nothing was swapped."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.screen import Screen, View, Visit
from ui.views import dial, sleeve, story
from unlearn.errors import InputError

AUDIENCE, VERIFY = "audience", "verify"  # kinds of questions to a run
MAX_SHOWN = 3  # of the audience's seeds


def show_dial(view: View) -> str:
    """The dial of each person."""
    return "" if view.run is None else dial.dial(view.run)


def show_denoising(view: View) -> str:
    """Both portraits of a seed as they grow."""
    return "" if view.run is None else dial.denoising(view.run)


def show_seal(view: View) -> str:
    """The hashes of the weights, and when they were written down."""
    return "" if view.run is None else sleeve.seal(view.run)


def show_audience(view: View) -> str:
    """What was drawn by seeds that somebody called out."""
    return "" if view.run is None else sleeve.drawn_by_audience(view.asked(AUDIENCE)[:MAX_SHOWN], view.run)


def show_verified(view: View) -> str:
    """The latest check of the run."""
    checks = view.asked(VERIFY)
    return sleeve.verified(checks[0]) if checks else ""


def persons(view: View) -> Any:
    """Whose portraits are drawn; nothing to choose where there is one person."""
    names = view.run.names if view.run is not None else []
    return gr.Dropdown(choices=[(name, number) for number, name in enumerate(names)], value=0 if names else None, visible=len(names) > 1)


def seeds(view: View) -> Any:
    """The seeds of the run's portraits."""
    entries = view.run.portraits if view.run is not None else ()
    known = list(dict.fromkeys(entry.seed for entry in entries))
    return gr.Dropdown(choices=[(str(seed), seed) for seed in known], value=known[0] if known else None)


def build(screen: Screen) -> None:
    """Lay out the blocks."""
    screen.html(show_dial, elem_id="dial")
    screen.html(show_denoising, elem_id="denoising")
    screen.html(show_seal, elem_id="seal")
    person = gr.Dropdown([], label="Person", visible=False, elem_id="sleeve-person")
    screen.panels.append((person, persons))
    with gr.Row(elem_classes="sleeve-row"):
        seed = gr.Textbox(
            label="Seed from the audience", info="Any whole number of up to nine digits", placeholder="4711", max_lines=1, max_length=9,
            elem_id="audience-seed", min_width=220,
        )  # fmt: skip
        draw = gr.Button("Draw it before and after", elem_id="audience-draw", scale=0, min_width=220)
    screen.html(show_audience, live=True, elem_id="audience")
    gr.HTML(story.VERIFY, apply_default_css=False)
    with gr.Row(elem_classes="sleeve-row"):
        known = gr.Dropdown([], label="Portrait to draw again", info="By its seed", elem_id="verify-seed", min_width=220)
        verify = gr.Button("Verify", elem_id="verify", scale=0, min_width=220)
    screen.panels.append((known, seeds))
    screen.asking(draw, verify)
    screen.html(show_verified, live=True, elem_id="verified")
    _connect(screen, {"seed": seed, "draw": draw, "known": known, "verify": verify, "person": person})


def _connect(screen: Screen, widgets: dict[str, Any]) -> None:
    def ask(memory: dict[str, Any], visit: Visit, seed: str, person: int | None) -> None:
        called = forms.parse_seeds(seed)
        if len(called) != 1:
            raise InputError("Give one number at a time as the seed.")
        screen.service.ask(AUDIENCE, screen.key(memory), {"seed": called[0], "person": forms.whole(person or 0, "The person")}, visit.owner)

    def check(memory: dict[str, Any], visit: Visit, seed: int | None, person: int | None) -> None:
        number = None if seed is None else forms.whole(seed, "The seed")
        screen.service.ask(VERIFY, screen.key(memory), {"seed": number, "person": forms.whole(person or 0, "The person")}, visit.owner)

    for asked in (widgets["draw"].click, widgets["seed"].submit):
        screen.on(asked, ask, inputs_kwargs={"seed": widgets["seed"], "person": widgets["person"]}, submits=True)
    screen.on(widgets["verify"].click, check, inputs_kwargs={"seed": widgets["known"], "person": widgets["person"]}, submits=True)
