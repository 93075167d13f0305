"""film.json: the same portrait at moments of the fine-tuning, as `runs.records` has the other files. Loads no model.

The pictures lie in the folder `FILM` beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearn.runs.heard_records import HeardCaption

FILM = "film"  # the folder of the pictures


@dataclass(frozen=True)
class Frame:
    """One moment, and what the model made of the name then.

    Attributes:
        file: the picture, in the folder of the film.
        kind: "original", "block" (behind a block of the closed form) or "step".
        number: of the block or the step, 1-based; 0 for the original.
        total: how many of them there are at most.
        heard: the caption that is nearest to the name; None where the encoder that was looked at has no say in it.
        correct_templates: prompts of the attack that name the person, with everybody else's prompts as the original has them;
            None: not attacked.
    """

    file: str
    kind: Literal["original", "block", "step"] = "original"
    number: int = 0
    total: int = 0
    heard: HeardCaption | None = None
    correct_templates: int | None = None


@dataclass(frozen=True)
class Film:
    """film.json: every frame has the same prompt, seed and noise; without frames there is no film.

    Attributes:
        frames: in the order of the moments.
        person_index: number of the person in the run's config.
        seed, n_steps: of the drawing.
        n_planned: how many frames there would be if no encoder stopped early.
    """

    frames: tuple[Frame, ...] = ()
    person_index: int = 0
    seed: int = 0
    n_steps: int = 0
    n_planned: int = 0
