"""Tab: people and things that had to stay as they were."""

from __future__ import annotations

import gradio as gr

from ui.page.screen import Screen, View
from ui.views import results, story
from ui.views.render import render


def show(view: View) -> str:
    """The run's bystanders."""
    return render("waiting", text="Not measured yet.") if view.run is None else results.bystanders(view.run)


def build(screen: Screen) -> None:
    """Lay out the tab."""
    gr.HTML(story.BYSTANDERS, apply_default_css=False)
    screen.html(show)
