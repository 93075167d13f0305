"""The form by which a visitor gets what is handed on of a run: report, letter, share card."""

from __future__ import annotations

from ui.views.render import render
from unlearn.runs.documents.details import MAX_NUMBER, MAX_ROLE, RETEST_MONTHS, Details
from unlearn.runs.documents.naming import Naming
from unlearn.runs.results import Run


def documents(run: Run) -> str:
    """The form of a run. What is written into it goes to the server with the request for a document only."""
    invented = all(Naming(run.config, Details()).invented)
    return render(
        "documents", base=f"documents/{run.key}", names=run.names, invented=invented, months=RETEST_MONTHS,
        longest={"number": MAX_NUMBER, "role": MAX_ROLE},
    )  # fmt: skip
