"""The dial as a row of pictures in the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearn.runs.dial_records import Dial


@dataclass(frozen=True)
class ReportedPosition:
    """A picture's file, empty where nothing was drawn, and the number of templates that recognise the person."""

    share: str
    picture: Path | None
    correct_templates: int | None


@dataclass(frozen=True)
class ReportedDial:
    """One person's dial; `is_drawn_anew` as of `Dial`."""

    seed: int
    is_drawn_anew: bool
    positions: tuple[ReportedPosition, ...]


def reported_dial(dials: tuple[Dial, ...], number: int, run: Path) -> ReportedDial | None:
    """The dial of a person of the run; None without."""
    row = next((dial for dial in dials if dial.person_index == number), None)
    if row is None:
        return None
    positions = (
        ReportedPosition(f"{one.share:g}", run / one.picture if one.picture else None, one.correct_templates) for one in row.positions
    )
    return ReportedDial(row.seed, row.is_drawn_anew, tuple(positions))
