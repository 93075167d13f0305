"""The defences that are compared: by which settings of `forget` each of them is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from unlearn.config import TextFineTuneConfig

N_FORMS = 24
RADIUS = 0.5


@dataclass(frozen=True)
class DefenceKind:
    """One defence.

    Attributes:
        name: as on the command line and in JSON.
        title: what a table calls it.
        target, encoder, method: as of `ForgetConfig`.
        has_aliases: whether the person's aliases are triggers.
        surface_forms, ball_radius: of the text encoder's schedule.
    """

    name: str
    title: str
    target: Literal["stand_in", "neutral_term"] = "stand_in"
    encoder: Literal["text", "both"] = "text"
    method: Literal["backdoor", "closed-form", "slug"] = "backdoor"
    has_aliases: bool = False
    surface_forms: int = 0
    ball_radius: float = 0.0

    def schedule(self, default: TextFineTuneConfig) -> TextFineTuneConfig:
        """The set's schedule for the target, with what this defence changes."""
        return replace(default, surface_forms=self.surface_forms, ball_radius=self.ball_radius)


_TERM: dict[str, Any] = {"target": "neutral_term"}
DEFENCES: tuple[DefenceKind, ...] = (
    DefenceKind("term", "paper's term", **_TERM),
    DefenceKind("term-aliases", "paper's term, with aliases", **_TERM, has_aliases=True),
    DefenceKind("term-forms", "paper's term, with surface forms", **_TERM, surface_forms=N_FORMS),
    DefenceKind("term-ball", "paper's term, with the ball", **_TERM, ball_radius=RADIUS),
    DefenceKind("stand-in", "stand-in"),
    DefenceKind("stand-in-forms-ball", "stand-in, with surface forms and ball", surface_forms=N_FORMS, ball_radius=RADIUS),
    DefenceKind("both", "stand-in, both encoders", encoder="both"),
    DefenceKind("closed-form", "stand-in, closed form alone", method="closed-form"),
    DefenceKind("slug", "stand-in, SLUG", method="slug"),
)
