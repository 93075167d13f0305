"""Moments of a fine-tuning at which somebody may look at the encoder that is being changed.

The defence tells of every one of them; whoever looks decides which are worth a look. An encoder that is shown goes on changing, so
nothing of it may be kept but what was computed of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["original", "block", "step"]
ORDER: tuple[Kind, ...] = ("original", "block", "step")


@dataclass(frozen=True)
class Moment:
    """Where a fine-tuning stands.

    Attributes:
        kind: before anything was changed, behind a block of the closed form, or behind a step.
        number: of the block or the step, 1-based; 0 for the original.
        total: how many of them there are at most.
        is_last: nothing of this encoder changes any more.
        encoder: "text" or "diffusion_text".
    """

    kind: Kind
    number: int = 0
    total: int = 0
    is_last: bool = False
    encoder: str = "text"

    @property
    def place(self) -> tuple[int, int]:
        """Earlier moments have smaller ones, whichever encoder they are of."""
        return ORDER.index(self.kind), self.number


Watch = Callable[[Moment, Any], None]  # with the encoder as it is; an exception of it ends the work and is passed on


def unwatched(moment: Moment, encoder: Any) -> None:
    """The `Watch` of a caller who does not look."""
