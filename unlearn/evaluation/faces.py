"""How good the image defence of a model set with a world is: 1 to 16 faces at once, ours beside the paper's setting, and both encoders.

Every draw forgets members drawn from a seed, on photos of theirs in folders. It is what `forget --faces` with this seed does: the same
split of each folder, of which one part trains and the other is attacked, and the same functions. Finished rows are kept in a file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from unlearn.attacks.gallery import build_gallery, defended_gallery, prompt_embeddings
from unlearn.attacks.own_photos import pictures_of
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, ResolvedConfig, Settings
from unlearn.config.limits import MAX_TRIGGERS
from unlearn.defence.defend import Defence
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation.evaluated_set import EvaluatedSet
from unlearn.evaluation.face_tables import KINDS
from unlearn.evaluation.rows import KeptRows, Measurement, change, files_hash, outcomes_by_name, rows_file, share_recognised, texts_hash
from unlearn.files import also_written
from unlearn.measure.similarities import image_metrics
from unlearn.measure.zero_shot import utility
from unlearn.models.pair import Pair
from unlearn.models.schedule_choices import schedule
from unlearn.progress import Progress, Report, no_report
from unlearn.runs.inputs import RunPhotos, read_run_photos

MAX_DRAWS = 1000
PlanEntry = tuple[str, int, int]  # kind, number of faces, draw


@dataclass(frozen=True)
class FaceEvaluationConfig:
    """What is evaluated.

    Attributes:
        model_set: a set with a world.
        faces: folder with a folder of photos for each member, member-00, member-01... (`python -m assets.build.photos`).
        n_at_once: numbers of faces forgotten together.
        n_draws: draws of persons for each number; the draw's number is the seed of the fine-tuning, too.
        kinds: "ours" (the set's default), "paper" (its setting for the architecture), "both" (ours, and the text encoder).
    """

    model_set: str
    faces: Path
    n_at_once: tuple[int, ...] = (1, 4, 8, 16)
    n_draws: int = 2
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        if set(self.kinds) - set(KINDS) or not self.n_at_once or not 1 <= min(self.n_at_once) <= max(self.n_at_once) <= MAX_TRIGGERS:
            raise ConfigError(f"kinds are words out of {', '.join(KINDS)}; numbers of faces are 1 to {MAX_TRIGGERS}.")
        if not 1 <= self.n_draws <= MAX_DRAWS:
            raise ConfigError(f"n_draws is {self.n_draws}; use 1 to {MAX_DRAWS}.")


class FaceEvaluation:
    """A model set under evaluation, and the rows that are finished."""

    def __init__(self, config: FaceEvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world.
        """
        self.config, self.settings = config, settings
        self.evaluated = EvaluatedSet.load(config.model_set, settings)
        self.members = self.evaluated.members
        self.rows = KeptRows(rows_file(self.evaluated.original, settings, "faces-"))

    def drawn(self, n: int, draw: int) -> list[str]:
        """The members forgotten in a draw; a larger number of the same draw has those of a smaller one, too."""
        order = torch.randperm(len(self.members), generator=torch.Generator().manual_seed(draw)).tolist()
        return [self.members[i] for i in order[:n]]

    def schedule(self, kind: str) -> ImageFineTuneConfig:
        """The schedule of a kind, as a user's run with it has."""
        chosen = schedule(self.evaluated.original.model_set, "image", "paper" if kind == "paper" else "default", {})
        assert isinstance(chosen, ImageFineTuneConfig)  # asked for the image encoder's
        return chosen

    def run_config(self, kind: str, n: int, draw: int) -> ResolvedConfig:
        """What `forget` would be given."""
        persons = tuple(map(Person, self.drawn(n, draw)))
        encoder: Literal["image", "both"] = "both" if kind == "both" else "image"
        target: Literal["stand_in", "neutral_term"] = "neutral_term" if kind == "paper" else "stand_in"
        config = ForgetConfig(persons, self.config.model_set, encoder=encoder, seed=draw, image=self.schedule(kind), target=target)
        return self.evaluated.original.model_set.resolved(config)

    def photos(self, names: Sequence[str]) -> RunPhotos:
        """The photos of members, split as those of a run."""
        folders = {name: self._folder(name) for name in names}
        return read_run_photos({}, folders, [Person(name) for name in names], self.settings)

    def forgotten(self, kind: str, n: int, draw: int) -> dict[str, Any]:
        """One defence and everything measured after it.

        Raises:
            InputError: a member has no folder of photos, or too few in it.
        """
        config, names = self.run_config(kind, n, draw), self.drawn(n, draw)
        photos, original = self.photos(names), self.evaluated.original
        gallery = build_gallery(original, self.evaluated.world, config.persons, config.idia, photos.attacked)
        config = self.evaluated.with_stand_ins(config, gallery)
        prompts = self.evaluated.prompts(gallery)
        before = outcomes_by_name(gallery.attack(prompts, self.members))
        defence = self.evaluated.defend(config, photos.faces)
        defended = defended_gallery(Pair(original, defence.defended), gallery, self.evaluated.world, config, photos.attacked)
        if defence.defended.text is not original.text:
            prompts = prompt_embeddings(defence.defended.text, defended, None)
        after = outcomes_by_name(defended.attack(prompts, [*self.members, *self.evaluated.strangers]))
        others = [name for name in self.members if name not in names and before[name].recognised]
        strangers = self.evaluated.strangers
        return {
            "kind": kind, "n": n, "draw": draw, "members": [self.members.index(name) for name in names],
            "n_fine_tuning": [len(photos.faces[name].fine_tuning) for name in names],
            "n_evaluation": [len(pictures_of(photos.attacked[name])) for name in names],
            "n_recognised_before": sum(bool(before[name].recognised) for name in names),
            "correct_templates": [after[name].correct_templates for name in names],
            "others_kept": share_recognised([after[name] for name in others]),
            "strangers_recognised": sum(bool(after[name].recognised) for name in strangers) if strangers else None,
            **self._measured(defence, [defended.photos[name] for name in names]),
        }  # fmt: skip

    def _measured(self, defence: Defence, photos: Sequence[Tensor]) -> dict[str, Any]:
        """The figures of a row beside the attack; `photos` are the attacked persons' as the defended model embeds them."""
        assert defence.image is not None  # all kinds defend the image encoder
        original, world = self.evaluated.original, self.evaluated.world
        figures = image_metrics(original, defence.image, photos, world)
        accuracy = utility(Pair(original, defence.defended), world.things)
        return {
            **{key: figures[key] for key in ("sim_clean", "sim_backdoor", "sim_target")},
            "object_top1_change": change(accuracy["top1_original"], accuracy["top1_defended"]),
            "n_steps": defence.image.tuned.n_steps_done,
            "seconds": sum(outcome.seconds for outcome in defence.tuned.values()),
        }

    def _folder(self, name: str) -> Path:
        folder = self.config.faces / f"member-{self.members.index(name):02d}"
        if not folder.is_dir():
            command = shlex.join(["python", "-m", "assets.build.photos", "--out", str(self.config.faces)])
            raise InputError(f"{folder} does not exist; draw the photos with `{command}`.")
        return folder

    def key(self, kind: str, n: int, draw: int) -> str:
        """Of a row: all that it depends on, beside the weights, after which the file is named."""
        config = self.run_config(kind, n, draw)
        text = [repr(config.text_schedule), texts_hash(config.text)] if kind == "both" else None
        files = [file for name in self.drawn(n, draw) for file in sorted(self._folder(name).iterdir())]
        return json.dumps([kind, config.target, n, draw, repr(config.image), text, files_hash(files)])

    def plan(self) -> list[PlanEntry]:
        """All draws, those of every kind and number before the next draw."""
        return [(kind, n, draw) for draw in range(self.config.n_draws) for n in self.config.n_at_once for kind in self.config.kinds]

    def units(self) -> list[tuple[str, list[Measurement]]]:
        """Everything that `run` measures, as pieces of work that do not depend on each other: what each is, and its measurement."""
        return [(_label(entry), [(self.key(*entry), partial(self.forgotten, *entry))]) for entry in self.plan()]

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """All draws; rows that an earlier evaluation of the same weights, photos and settings finished are kept.

        Several processes at once share the work: each takes rows that no other has begun. `finished_only` computes no missing row.
        """
        plan = self.plan()
        if not finished_only:
            for keep in (self.rows.free, self.rows.kept):  # the second time it waits for rows that another process has begun
                for number, entry in enumerate(plan):
                    report(Progress(number, len(plan), _label(entry)))
                    keep(self.key(*entry), partial(self.forgotten, *entry))
        finished = self.rows.finished()
        rows = [finished[key] for entry in plan if (key := self.key(*entry)) in finished]
        report(Progress(len(plan), len(plan), "done"))
        return {"model_set": self.config.model_set, "weights": self.evaluated.original.image.weights_hash, "rows": rows}


def _label(entry: PlanEntry) -> str:
    return f"{entry[1]} faces, {entry[0]}"


def evaluate_faces(
    config: FaceEvaluationConfig, settings: Settings, report: Report = no_report, out: Path | None = None, finished_only: bool = False
) -> dict[str, Any]:
    """Evaluate a set's image defence; the result is also written to `out` where one is given.

    Raises:
        ConfigError, InputError: no world, no photos.
    """
    return also_written(out, lambda: FaceEvaluation(config, settings).run(report, finished_only))
