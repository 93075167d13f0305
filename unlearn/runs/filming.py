"""Draws the same portrait again and again while a name is forgotten, and listens to what the model makes of the name.

Every frame has the prompt, the seed and the noise of the first one; only the text encoder differs. What a moment takes of the encoder
is small: the states of one prompt and the embeddings of 21. So the picture can be drawn at once or behind the last step, whichever the
memory allows. Looking changes nothing: a run with a film gives the same weights as one without.

The attack at a moment embeds this person's prompts anew and keeps everybody else's as the original has them; so do the captions.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn.attacks.gallery import Gallery
from unlearn.config import PortraitConfig
from unlearn.defence.moments import Moment
from unlearn.files import disk_errors
from unlearn.measure.hearing import nearest_captions
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Condition, conditions, draw
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.progress import Progress, Stages
from unlearn.runs.film_plan import FilmPlan
from unlearn.runs.film_records import FILM, Film, Frame
from unlearn.runs.heard_records import HeardCaption
from unlearn.runs.hearing import heard_captions
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.preparation import PreparedRun
from unlearn.runs.results import write_results
from unlearn.runs.so_far import SoFar
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill, fill_all

MAX_STEPS = {"cpu": 10, "cuda": 20}  # of the drawing of a frame; on a GPU they cost nothing worth naming
LATE = "drawing the film"  # what a run says it does, where no stage has room for it
MISSING, AGAIN = "The film of the forgetting is not complete", "Run it again for the whole film."


@dataclass(frozen=True)
class _Sight:
    """What the name is to an encoder of CLIP."""

    heard: HeardCaption | None = None
    correct_templates: int | None = None


@dataclass
class Ear:
    """Listens to the name of a run's first person.

    Args:
        run: with the gallery of the original.
        prompts: embeddings (templates * candidates, d) of the attack's prompts by the original; without rows where nobody is attacked.
    """

    run: PreparedRun
    prompts: Tensor

    @cached_property
    def _captions(self) -> tuple[list[str], Tensor]:
        return heard_captions(self.run.config, self.run.suite.clip.text, self.run.suite.embeddings)

    def listen(self, encoder: TextEncoder) -> _Sight:
        """What the name is to the encoder now."""
        name = self.run.config.persons[0].name
        own = encode(encoder, fill_all(PROMPT_TEMPLATES, [name]))  # (templates, d)
        nearest = nearest_captions(own, *self._captions)
        return _Sight(HeardCaption(*nearest[0]) if nearest else None, self._correct_templates(self.run.gallery, name, own))

    def _correct_templates(self, gallery: Gallery, name: str, own: Tensor) -> int | None:
        if name not in gallery.photos or not len(self.prompts):
            return None
        candidates = gallery.candidates
        table = self.prompts.view(len(PROMPT_TEMPLATES), len(candidates), -1).clone()
        table[:, candidates.index(name)] = own
        return gallery.attack(table.flatten(0, 1), [name])[0].correct_templates


def is_filmed(run: PreparedRun) -> bool:
    """Whether portraits of the name can change in a run, and shall be watched."""
    config, clip = run.config, run.suite.clip
    is_changed = config.encoder != "image" and (clip.is_shared or config.text.hidden_weight > 0)
    return config.film and is_changed and run.suite.can_draw


class Filming:
    """The film of one run: a `Watch` of its defence, from the original on.

    Args:
        run: of which `is_filmed` is true.
        ear: of the run.
        so_far: where the frames appear one by one.
        stages: of the run; told while a frame is drawn, so that this can be cancelled.
        mishaps: what fails here ends the film and nothing else.
    """

    def __init__(self, run: PreparedRun, ear: Ear, so_far: SoFar, stages: Stages, mishaps: Mishaps) -> None:
        self._run, self._ear, self._so_far, self._stages, self._mishaps = run, ear, so_far, stages, mishaps
        portraits = run.config.portraits
        n_steps = min(portraits.n_steps, MAX_STEPS[run.suite.clip.text.device.type])
        self._drawing: PortraitConfig = replace(portraits, seeds=portraits.seeds[:1], n_steps=n_steps)
        self._prompt = fill(portraits.prompt_template, run.config.persons[0].name)
        self._plan = FilmPlan.of(run.config)
        self._sights: dict[tuple[int, int], _Sight] = {}
        self._pending: list[tuple[Moment, Condition]] = []
        self._frames: list[Frame] = []
        self._has_failed = False
        self.seconds = 0.0

    def begin(self) -> None:
        """Take the frame of the original."""
        clip: Clip = self._run.suite.clip
        original = Moment("original")
        self._take(original, clip.text)
        if not clip.is_shared:
            self._take(replace(original, encoder="diffusion_text"), clip.hidden)

    def watch(self, moment: Moment, encoder: TextEncoder) -> None:
        """Take a frame, if one is planned for the moment."""
        if self._plan.takes(moment):
            self._take(moment, encoder)

    def _take(self, moment: Moment, encoder: TextEncoder | None) -> None:
        if self._has_failed or encoder is None:
            return
        with self._timed(), self._mishaps.spared(MISSING, AGAIN), torch.no_grad():
            self._stages.again()
            is_shared = self._run.suite.clip.is_shared
            if moment.encoder == "text":
                self._sights[moment.place] = self._ear.listen(encoder)
            if is_shared or moment.encoder == "diffusion_text":
                self._pending += [(moment, condition) for condition in conditions(encoder, [self._prompt])]
                if self._run.suite.draws_at_once:
                    self._draw_pending()
            return
        self._has_failed = True

    def _draw_pending(self) -> None:
        """Draw what was taken since the last time, in one batch."""
        taken, self._pending = self._pending, []
        if not taken:
            return
        still = partial(self._still, LATE if len(taken) > 1 else "")
        drawn = draw(self._run.suite.diffusion(), [condition for _, condition in taken], self._drawing, still)
        for (moment, _), picture in zip(taken, drawn[0], strict=True):
            self._add(moment, picture)

    def _still(self, note: str, progress: Progress) -> None:
        self._stages.again(note)

    def _add(self, moment: Moment, picture: np.ndarray) -> None:
        folder, file = self._so_far.folder / FILM, f"f{len(self._frames):02d}.webp"
        with disk_errors(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / file, quality=95, method=6)
        heard_at = max((place for place in self._sights if place <= moment.place), default=None)
        sight = self._sights[heard_at] if heard_at is not None else _Sight()
        self._frames.append(Frame(file, moment.kind, moment.number, moment.total, sight.heard, sight.correct_templates))
        self._so_far.write(film=self.film)
        self._stages.again()

    @property
    def film(self) -> Film:
        """What there is of the film."""
        return Film(tuple(self._frames), 0, self._drawing.seeds[0], self._drawing.n_steps, self._plan.n_frames)

    def finish(self) -> None:
        """Draw what could not be drawn beside the fine-tuning, and keep the film with the run."""
        with self._timed(), self._mishaps.spared(MISSING, AGAIN):
            if not self._has_failed:
                self._draw_pending()
            if len(self._frames) > 1:
                with disk_errors(str(self._run.out)):
                    shutil.copytree(self._so_far.folder / FILM, self._run.out / FILM, dirs_exist_ok=True)
                write_results(self._run.out, film=self.film)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
