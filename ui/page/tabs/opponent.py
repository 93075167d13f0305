"""Tab: ways to bring a forgotten person back, tried on the spot; the visitor's own tries, and portraits of the best ones."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.screen import Screen, View, Visit
from ui.server import opponent
from ui.views import answers, opponent_texts
from ui.views import opponent as views
from ui.views.render import render
from unlearn.attacks.recovery.catalogue import BUDGETS
from unlearn.errors import InputError
from unlearn.jobs import Job

MAX_DRAWN = 4  # tries that are drawn at once
TAB = "opponent"  # what a question for portraits says of where it was asked


def _person(view: View) -> int:
    """Number of the person who is attacked."""
    return view.chosen if view.run is not None and view.chosen < len(view.run.names) else 0


def _opponent_view(view: View) -> views.OpponentView | None:
    if view.run is None:
        return None
    person, attacks = _person(view), view.asked(opponent.ATTACKS)
    shown = [job for number, job in enumerate(attacks) if not job.ended or number == 0]  # why the latest one failed stays to be read
    recovery = opponent.recovery_of(view.run, view.questions)
    attacked = view.run.idia.persons[person : person + 1]
    is_drawn = any(record.original.is_drawn for record in attacked)
    return views.OpponentView(view.run.names[person], person, recovery, is_drawn, shown, view.askable)


def show(view: View) -> str:
    """What was tried on the person, and what it found."""
    shown = _opponent_view(view)
    return render("waiting", text="Nothing to attack yet.") if shown is None else views.opponent(shown)


def show_not_tried(view: View) -> str:
    """What was not tried, and why."""
    shown = _opponent_view(view)
    return "" if shown is None else views.not_tried(shown)


def show_answer(view: View) -> str:
    """The answer to what the visitor typed last for this person."""
    person = _person(view)
    typed = [job for job in view.asked(opponent.TEXTS) if job.owner == view.owner and job.request["person"] == person]
    if not typed or view.run is None:
        return ""
    return views.own_answer(typed[0], opponent.own_tries(typed[0]), view.run.names[person])


def show_drawn(view: View) -> str:
    """Portraits of the best tries."""
    return answers.drawn([job for job in view.asked("portraits") if job.request.get("tab") == TAB])


def choices(view: View) -> dict[str, Any]:
    """The persons of the run; nothing to choose where there is one."""
    names = view.run.names if view.run is not None else []
    chosen = _person(view) if names else None
    return dict(gr.update(choices=[(name, number) for number, name in enumerate(names)], value=chosen, visible=len(names) > 1))


def build(screen: Screen) -> None:
    """Lay out the tab."""
    gr.HTML(opponent_texts.OPPONENT, apply_default_css=False)
    person = gr.Dropdown([], label="Person", visible=False, elem_id="opponent-person", info="Whom the opponent tries to bring back")
    screen.panels.append((person, choices))
    screen.fresh.add(person._id)
    panel = screen.html(show, live=True, fresh=True, elem_id="opponent")
    gr.HTML(opponent_texts.OWN_TRY, apply_default_css=False)
    with gr.Row(elem_classes="own-try"):
        text = gr.Textbox(
            show_label=False, max_lines=1, scale=5, elem_id="own-text", placeholder="a nickname, a misspelling, a description, …",
            container=False, max_length=forms.MAX_TEXT_LENGTH,
        )  # fmt: skip
        button = gr.Button("Try it", elem_id="own-try", scale=0, min_width=120)
    screen.asking(button)
    screen.html(show_answer, live=True, fresh=True, elem_id="own-answer")
    screen.html(show_drawn, live=True, elem_id="opponent-drawn")
    untried = screen.html(show_not_tried, live=True, fresh=True, elem_id="untried")
    _connect(screen, [panel, untried], {"person": person, "text": text, "button": button})


def _connect(screen: Screen, panels: list[gr.HTML], widgets: dict[str, Any]) -> None:
    def choose(memory: dict[str, Any], visit: Visit, person: int | None) -> None:
        memory["person"] = f"{screen.key(memory)}:{forms.whole(person or 0, 'The person')}"

    def ask(memory: dict[str, Any], visit: Visit, text: str) -> dict[Any, Any]:
        view = _view(screen, memory, visit)
        texts = forms.parse_texts(text, "words to try")
        opponent.ask_texts(screen.service, view.key, visit.owner, texts, _person(view))
        return {widgets["text"]: ""}

    def act(memory: dict[str, Any], visit: Visit) -> str | None:
        view = _view(screen, memory, visit)
        match visit.clicked("action"):
            case "cancel":
                _cancel(screen, visit)
            case "recover":
                _attack(view, str(visit.clicked("value") or ""))
            case "draw":
                _draw(view)
                return "The portraits are being drawn; they appear below the table."
        return None

    for panel in panels:
        screen.on(panel.click, act, submits=True)
    screen.on(widgets["person"].input, choose, inputs_kwargs={"person": widgets["person"]})
    for asked in (widgets["button"].click, widgets["text"].submit):
        screen.on(asked, ask, inputs_kwargs={"text": widgets["text"]}, outputs=[widgets["text"]], submits=True)


def _view(screen: Screen, memory: dict[str, Any], visit: Visit) -> View:
    return View(screen.service, screen.key(memory), visit.owner, screen.chosen(memory))


def _attack(view: View, value: str) -> None:
    """Start a set of attacks by its budget, or one attack by its name, with all the tries that it can make."""
    wanted = {"budget": value, "attacks": []} if value in BUDGETS else {"budget": "full", "attacks": [value]}
    opponent.ask_attacks(view.service, view.key, view.owner, {**wanted, "person": _person(view)})


def _cancel(screen: Screen, visit: Visit) -> None:
    job: Job = screen.service.jobs.get(str(visit.clicked("job") or ""))
    if job.owner != visit.owner:
        raise InputError("This was started by somebody else; you can view it, but not cancel it.")
    screen.service.jobs.cancel(job.id)


def _draw(view: View) -> None:
    shown, portraits = _opponent_view(view), view.service.set_info.portraits
    prompts = views.prompts_to_draw(shown.recovery, shown.person_index, MAX_DRAWN, portraits.prompt_template) if shown is not None else []
    if not prompts:
        raise InputError("There is no try yet that can be drawn; start an attack, or type one.")
    request = {
        "prompt_template": portraits.prompt_template, "seeds": list(portraits.seeds[:1]), "n_steps": portraits.n_steps,
        "guidance_scale": portraits.guidance_scale, "texts": prompts, "tab": TAB,
    }  # fmt: skip
    view.service.ask("portraits", view.key, request, view.owner)
