"""The dial and the growing portraits as HTML: everything a slider steps through is on the page at once."""

from __future__ import annotations

from typing import Any

from ui.views.jobs import N_TEMPLATES
from ui.views.render import render
from unlearn.runs.dial_records import Denoising, Dial, DialPosition
from unlearn.runs.results import Run

CHART_WIDTH, CHART_HEIGHT = 100.0, 40.0


def dial(run: Run) -> str:
    """A dial for each person of the run that has one; empty without."""
    rows = [row for row in run.dial if row.person_index < len(run.names)]
    n_templates = next((len(person.templates) for person in run.idia.persons if person.templates), N_TEMPLATES)
    dials = [
        {
            "name": run.names[row.person_index], "index": row.person_index, "seed": row.seed, "is_drawn_anew": row.is_drawn_anew,
            "positions": [_position(run, position, n_templates) for position in row.positions],
            "has_pictures": all(position.picture for position in row.positions), "turn": _turn(row),
        }
        for row in rows
    ]  # fmt: skip
    return render("dial", dials=dials, uid=run.key, n_templates=n_templates, many=len(run.names) > 1)


def _position(run: Run, position: DialPosition, n_templates: int) -> dict[str, Any]:
    count = position.correct_templates
    return {
        "share": f"{position.share:g}", "percent": 100 * position.share, "count": count, "height": (count or 0) / n_templates,
        "src": f"media/{run.key}/{position.picture}" if position.picture else "",
    }  # fmt: skip


def _turn(row: Dial) -> tuple[str, str] | None:
    """The positions between which the attack stops naming the person for good; None where it names it to the end, or never did."""
    named = [position.share for position in row.positions if position.correct_templates]
    if not named or any(position.correct_templates is None for position in row.positions):
        return None
    return next(((f"{named[-1]:g}", f"{position.share:g}") for position in row.positions if position.share > named[-1]), None)


def denoising(run: Run) -> str:
    """Both portraits of a seed as they grow; empty where they were not kept."""
    return "".join(_growing(run, row) for row in run.denoising if row.person_index < len(run.names))


def _growing(run: Run, row: Denoising) -> str:
    n_steps, farthest = len(row.distances) - 1, max(row.distances) or 1.0
    moments = [
        {
            "n_steps": moment.n_steps, "x": moment.n_steps / n_steps, "is_parting": moment.n_steps == row.parted_at,
            "original": f"media/{run.key}/{moment.original}", "defended": f"media/{run.key}/{moment.defended}",
        }
        for moment in row.moments
    ]  # fmt: skip
    points = " ".join(
        f"{CHART_WIDTH * step / n_steps:.2f},{CHART_HEIGHT * (1 - distance / farthest):.2f}" for step, distance in enumerate(row.distances)
    )
    return render(
        "denoising", moments=moments, points=points, n_steps=n_steps, parted_at=row.parted_at, parted_share=row.parted_share,
        parted_x=None if row.parted_at is None else row.parted_at / n_steps, last_distance=row.distances[-1], seed=row.seed, uid=run.key,
        index=row.person_index, name=run.names[row.person_index], many=len(run.names) > 1,
    )  # fmt: skip
