"""Tab: similarities, utility, run times, the evidence and the losses of the fine-tuning."""

from __future__ import annotations

import gradio as gr

from ui.page.screen import Screen, View
from ui.views import numbers, plots, story
from ui.views.render import render


def show(view: View) -> str:
    """The run's numbers."""
    return render("waiting", text="No numbers yet.") if view.run is None else numbers.numbers(view.run)


def show_evidence(view: View) -> str:
    """The run's evidence."""
    return "" if view.run is None else numbers.evidence(view.run)


def show_losses(view: View) -> str:
    """The run's loss curves."""
    rows = view.run.losses if view.run is not None else ()
    return render("curves", charts=[(c.title, plots.line_chart(c)) for c in plots.curves(rows)])


def build(screen: Screen) -> None:
    """Lay out the tab."""
    gr.HTML(story.NUMBERS, apply_default_css=False)
    screen.html(show)
    screen.html(show_evidence)
    screen.html(show_losses)
