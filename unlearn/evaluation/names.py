"""The defence of names over everybody in a model set's world: the original model, and after forgetting one or many.

A row is what `forget` measures with the same names, target and seed. Finished rows are kept in a file, so that a long evaluation
continues where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from unlearn.config import ForgetConfig, Person, ResolvedConfig, Settings
from unlearn.errors import ConfigError
from unlearn.evaluation.evaluated_set import EvaluatedSet, Forgotten
from unlearn.evaluation.evidence import evidence_figures
from unlearn.evaluation.never_met_model import BesideNeverMet
from unlearn.evaluation.original_model import original_figures
from unlearn.evaluation.plan import PlanEntry, random_orders
from unlearn.evaluation.portraits import PortraitNaming
from unlearn.evaluation.rows import KeptRows, Measurement, change, outcomes_by_name, rows_file, share_recognised, texts_hash
from unlearn.evaluation.tables import STAND_IN
from unlearn.files import also_written
from unlearn.measure.similarities import measuring_captions, n_measuring_captions, similarities
from unlearn.measure.zero_shot import utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report, no_report

TARGETS = ("stand_in", "neutral_term")
NOT_DRAWN = {"portraits_named": None, "others_portraits_named": None}


@dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated.

    Attributes:
        model_set: a set with a world.
        targets: "stand_in" forgets everybody once, "neutral_term" once for each of `neutral_terms`.
        neutral_terms: each forgets everybody once.
        drawn_term: portraits are drawn for this term, and for stand-ins; without portraits a row takes a third less time.
        n_at_once: numbers of persons forgotten together.
        seeds: of the fine-tuning; several give the spread.
        portrait_seeds: noise that no training has seen; n pictures a person. None at all: no portraits.
        n_members: only the first so many of the random order are forgotten one at a time; None: all of them.
        n_strangers: the same for those whom the model never met, who are the control.
        n_others_drawn: how many other members are drawn after each forgetting; None draws all of them. The others take turns, so
            that over all members everybody is drawn equally often.
    """

    model_set: str
    targets: tuple[str, ...] = TARGETS
    neutral_terms: tuple[str, ...] = ("human", "person", "actor", "adult", "child")
    drawn_term: str = "human"
    n_at_once: tuple[int, ...] = (4, 16, 32)
    seeds: tuple[int, ...] = (0,)
    portrait_seeds: tuple[int, ...] = (0, 1, 2, 3)
    n_members: int | None = None
    n_strangers: int | None = None
    n_others_drawn: int | None = 4

    def __post_init__(self) -> None:
        if not self.targets or set(self.targets) - set(TARGETS):
            raise ConfigError(f"Targets are {' and '.join(TARGETS)}; use one of them or both.")

    @property
    def terms(self) -> tuple[str | None, ...]:
        """What names are remapped to: None for stand-ins, then the neutral terms."""
        stand_in = (None,) if "stand_in" in self.targets else ()
        return (*stand_in, *(self.neutral_terms if "neutral_term" in self.targets else ()))


class Evaluation:
    """A model set under evaluation; what does not change from run to run is computed once."""

    def __init__(self, config: EvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world, so nobody's membership is known.
        """
        self.config, self.evaluated = config, EvaluatedSet.load(config.model_set, settings)
        self.clip, self.members, self.strangers = self.evaluated.original, self.evaluated.members, self.evaluated.strangers
        self.gallery = self.evaluated.gallery()
        self.prompts = self.evaluated.prompts(self.gallery)
        self.before = outcomes_by_name(self.gallery.attack(self.prompts, [*self.members, *self.strangers]))
        self.beside = BesideNeverMet(self.evaluated, self.gallery, self.prompts)
        self.portraits = PortraitNaming.of(self.clip, self.members, settings) if config.portrait_seeds else None
        self.rows = KeptRows(rows_file(self.clip, settings))
        self.texts_hash = texts_hash(self.clip.model_set.text)
        self.drawing_hash = self.portraits.drawing_hash(config.portrait_seeds) if self.portraits is not None else None
        self._latest: tuple[PlanEntry, Forgotten] | None = None

    def original(self) -> dict[str, Any]:
        """How well the original knows its members, and that it knows nobody else."""
        figures = original_figures(self.evaluated, self.gallery, self.prompts)
        return {**figures, "portraits_named": self._drawn(self.clip, self.members)}

    def forgotten(self, names: Sequence[str], term: str | None, seed: int) -> dict[str, Any]:
        """One fine-tuning and everything measured after it but portraits."""
        forgotten = self._defence(names, term, seed)
        config, defence, prompts, defended = forgotten.config, forgotten.defence, forgotten.prompts, forgotten.defence.defended
        after = outcomes_by_name(self.gallery.attack(prompts, [*self.members, *self.strangers]))
        others = [name for name in self.members if name not in names and self.before[name].recognised]
        captions = measuring_captions(config.persons, config.neutral_term, seed, n_measuring_captions(self.clip.text))
        accuracy = utility(Pair(self.clip, defended), self.evaluated.world.things)
        return {
            "names": list(names), "neutral_term": term, "seed": seed,
            "n_recognised_before": sum(bool(self.before[name].recognised) for name in names),
            "correct_templates": [after[name].correct_templates for name in names],
            "others_kept": share_recognised([after[name] for name in others]),
            "strangers_recognised": sum(bool(after[name].recognised) for name in self.strangers) if self.strangers else None,
            **similarities(Pair(self.clip.text, defended.text), captions, config.persons, config.neutral_term),
            "n_captions": len(captions),
            "object_top1_change": change(accuracy["top1_original"], accuracy["top1_defended"]),
            **evidence_figures(Pair(self.clip, defended), self.gallery, Pair(self.prompts, prompts), config, self.evaluated.world),
            "n_steps": {encoder: outcome.n_steps_done for encoder, outcome in defence.tuned.items()},
            "seconds": sum(outcome.seconds for outcome in defence.tuned.values()),
        }  # fmt: skip

    def drawn(self, names: Sequence[str], term: str | None, seed: int) -> dict[str, Any]:
        """The portraits after the same fine-tuning: by name, the share that is named so, of the forgotten and of some others."""
        defended = self._defence(names, term, seed).defence.defended
        others = self._others_drawn(names)
        return {
            "portraits_named": self._drawn(defended, names),
            "others_portraits_named": self._drawn(defended, others) if others else None,
        }

    def beside_never_met(self, names: Sequence[str], term: str | None, seed: int) -> dict[str, Any]:
        """After the same fine-tuning, those whom the set's second CLIP never met as the three models see them."""
        forgotten = self._defence(names, term, seed)
        return self.beside.figures(forgotten.config, forgotten.defence.defended, forgotten.prompts)

    def run_config(self, names: Sequence[str], term: str | None, seed: int) -> ResolvedConfig:
        """What `forget` would be given; stand-ins are not chosen yet."""
        persons = tuple(map(Person, names))
        if term is None:
            config = ForgetConfig(persons, self.config.model_set, seed=seed, target="stand_in")
        else:
            config = ForgetConfig(persons, self.config.model_set, neutral_term=term, seed=seed, target="neutral_term")
        return self.clip.model_set.resolved(config)

    def _defence(self, names: Sequence[str], term: str | None, seed: int) -> Forgotten:
        """Config and outcome; the latest are kept, because everything that is measured of an entry is measured in a row."""
        entry = tuple(names), term, seed
        if self._latest is None or self._latest[0] != entry:
            config = self.evaluated.with_stand_ins(self.run_config(*entry), self.gallery)
            self._latest = entry, Forgotten(config, self.evaluated.defend(config, {}), self.gallery)
        return self._latest[1]

    def _drawn(self, clip: Clip, names: Sequence[str]) -> dict[str, float] | None:
        return self.portraits.shares(clip, names, self.config.portrait_seeds) if self.portraits is not None else None

    def _others_drawn(self, names: Sequence[str]) -> list[str]:
        others = [name for name in self.members if name not in names]
        if self.config.n_others_drawn is None:
            return others
        start = self.members.index(names[0]) * self.config.n_others_drawn
        return [others[(start + i) % len(others)] for i in range(min(self.config.n_others_drawn, len(others)))]

    def plan(self) -> list[PlanEntry]:
        """All (names, neutral term or None, seed) to be forgotten: many at once first, then strangers and members one at a time.

        Each takes the targets in turns, in random order, so whatever is finished when it is stopped is a fair sample of the whole.
        Many at once are remapped to stand-ins and to the first neutral term only.
        """
        terms, orders = self.config.terms, partial(random_orders, seeds=self.config.seeds)
        groups = [
            (tuple(members[:n]), term, seed)
            for seed, members in orders(self.members).items() for n in self.config.n_at_once for term in terms[: 1 + (terms[0] is None)]
        ]  # fmt: skip
        people = (self.strangers, self.config.n_strangers), (self.members, self.config.n_members)
        alone = [(name, seed) for names, n in people for seed, order in orders(names).items() for name in order[:n]]
        return groups + [((name,), term, seed) for name, seed in alone for term in terms]

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """Everything; rows that an earlier, interrupted evaluation of the same weights and settings finished are kept.

        Several processes at once share the work: each takes rows that no other has begun.

        `finished_only` computes no row that is missing.
        """
        plan = self.plan()
        if not finished_only:
            self.rows.kept(self.original_key, self.original)
            busy = self._fill(plan, self.rows.free, report)
            self._fill(busy, self.rows.kept, report)  # what other processes had begun and may not have finished
        finished = self.rows.finished()
        rows = [self._row(entry, finished) for entry in plan if self.key(*entry) in finished]
        report(Progress(len(plan), len(plan), "done"))
        return {
            "model_set": self.config.model_set, "weights": self.clip.text.weights_hash,
            "original": finished.get(self.original_key), "rows": rows,
        }  # fmt: skip

    @property
    def original_key(self) -> str:
        """Of what `original` measures."""
        return json.dumps(["original", self.drawing_hash])

    def units(self) -> list[tuple[str, list[Measurement]]]:
        """Everything that `run` measures, as pieces of work that do not depend on each other: what each is, and its measurements."""
        entries = [(_label(entry), self._measurements(entry)) for entry in self.plan()]
        return [("the original", [(self.original_key, self.original)]), *entries]

    def key(self, names: Sequence[str], term: str | None, seed: int) -> str:
        """Of what `forgotten` measures: all that it depends on, beside the weights, after which the file is named."""
        return json.dumps([names, term, seed, repr(self.run_config(names, term, seed).text_schedule), self.texts_hash])

    def drawn_key(self, names: Sequence[str], term: str | None, seed: int) -> str:
        """Of what `drawn` measures: the same, whom else is drawn, and with what."""
        return json.dumps([self.key(names, term, seed), self.config.n_others_drawn, self.drawing_hash])

    def _measurements(self, entry: PlanEntry) -> list[Measurement]:
        """Key and computation of each measurement of an entry."""
        measurements: list[Measurement] = [(self.key(*entry), partial(self.forgotten, *entry))]
        names, term, _ = entry
        if self.portraits is not None and term in (None, self.config.drawn_term) and names[0] in self.members:
            measurements.append((self.drawn_key(*entry), partial(self.drawn, *entry)))
        if self.beside.concerns(names):
            measurements.append((self.beside.key(self.key(*entry)), partial(self.beside_never_met, *entry)))
        return measurements

    def _row(self, entry: PlanEntry, finished: dict[str, dict[str, Any]]) -> dict[str, Any]:
        row = {"are_members": entry[0][0] in self.members, **NOT_DRAWN}
        for key, _ in self._measurements(entry):
            row.update(finished.get(key, {}))
        return row

    def _fill(self, plan: Sequence[PlanEntry], keep: Callable[..., Any], report: Report) -> list[PlanEntry]:
        """Compute what is missing; returns the entries that another process is working on."""
        busy = []
        for number, entry in enumerate(plan):
            report(Progress(number, len(plan), _label(entry)))
            if any(keep(key, compute) is None for key, compute in self._measurements(entry)):
                busy.append(entry)
        return busy


def _label(entry: PlanEntry) -> str:
    return f"{len(entry[0])} forgotten, {entry[1] or STAND_IN}"


def evaluate(
    config: EvaluationConfig, settings: Settings, report: Report = no_report, out: Path | None = None, finished_only: bool = False
) -> dict[str, Any]:
    """Evaluate a set, or only gather what is finished; the result is also written to `out` where one is given.

    Raises:
        ConfigError: the set has no world.
        InputError: the folder of `out` is missing, which is told before anything is computed.
    """
    return also_written(out, lambda: Evaluation(config, settings).run(report, finished_only))
