"""The defences side by side: each forgets the same members one at a time, and the opponent tries to bring each of them back.

A row is one defence of one member: what the opponent finds on it, what it costs others, and how long it takes. The attacks have all the
time that they want, so that a row does not depend on how fast the machine is. There are fewer candidate names than usual, which makes it
easier for an attack, and a row cheaper; strangers are attacked only where they are the measure. Finished rows are kept in a file, which
several processes share.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from unlearn.attacks.figures import Trace
from unlearn.attacks.gallery import Gallery, build_gallery, defended_gallery, prompt_embeddings
from unlearn.attacks.recovery.catalogue import BUDGETS, Budget
from unlearn.attacks.recovery.context import Clock
from unlearn.attacks.recovery.opponent import attacked
from unlearn.config import ForgetConfig, IdiaConfig, Person, ResolvedConfig, Settings
from unlearn.defence.defend import Defence
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation.defence_kinds import DEFENCES, DefenceKind
from unlearn.evaluation.evaluated_set import EvaluatedSet
from unlearn.evaluation.rows import KeptRows, Measurement, change, files_hash, outcomes_by_name, rows_file, share_recognised, texts_hash
from unlearn.files import also_written
from unlearn.measure.zero_shot import utility
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report, no_report
from unlearn.runs.evidence import Compared, measured_trace
from unlearn.runs.inputs import RunPhotos, read_run_photos
from unlearn.runs.opponent_context import Opponent
from unlearn.runs.opponent_results import result_of
from unlearn.runs.recovery import RecoveryRequest
from unlearn.runs.recovery_records import AttackResult

N_MEMBERS = 12
IDIA = IdiaConfig(n_candidate_names=200)


class Unhurried(Clock):
    """A clock without limits."""

    def start(self, limit_s: float, note: str) -> None:
        super().start(float("inf"), note)


@dataclass(frozen=True)
class DefenceEvaluationConfig:
    """What is compared.

    Attributes:
        model_set: a set with a world.
        kinds: names of defences; none: all of them.
        budget: of the attacks.
        n_members: the first so many of the order that the seed gives.
        seed: of the order, the fine-tuning and the attacks.
        faces: folder with a folder of photos for each member (`python -m assets.build.photos`); without it no face is forgotten.
    """

    model_set: str
    kinds: tuple[str, ...] = ()
    budget: Budget = "quick"
    n_members: int = N_MEMBERS
    seed: int = 0
    faces: Path | None = None

    def __post_init__(self) -> None:
        if self.budget not in BUDGETS:
            raise ConfigError(f"The budget is {str(self.budget)[:20]!r}; use {' or '.join(BUDGETS)}.")
        if unknown := set(self.kinds) - {kind.name for kind in DEFENCES}:
            raise ConfigError(f"{sorted(unknown)[0][:40]!r} is no defence; use {', '.join(kind.name for kind in DEFENCES)}.")

    @property
    def chosen(self) -> tuple[DefenceKind, ...]:
        """The defences, in their order, as far as there are photos for them."""
        kinds = [kind for kind in DEFENCES if not self.kinds or kind.name in self.kinds]
        return tuple(kind for kind in kinds if kind.encoder == "text" or self.faces is not None)


class DefenceEvaluation:
    """A model set under evaluation; what does not change from defence to defence is computed once."""

    def __init__(self, config: DefenceEvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world, so nobody's membership is known.
        """
        self.config, self.settings = config, settings
        self.evaluated = EvaluatedSet.load(config.model_set, settings)
        self.members = self.evaluated.members
        self.gallery = build_gallery(self.evaluated.original, self.evaluated.world, (), IDIA)
        self.prompts = self.evaluated.prompts(self.gallery)
        self.before = outcomes_by_name(self.gallery.attack(self.prompts, self.members))
        self.rows = KeptRows(rows_file(self.evaluated.original, settings, "defences-"))

    def order(self) -> list[str]:
        """The members in random order, those with a second name and those without in turn, as long as there are both."""
        generator = torch.Generator().manual_seed(self.config.seed)
        shuffled = [self.members[i] for i in torch.randperm(len(self.members), generator=generator).tolist()]
        aliased = [name for name in shuffled if self._aliases(name)]
        others = [name for name in shuffled if not self._aliases(name)]
        turns = [name for pair in zip(aliased, others, strict=False) for name in pair]
        return [*turns, *(name for name in shuffled if name not in turns)]

    def run_config(self, kind: DefenceKind, name: str) -> ResolvedConfig:
        """What `forget` would be given; stand-ins are not chosen yet."""
        model_set = self.evaluated.original.model_set
        person = Person(name, self._aliases(name) if kind.has_aliases else ())
        text = kind.schedule(model_set.text_for(kind.target))
        config = ForgetConfig(
            (person,), self.config.model_set, encoder=kind.encoder, seed=self.config.seed, text=text, idia=IDIA, target=kind.target,
            method=kind.method,
        )  # fmt: skip
        return model_set.resolved(config)

    def row(self, kind: DefenceKind, name: str) -> dict[str, Any]:
        """One defence of one member and everything measured after it.

        Raises:
            InputError: faces are forgotten, and the member has no folder of photos, or too few in it.
        """
        config, photos, original = self.run_config(kind, name), self._photos(kind, name), self.evaluated.original
        gallery, prompts = self.gallery, self.prompts
        if config.persons[0].aliases or photos.attacked:
            gallery = build_gallery(original, self.evaluated.world, config.persons, config.idia, photos.attacked)
            prompts = self.evaluated.prompts(gallery)
        config = self.evaluated.with_stand_ins(config, gallery)
        started = time.process_time()
        defence = self.evaluated.defend(config, photos.faces)
        seconds = time.process_time() - started  # of one core: others may use the machine, too
        compared = self._compared(config, defence, photos, Pair(gallery, gallery), prompts)
        trace = measured_trace(compared)
        return {
            "kind": kind.name, "member": self.members.index(name), "budget": self.config.budget,
            **self._cost(compared, name), "rank_blind": trace.rank_blind if trace is not None else None,
            "core_seconds": round(seconds, 1), "attacks": self._attacks(compared, trace),
        }  # fmt: skip

    def _compared(
        self, config: ResolvedConfig, defence: Defence, photos: RunPhotos, galleries: Pair[Gallery], prompts: torch.Tensor
    ) -> Compared:
        models, world = Pair(self.evaluated.original, defence.defended), self.evaluated.world
        seen = defended_gallery(models, galleries.original, world, config, photos.attacked)
        after = prompt_embeddings(defence.defended.text, seen, None)
        return Compared(models, Pair(galleries.original, seen), Pair(prompts, after), config, world)

    def _cost(self, compared: Compared, name: str) -> dict[str, Any]:
        """What the attack finds now, and what became of others."""
        gallery = compared.galleries.defended
        others = [other for other in self.members if other != name and self.before[other].recognised]
        after = outcomes_by_name(gallery.attack(compared.prompts.defended, [*self.members, *self.evaluated.strangers]))
        accuracy = utility(compared.models, self.evaluated.world.things)
        top1 = change(accuracy["top1_original"], accuracy["top1_defended"])
        return {
            "correct_templates": after[name].correct_templates,
            "others_kept": share_recognised([after[other] for other in others]),
            "strangers_recognised": sum(bool(after[other].recognised) for other in self.evaluated.strangers),
            "object_top1_change": None if top1 is None else round(top1, 4),
        }

    def _attacks(self, compared: Compared, trace: Trace | None) -> dict[str, Any]:
        """What the opponent finds, by attack."""
        opponent = Opponent(compared)
        subject = opponent.subject(compared.config.persons[0])
        assert subject is not None  # members have photos
        context = replace(opponent.context(subject, self.config.seed), trace=trace, budget=self.config.budget, clock=Unhurried())
        rows = {}
        for kind in RecoveryRequest(budget=self.config.budget).kinds:
            is_possible = "face defence" not in kind.needs or opponent.is_face_defended
            needs_strangers = kind.rule in ("beyond strangers", "fewer steps")
            outcome = attacked(context if needs_strangers else replace(context, strangers=()), kind) if is_possible else None
            if outcome is not None and outcome.tried:
                rows[kind.name] = _attack_row(result_of(outcome, 0))
        return rows

    def _aliases(self, name: str) -> tuple[str, ...]:
        inhabitant = self.evaluated.world.find(name)
        return inhabitant.person.aliases if inhabitant is not None else ()

    def _photos(self, kind: DefenceKind, name: str) -> RunPhotos:
        if kind.encoder == "text":
            return RunPhotos({}, {})
        return read_run_photos({}, {name: self._folder(name)}, [Person(name)], self.settings)

    def _folder(self, name: str) -> Path:
        assert self.config.faces is not None  # such defences are left out otherwise
        folder = self.config.faces / f"member-{self.members.index(name):02d}"
        if not folder.is_dir():
            raise InputError(f"{folder} does not exist; draw the photos with `python -m assets.build.photos --out FOLDER`.")
        return folder

    def key(self, kind: DefenceKind, name: str) -> str:
        """Of a row: all that it depends on, beside the weights, after which the file is named."""
        config = self.run_config(kind, name)
        image = repr(config.image) + files_hash(sorted(self._folder(name).iterdir())) if kind.encoder != "text" else ""
        text = [repr(config.text_schedule), texts_hash(config.text)]
        return json.dumps([kind.name, kind.method, kind.target, name, self.config.seed, self.config.budget, repr(IDIA), text, image])

    def units(self) -> list[tuple[str, list[Measurement]]]:
        """Everything that `run` measures, as pieces of work that do not depend on each other: what each is, and its measurement."""
        plan = [(kind, name) for name in self.order()[: self.config.n_members] for kind in self.config.chosen]
        return [(kind.title, [(self.key(kind, name), partial(self.row, kind, name))]) for kind, name in plan]

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """All defences of the first member, then of the next; rows that an earlier evaluation finished are kept.

        Several processes at once share the work: each takes rows that no other has begun. `finished_only` computes no missing row.
        """
        units = self.units()
        for keep in () if finished_only else (self.rows.free, self.rows.kept):
            for number, (title, measurements) in enumerate(units):
                report(Progress(number, len(units), title))
                for key, row in measurements:
                    keep(key, row)
        finished = self.rows.finished()
        rows = [finished[key] for _, measurements in units for key, _ in measurements if key in finished]
        report(Progress(len(units), len(units), "done"))
        return {"model_set": self.config.model_set, "weights": self.evaluated.original.text.weights_hash, "rows": rows}


def _attack_row(result: AttackResult) -> dict[str, Any]:
    """What the table needs of one attack; steps are those of relearning, by number of sentences."""
    row: dict[str, Any] = {
        "before": result.found_original, "after": result.found_defended, "tries": result.n_tries,
        "tries_before": result.n_found_original, "tries_after": result.n_found_defended, "templates": result.defended.correct_templates,
    }  # fmt: skip
    if result.attack == "undoing":
        steps = {one.text: one.defended.steps for one in result.tries}  # the nearest try stands first there
        row["steps"] = {text: steps[text] for text in sorted(steps, key=lambda text: int(text.split()[0]))}
    if result.attack == "ageing":
        row["steps"] = {one.text: one.found_defended for one in result.tries}
    return row


def evaluate_defences(
    config: DefenceEvaluationConfig, settings: Settings, report: Report = no_report, out: Path | None = None, finished_only: bool = False
) -> dict[str, Any]:
    """Compare the defences of a set; the result is also written to `out` where one is given.

    Raises:
        ConfigError, InputError: no world, no photos.
    """
    return also_written(out, lambda: DefenceEvaluation(config, settings).run(report, finished_only))
