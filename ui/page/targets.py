"""What names and faces are remapped to: from the one choice of the form, or from an endpoint's arguments, to fields of `ForgetConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from ui.page.fields import STAND_IN
from unlearn.config import clean_name
from unlearn.errors import InputError

Target = Literal["stand_in", "neutral_term"]
TARGETS = ("stand_in", "neutral_term")
DEFAULT_TERM = "human"
MEANING = "meaning"  # the form's key of the choice, a term or `STAND_IN`
NO_STAND_IN = "The paper remaps names to a neutral term, never to a stand-in; choose a term, or another schedule."


@dataclass(frozen=True)
class Remapping:
    """The target, and the neutral term (with stand-ins only the control beside the name)."""

    target: Target
    neutral_term: str


def target_of(meaning: Any) -> Target:
    """The target that a choice of the form stands for."""
    return "stand_in" if meaning == STAND_IN else "neutral_term"


def remapping(values: Mapping[str, Any], schedule: str) -> Remapping:
    """The target that the form or a caller chose.

    Args:
        values: `MEANING` of the form; or `target` and `neutral_term` of a caller, each None where it is left out.
        schedule: "default", "paper" or "own".

    Raises:
        InputError: the target is unknown, or the choices contradict each other.
    """
    target, term = _chosen(values)
    if target is None:  # a term, and the paper's schedule, tell it
        target = "stand_in" if term is None and schedule != "paper" else "neutral_term"
    if target not in TARGETS:
        raise InputError("The target is unknown; use stand_in or neutral_term.")
    if target == "stand_in" and schedule == "paper":
        raise InputError(NO_STAND_IN)
    if target == "stand_in" and term is not None:
        raise InputError("A neutral term has no effect where the target is stand_in; leave out one of the two.")
    return Remapping(cast(Target, target), clean_name(DEFAULT_TERM if term is None else term, "neutral term"))


def _chosen(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if MEANING not in values:
        return values.get("target"), values.get("neutral_term")
    meaning = values[MEANING]
    return (target_of(meaning), None) if meaning == STAND_IN else ("neutral_term", str(meaning or ""))


def require_no_crowd(n_decoys: int, target: Target) -> None:
    """Raise `InputError` where decoys are asked for beside a neutral term: what is remapped to it is found without the original."""
    if n_decoys and target == "neutral_term":
        raise InputError("Decoys hide a name only beside stand-ins; use 0 decoys with a neutral term.")
