"""One progress for work that has several stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is: `step` of `total` (same unit), a short note, and the losses of the step.

    `losses` have a "step" of their own, which counts the steps of `encoder` ("text", "diffusion_text" or "image"). `remark` says how the
    work is done, where that needs to be told; it stays in the note of a whole run.
    """

    step: int
    total: int
    note: str = ""
    losses: dict[str, float] | None = None
    encoder: str = ""
    remark: str = ""


Report = Callable[[Progress], None]  # raises JobCancelled when the user asked to stop


def no_report(progress: Progress) -> None:
    """The `Report` of a caller who ignores progress."""


def part_of(report: Report, number: int, n_parts: int) -> Report:
    """The report of one of equal parts of a piece of work, number `number` (0-based)."""

    def narrowed(progress: Progress) -> None:
        report(replace(progress, step=number * progress.total + progress.step, total=n_parts * progress.total))

    return narrowed


TOTAL = 1000  # units of a whole run


class Stages:
    """Turns the progress of each stage into that of the whole, and measures the wall time of the stages.

    Args:
        report: told about the whole, in `TOTAL` units.
        shares: name of a stage -> its expected share of the time, in any unit, in the order of work.
    """

    def __init__(self, report: Report, shares: Mapping[str, float]) -> None:
        self._report = report
        self._shares = dict(shares)
        self._sum = sum(self._shares.values())
        self.seconds: dict[str, float] = {}
        self._latest = Progress(0, TOTAL)

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Work on one stage; gives the `Report` for it, and reports its beginning itself."""
        started = time.perf_counter()
        inner = self._inner(name)
        inner(Progress(0, 1))
        yield inner
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def again(self, note: str = "") -> None:
        """Report once more how far the whole is, during work that is no stage, so that it can be cancelled; `note`: what it is."""
        self._report(replace(self._latest, losses=None, note=note or self._latest.note))

    def finish(self) -> None:
        """Report that all is done."""
        self._report(Progress(TOTAL, TOTAL, "done"))

    def _inner(self, name: str) -> Report:
        names = list(self._shares)
        before = sum(self._shares[other] for other in names[: names.index(name)])

        def report(progress: Progress) -> None:
            done = before + self._shares[name] * progress.step / max(1, progress.total)
            counted = f", {progress.step} of {progress.total}" if progress.total > 1 else ""
            whole = round(TOTAL * done / self._sum)
            remark = f", {progress.remark}" if progress.remark else ""
            self._latest = replace(progress, step=whole, total=TOTAL, note=f"{name}{counted}{remark}")
            self._report(self._latest)

        return report
