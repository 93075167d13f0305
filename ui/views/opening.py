"""The head of the page, with one example that can be seen before anything is touched, and the bar of the presenter's mode."""

from __future__ import annotations

from typing import Any

from ui.server.catalogue import SetInfo
from ui.views.jobs import N_TEMPLATES
from ui.views.portraits import cells
from ui.views.render import render
from unlearn.runs.results import PORTRAITS, Run

SLIDES = (  # of the presenter's mode; `present.js` knows the tab of each, the style sheet what is shown
    ("who", "Who"), ("before", "Before"), ("forgetting", "Forgetting"), ("room", "Room"), ("after", "After"),
    ("opponent", "Opponent"), ("numbers", "Numbers"),
)  # fmt: skip


def presenter() -> str:
    """The bar of the presenter's mode; the page's script shows it."""
    return render("presenter", slides=SLIDES)


def opening(info: SetInfo, notice: str, prepared: Run | None) -> str:
    """The page's header; `prepared` is the run that is shipped with the program, None where there is none."""
    return render("header", title=info.title, invented=info.invented, notice=notice, example=_example(prepared, info.invented))


def _example(run: Run | None, is_invented: bool) -> dict[str, Any] | None:
    """One portrait of the run's first person before and after, and the attack's count; None where the run lacks one of them."""
    if run is None or not run.idia.persons:
        return None
    entries = [entry for entry in run.portraits if entry.person_index == 0 and entry.prompt == "name"]
    seeds = list(dict.fromkeys(entry.seed for entry in entries))
    middle = [entry for entry in entries if entry.seed == seeds[len(seeds) // 2]]
    pictures = cells(f"media/{run.key}/{PORTRAITS}", middle, f"asked for {run.names[0]}")
    before, after = (side.correct_templates for side in (run.idia.persons[0].original, run.idia.persons[0].defended))
    if None in (*pictures.values(), before, after):
        return None
    return {**pictures, "name": run.names[0], "before": before, "after": after, "n_templates": N_TEMPLATES, "invented": is_invented}
