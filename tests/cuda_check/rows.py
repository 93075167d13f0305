"""The rows of the check: a figure, its unit, and the bar that it has to keep, if it has one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        section, what: of the table.
        value: None: not measured; `note` says why.
        unit: of the value.
        most, least: bars; None: the figure is told only.
        note: how the figure came about ("measured", "bounded"), or why it is missing.
    """

    section: str
    what: str
    value: float | None
    unit: str = ""
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the figure keeps its bars; None: it has none. A figure with a bar that was not measured does not keep it."""
        if self.most is None and self.least is None:
            return None
        if self.value is None:
            return False
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)


def table(rows: Sequence[Row]) -> str:
    """All rows as text."""
    outcome = {True: "yes", False: "NO", None: ""}
    cells = [(row.section, row.what, _figure(row), _bar(row), outcome[row.is_met], row.note) for row in rows]
    head = ("section", "what", "figure", "bar", "kept", "note")
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in (head, *cells))


def _figure(row: Row) -> str:
    return "-" if row.value is None else f"{row.value:.4g} {row.unit}".rstrip()


def _bar(row: Row) -> str:
    bars = [f"{sign} {bound:g}" for sign, bound in (("<=", row.most), (">=", row.least)) if bound is not None]
    return " and ".join(bars)


def write(path: Path, machine: dict[str, Any], rows: Sequence[Row]) -> None:
    """The same as JSON."""
    content = {"machine": machine, "rows": [{**asdict(row), "is_met": row.is_met} for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
