"""What a run shows before it is finished: verdicts, portraits and the film, each as soon as it is known (`runs.so_far`).

What can be known of the original comes before the fine-tuning. The portraits of both models are drawn here, in two halves.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping

from torch import Tensor

from unlearn.defence.moments import Watch, unwatched
from unlearn.models.clip import Clip
from unlearn.progress import Report, Stages
from unlearn.runs.filming import Ear, Filming, is_filmed
from unlearn.runs.folder import Attacked
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.portraits import Model, Portrait, draw_side, in_order, portrait_files, write_portraits
from unlearn.runs.preparation import PreparedRun
from unlearn.runs.records import AttackRecord, Attacks, PortraitEntry, Verdict
from unlearn.runs.results import PORTRAITS
from unlearn.runs.so_far import SoFar, so_far_of

BY_ORIGINAL, BY_DEFENDED = "portraits by the original", "portraits"  # stages of a run
STAGES_BEFORE, STAGES_AFTER = {BY_ORIGINAL: 8.0}, {BY_DEFENDED: 7.0}  # -> their shares of the time
DRAW_LATER = "Draw them with `python -m unlearn portraits --run FOLDER`, or under Portraits."
LATER = "The results hold it."


class Showing:
    """One run, from the attack on the original on.

    Args:
        run: whose inputs are read.
        prompts: as of `Ear`.
        stages: of the run, with those of this module.
        mishaps: what fails here costs its part of the results and no more.
    """

    def __init__(self, run: PreparedRun, prompts: Tensor, stages: Stages, mishaps: Mishaps) -> None:
        self._run, self._stages, self._mishaps = run, stages, mishaps
        self._so_far: SoFar = so_far_of(run.out)
        self._film = Filming(run, Ear(run, prompts), self._so_far, stages, mishaps) if is_filmed(run) else None
        self._can_draw = run.suite.can_draw
        self._drawn: list[Portrait] = []
        self._entries: list[PortraitEntry] = []
        self._drawing_s = 0.0

    def original(self, attacked: Attacked) -> None:
        """Show the verdicts on the original and its portraits, and the first frame of the film behind the first of them."""
        self._tell(attacked)
        if self._can_draw:
            with self._stages.stage(BY_ORIGINAL) as report:
                self._draw("original", self._run.suite.clip, report)

    def _tell(self, before: Attacked, after: Attacked | None = None) -> None:
        """Show the verdicts on the persons, by the original alone or by both models."""
        with self._mishaps.spared("The verdicts could not be shown at once", LATER):
            if after is None:
                records = [AttackRecord(Verdict.of(outcome), Verdict(), outcome.name, outcome.n_images) for outcome in before.persons]
            else:
                records = [AttackRecord.of(*pair) for pair in zip(before.persons, after.persons, strict=True)]
            self._so_far.write(idia=Attacks(tuple(records)))
            self._stages.again()

    @property
    def watch(self) -> Watch:
        """What looks at the text encoders while they are fine-tuned."""
        return self._film.watch if self._film is not None and self._can_draw else unwatched

    def keep_film(self) -> None:
        """Keep the film in the run's folder, whose earlier content is gone by now."""
        if self._film is not None and self._can_draw:
            self._film.finish()

    def defended(self, before: Attacked, after: Attacked, defended: Clip) -> None:
        """Show the verdicts on both models and then the defended one's portraits; keep those of both."""
        self._tell(before, after)
        if not self._can_draw:
            return
        with self._stages.stage(BY_DEFENDED) as report:
            self._draw("defended", defended, report)
        self._can_draw = self._can_draw and self._kept()

    def _kept(self) -> bool:
        with self._mishaps.spared("The portraits are missing", DRAW_LATER):
            write_portraits(self._run.out, self._drawn, self._run.config)
            return True
        shutil.rmtree(self._run.out / PORTRAITS, ignore_errors=True)  # half of them would pass for all, and a full disk needs the room
        return False

    def _draw(self, model: Model, clip: Clip, report: Report) -> None:
        """Draw and show one half of the portraits; where that fails there will be none."""
        config = self._run.config
        with self._mishaps.spared("The portraits are missing", DRAW_LATER):
            began = time.perf_counter()
            for portraits in draw_side(self._run.suite.diffusion(), clip, model, config, report):
                self._drawn += portraits
                self._entries += portrait_files(self._so_far.folder, portraits, config)
                self._so_far.write(portraits=in_order(self._entries))
                self._drawing_s += time.perf_counter() - began
                self._stages.again()
                if model == "original" and len(self._drawn) == len(portraits) and self._film is not None:
                    self._film.begin()
                began = time.perf_counter()
            return
        self._can_draw = False

    @property
    def seconds(self) -> Mapping[str, float | None]:
        """Run times, by the names of the fields of `Seconds`; None for what was not done."""
        film = self._film.seconds or None if self._film is not None else None
        return {"portraits": self._drawing_s if self._can_draw else None, "film": film}
