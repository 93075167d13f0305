"""The outcome of a run with many persons: one summary, and a table with a row for each."""

from __future__ import annotations

from ui.views.render import DASH, render
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.many_persons import PersonOutcome, many_summary, not_forgotten_first, outcomes
from unlearn.runs.results import Run
from unlearn.runs.sentences import remapping

MOST_OPEN = 16  # rows; of more only those of persons who were not forgotten are open


def many_persons(run: Run, n_templates: int) -> str:
    """Summary and table; those who were not forgotten come first."""
    rows = outcomes(run.metrics.persons)
    return render(
        "many_persons", prepared=run.is_prepared, warnings=run.metrics.warnings, summary=many_summary(rows),
        folded=len(rows) > MOST_OPEN, rows=[_row(row) for row in not_forgotten_first(rows)],
        has_rank=any(row.rank.original is not None for row in rows), n_templates=n_templates,
        note=drawn_note(run.metrics.drawn_photos), done=remapping(run.config),
    )  # fmt: skip


def _row(row: PersonOutcome) -> dict[str, object]:
    sides = (row.templates.original, row.templates.defended)
    before, after = (DASH if count is None else str(count) for count in sides)
    rank = DASH if row.rank.original is None or row.rank.defended is None else f"{row.rank.original:,.0f} → {row.rank.defended:,.0f}"
    missed = row.is_forgotten is not True
    return {"name": row.name, "before": before, "after": after, "rank": rank, "verdict": row.verdict, "missed": missed}
