"""What the models hear in the forgotten names, as HTML: the nearest captions before and after, beside those of an unknown name."""

from __future__ import annotations

from ui.views.render import render
from unlearn.runs.many_persons import MOST_ALONE
from unlearn.runs.recovery_sentences import heard_sentence
from unlearn.runs.results import Run


def hearing(run: Run) -> str:
    """A section for each person; empty where it was not measured."""
    heard = [
        {
            "name": (name := run.names[row.person_index]), "sentence": heard_sentence(name, row), "n_captions": row.n_captions,
            "columns": [("Before", "o", row.original), ("Now", "d", row.defended), ("A name it never met", "u", row.unknown)],
        }
        for row in run.heard if row.person_index < len(run.names)
    ]  # fmt: skip
    return render("heard", heard=heard, many=len(heard) > 1, folded=len(heard) > MOST_ALONE)
