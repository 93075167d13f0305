"""What an attack on pictures that the original model drew can show, and what it cannot, in sentences."""

from __future__ import annotations

from unlearn.attacks.figures import DRAWN
from unlearn.runs.metrics import DrawnPhotos
from unlearn.runs.records import BeforeAfter, Verdict

_RECOGNISED = (
    "That they are recognised shows what CLIP and Stable Diffusion know together, not that photos of the person were in CLIP’s "
    "training data."
)
_NOT_RECOGNISED = "That does not show that the person is unknown: Stable Diffusion may have drawn somebody else."


def drawn_verdict(name: str, verdicts: BeforeAfter[Verdict], recalled: str) -> str:
    """What the attack says about one person before and after.

    Args:
        name: of the person.
        verdicts: of the original and the defended model; the attack on the original was made.
        recalled: what is said where only the defended model recognises the pictures.
    """
    pictures = f"the portraits of {name}, {DRAWN},"
    match (verdicts.original.recognised, verdicts.defended.recognised):
        case (True, False):
            return f"The original CLIP recognised {pictures} by the name. The defended one does not any more. {_RECOGNISED}"
        case (True, True):
            return f"Both models recognise {pictures} by the name: the defence did not hold for this person. {_RECOGNISED}"
        case (False, True):
            return f"Only the defended CLIP recognises {pictures} by the name. {recalled}"
        case (False, False):
            return f"Neither model recognises {pictures} by the name. {_NOT_RECOGNISED}"
        case _:
            return f"The attack on the defended model is missing for {pictures} and the note above says why."


def drawn_note(drawn: DrawnPhotos | None) -> str:
    """How the pictures were made, and their control; empty where there are none."""
    if drawn is None:
        return ""
    made = f"There are no photos of this person, so the attack looked at {drawn.n_portraits} portraits, {drawn.source}."
    if drawn.n_persons > 1:
        made = (
            f"There are no photos of {drawn.n_persons} persons, so the attack looked at {drawn.n_portraits} portraits of each, "
            f"{drawn.source}."
        )
    if not drawn.n:
        return f"{made} There is no control."
    names = "an unknown name" if drawn.n == 1 else f"{drawn.n} unknown names"
    doubt = " Unknown names are recognised as well, so a hit says little." if drawn.recognised_original else ""
    return (
        f"{made} Control: of {names}, drawn in the same way, the original recognises {drawn.recognised_original} and the defended model "
        f"{drawn.recognised_defended}.{doubt}"
    )
