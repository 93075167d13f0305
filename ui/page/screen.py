"""The panels of the page and their values; sends only those that changed.

A panel is a component and a function from `View` to its value. Every event ends in `Screen.refresh`, so that a click,
a poll and a reload all lead to the same page, in whichever order their answers arrive (`ui.page.shown`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gradio as gr
from gradio.components import Component

from ui.page import queued
from ui.page.pulse import pulses_of
from ui.page.remembered import Remembered, remembered_of
from ui.page.shown import Shown
from ui.server.identity import NOBODY
from ui.server.service import Service
from ui.views.render import render
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import Job
from unlearn.jobs.states import Watch
from unlearn.runs.results import PREPARED, Run

NOT_ASKABLE = (
    "This example can only be viewed: its defended weights are not stored here, so it cannot be asked anything new. "
    "Forget a person above, then ask your own result."
)
# Of our HTML panels: lets the buttons inside tell the server what they do (`page.js`).
ACTIONS_JS = "window.unlearn.act(element, trigger)"
# Every event brings what the browser remembers; nothing of it is trusted before `Screen.known` has checked it.
ASKED_JS = "(memory, ...rest) => [window.unlearn.memory(), ...rest]"
# Every answer is reported to the page's script, which updates the address and asks again if answers came in the wrong order.
ANSWERED_JS = "(memory, pulse) => { window.unlearn.answered(memory, pulse, HOW); }"


@dataclass(frozen=True)
class View:
    """What one visitor looks at: a job or the prepared example (`key`), who the visitor is (`owner`), and which person was chosen."""

    service: Service
    key: str
    owner: str
    chosen: int = 0

    @cached_property
    def job(self) -> Job | None:
        """The job; None for the prepared example."""
        return self.service.forget_job(self.key)

    @cached_property
    def run(self) -> Run | None:
        """Its finished run, if there is one that can be read."""
        if self.job is not None:
            return self.service.finished(self.job)
        return None if self.damage else self.service.run(self.key)

    @cached_property
    def damage(self) -> str:
        """Why its finished run cannot be read, as a sentence; else empty."""
        try:
            self.service.run(self.key)
        except InputError as error:
            return str(error)
        return ""

    @property
    def own(self) -> bool:
        """True when the visitor started the job."""
        return self.job is not None and self.job.owner == self.owner

    @cached_property
    def questions(self) -> list[Job]:
        """Everything that was asked of the run, newest first."""
        return self.service.questions(self.key, self.owner) if self.run is not None else []

    @property
    def askable(self) -> bool:
        """True when the run's defended weights are at hand, so that it can be asked new things."""
        return self.run is not None and self.run.has_weights

    def asked(self, kind: str) -> list[Job]:
        """What was asked of one kind."""
        return [job for job in self.questions if job.request["kind"] == kind]


@dataclass(frozen=True)
class Visit:
    """One event of one visitor: the visitor's owner name, the web request, and what was clicked."""

    owner: str
    request: gr.Request
    event: gr.EventData

    def clicked(self, name: str) -> Any:
        """A datum of the clicked button inside one of our HTML panels, or None."""
        data = self.event._data
        return data.get(name) if isinstance(data, dict) else None


Render = Callable[[View], Any]
Handle = Callable[..., "dict[Any, Any] | str | None"]  # memory, visit, **inputs


def notice(text: str, kind: str) -> str:
    """A message to the visitor; each is unique, since the browser would not show a closed one again."""
    return render("notice", text=text, kind=kind, said=secrets.token_hex(4))


@dataclass
class Screen:
    """The page's panels.

    `memory` carries what the page's script keeps in the browser, as JSON: {"visitor": token, "job": key of what is shown}. Handlers
    get it as a dictionary. Gradio's `BrowserState` is not used: it fails where a browser gives no storage, and its encryption key is
    sent to everybody.
    """

    service: Service
    notice: gr.HTML
    shown: gr.State = field(default_factory=lambda: gr.State(Shown()))
    panels: list[tuple[Component, Render]] = field(default_factory=list)
    photo_panel: gr.HTML | None = None
    actions_js: str = ACTIONS_JS
    live: set[int] = field(default_factory=set)  # ids of the panels that follow progress; the others change with events only
    fresh: set[int] = field(default_factory=set)  # ids of those that change without a change of the jobs
    events: list[tuple[Callable[..., Any], Handle, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay out the element that tells the page's script where to ask for news, and the buttons that it presses when there are some."""
        self.memory = gr.Textbox("{}", show_label=False, container=False, elem_classes="unseen")
        self.pulse = gr.HTML(self._pulse(self.newcomer, self._watch(self.newcomer), 0), elem_classes="unseen", apply_default_css=False)
        self.news = gr.Button("Refresh", elem_id="refresh", elem_classes="unseen")
        self.everything = gr.Button("Show everything again", elem_id="repaint", elem_classes="unseen")

    def _watch(self, view: View) -> Watch:
        return self.service.jobs.store.watch(view.owner, view.key)

    def _pulse(self, view: View, watch: Watch, turn: int) -> str:
        pulses = pulses_of(self.service)
        token = pulses.token(view.owner, view.key) if watch.active else ""
        mark = pulses.mark(view.key, watch.structure)
        return render("pulse", token=token, mark=mark, pause_ms=pulses.pause_ms(watch), turn=turn, result=view.run is not None)

    def html(self, show: Render, live: bool = False, fresh: bool = False, **properties: Any) -> gr.HTML:
        """An HTML panel, filled for a newcomer until the browser says who the visitor is.

        `live` ones follow progress, `fresh` ones are looked at after every event.
        """
        value = show(self.newcomer)
        panel = gr.HTML(value=value, js_on_load=self.actions_js, apply_default_css=False, **properties)
        self.panels.append((panel, show))
        if live:
            self.live.add(panel._id)
        if fresh:
            self.fresh.add(panel._id)
        return panel

    def asking(self, *buttons: gr.Button) -> None:
        """Buttons that ask the run something: disabled where it cannot be asked, with a sentence that says why."""

        def why_not(view: View) -> str:
            return render("waiting", text=NOT_ASKABLE) if view.run is not None and not view.askable else ""

        for button in buttons:
            button.interactive = self.newcomer.askable
            self.panels.append((button, lambda view: gr.Button(interactive=view.askable)))
        self.html(why_not, elem_classes="why-not")

    @staticmethod
    def key(memory: dict[str, Any]) -> str:
        """Key of what is shown: a job's id, or that of the prepared example."""
        return str(memory.get("job") or PREPARED)

    @staticmethod
    def chosen(memory: dict[str, Any]) -> int:
        """Number of the person that the visitor chose of the run that is shown; 0 until then."""
        key, _, number = str(memory.get("person", "")).rpartition(":")
        return int(number) if key == Screen.key(memory) and number else 0

    @property
    def newcomer(self) -> View:
        """The view of a visitor without a job: the prepared example, if there is one."""
        return View(self.service, PREPARED, NOBODY)

    def owner(self, memory: dict[str, Any], request: gr.Request | None) -> str:
        """The visitor's owner name in the queue and the history: by login, else by the token in the browser."""
        identity = self.service.identity
        if username := getattr(request, "username", None):
            return identity.user(username)
        return identity.visitor(memory["visitor"]) or NOBODY

    def known(self, remembered: Remembered) -> dict[str, Any]:
        """The memory of a page that was not here before: with its token if the server signed it, else as a new visitor."""
        identity = self.service.identity
        token = remembered.visitor if identity.visitor(remembered.visitor) else identity.new_token()
        return {"visitor": token, "job": remembered.job}

    @property
    def outputs(self) -> list[Any]:
        """The components that `refresh` may change."""
        return [self.memory, self.pulse, self.notice, *(component for component, _ in self.panels)]

    def refresh(self, memory: dict[str, Any], shown: Shown, request: gr.Request | None) -> dict[Any, Any]:
        """Values of the components that differ from what this page was sent, by component, as Gradio takes them."""
        view = View(self.service, self.key(memory), self.owner(memory, request), self.chosen(memory))
        watch = self._watch(view)  # once, and before rendering: a change in between gets another mark
        mark, progress = pulses_of(self.service).mark(view.key, watch.structure), watch.progress
        same, live = shown.mark == mark, self.live if shown.progress != progress else set()
        changed: dict[Any, Any] = {self.pulse: self._pulse(view, watch, shown.turn)}
        if shown.is_news(self.memory._id, memory):
            changed[self.memory] = json.dumps(memory)
        for component, show in self.panels:
            if same and component._id not in live | self.fresh:
                continue
            value = show(view)
            if shown.is_news(component._id, value):
                changed[component] = value
        shown.mark, shown.progress = mark, progress
        return changed

    def again(self, memory: Any, shown: Shown, request: gr.Request) -> dict[Any, Any]:
        """The changes since the page's latest answer, to be sent as a part of that one."""
        remembered = remembered_of(memory)
        shown = shown.of(remembered.page)
        with shown.lock:
            return self.refresh(dict(shown.memory or self.known(remembered)), shown, request)

    def on(self, listener: Callable[..., Any], handle: Handle, **options: Any) -> None:
        """Connect an event once the page is laid out: `handle(memory, visit, **inputs)` may change `memory`.

        `handle` returns None, a sentence for the visitor, or values of further `outputs`. The event stays private and
        skips Gradio's queue (work has a queue of its own). An `UnlearnError` is shown as its sentence. Options:
        `inputs_kwargs`, `outputs`, `quiet` (keep an earlier message), `everything` (send all panels, not only what changed),
        `scroll` (to the job, afterwards), `submits` (may submit a job that needs a GPU, see `ui.page.queued`).
        """
        self.events.append((listener, handle, options))

    def connect(self) -> None:
        """Connect all events. Every panel must exist by now, since each event may change any of them."""
        zero = self.service.options.zero
        for listener, handle, options in self.events:
            answer = self._answer(handle, options)
            queueing: dict[str, Any] = {"queue": False}
            if zero is not None and options.get("submits"):
                answer, queueing = queued.queued(answer, self.again, self.service, zero), queued.OPTIONS
            done = listener(
                answer, inputs=[self.memory, self.shown],
                outputs=[*self.outputs, *options.get("outputs", [])], inputs_kwargs=options.get("inputs_kwargs", {}),
                show_progress="hidden", api_visibility="private", js=ASKED_JS, **queueing,
            )  # fmt: skip
            how = json.dumps({"scroll": bool(options.get("scroll")), "everything": bool(options.get("everything"))})
            done.then(None, inputs=[self.memory, self.pulse], js=ANSWERED_JS.replace("HOW", how))

    def _answer(self, handle: Handle, options: dict[str, Any]) -> Callable[..., Any]:
        def run(memory: Any, shown: Shown, request: gr.Request, event: gr.EventData, **values: Any) -> Any:
            remembered = remembered_of(memory)
            shown = shown.of(remembered.page)
            with shown.lock:  # a page's events one after the other: each must know what the earlier one sent
                before = shown.memory or self.known(remembered)
                after = dict(before)
                changed: dict[Any, Any] = {} if options.get("quiet") else {self.notice: ""}
                try:
                    more = handle(after, Visit(self.owner(after, request), request, event), **values)
                except UnlearnError as error:
                    after, more = before, {self.notice: notice(str(error), "error")}
                if isinstance(more, str):
                    more = {self.notice: notice(more, "done")}
                shown.memory = after
                shown.begin(bool(options.get("everything")))
                return {**changed, **self.refresh(after, shown, request), **(more or {})}

        return run
