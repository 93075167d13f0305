"""At which moments of a fine-tuning the same portrait is drawn again: about eight, more of them early, when most happens."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.config import ClosedForm, ResolvedConfig
from unlearn.defence.moments import Moment

N_FRAMES = 8
MAX_BLOCKS = 4  # of the closed form


@dataclass(frozen=True)
class FilmPlan:
    """The numbers of the blocks and of the steps behind which a frame is taken; the original and the end are taken in any case."""

    blocks: frozenset[int]
    steps: frozenset[int]

    @classmethod
    def of(cls, config: ResolvedConfig) -> FilmPlan:
        """For the method and the schedule of a run."""
        schedule, form = config.text_schedule, config.text.closed_form
        if config.method == "slug":
            return cls(frozenset(), frozenset((1,)))
        if config.method == "closed-form":
            return cls(spread((form or ClosedForm()).n_blocks, N_FRAMES - 1), frozenset())
        blocks = spread(form.n_blocks, MAX_BLOCKS) if form is not None else frozenset()
        n_steps, left = schedule.n_steps, N_FRAMES - 1 - len(blocks)
        if schedule.early_stop is None:
            return cls(blocks, spread(n_steps, left))
        # It may end at any check behind the least number of steps; the frame of the end then comes on top.
        earliest = min(n_steps, max(1, schedule.early_stop.min_steps))
        later = frozenset(step for step in (2 * earliest, 4 * earliest) if step < n_steps)
        return cls(blocks, spread(earliest, left - 1) | later)

    @property
    def n_frames(self) -> int:
        """How many frames there are where nothing stops early."""
        return 1 + len(self.blocks) + len(self.steps)

    def takes(self, moment: Moment) -> bool:
        """Whether a frame is taken at a moment."""
        if moment.kind == "original" or moment.is_last:
            return True
        return moment.number in (self.blocks if moment.kind == "block" else self.steps)


def spread(n: int, n_chosen: int) -> frozenset[int]:
    """At most `n_chosen` of the numbers 1 to n, the last among them, closer together at the beginning."""
    return frozenset(min(n, -(-n * i * i // (n_chosen * n_chosen))) for i in range(1, n_chosen + 1))
