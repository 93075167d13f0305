"""The defence of names over everybody in a model set's world: the original model, and after forgetting one or many.

A row is what `forget` measures with the same names, neutral term and seed. Finished rows are kept in a file, so that a long evaluation
continues where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from unlearn.attacks.gallery import prompt_embeddings
from unlearn.config import ForgetConfig, Person, ResolvedConfig, Settings
from unlearn.config.plain_values import require
from unlearn.defence.defend import Defence
from unlearn.evaluation.evaluated_set import EvaluatedSet
from unlearn.evaluation.original_model import original_figures
from unlearn.evaluation.portraits import PortraitNaming
from unlearn.evaluation.rows import KeptRows, change, outcomes_by_name, rows_file, share_recognised, texts_hash
from unlearn.files import check_writable, write_json
from unlearn.measure.similarities import measuring_captions, similarities
from unlearn.measure.zero_shot import utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report, no_report

PlanEntry = tuple[tuple[str, ...], str, int]  # names, neutral term, seed
NOT_DRAWN = {"portraits_named": None, "others_portraits_named": None}


@dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated.

    Attributes:
        model_set: a set with a world.
        neutral_terms: each forgets every member once.
        target: what names are remapped to; with "stand_in" the neutral terms are not used, and each member is forgotten once.
        drawn_term: the term for which portraits are drawn, too; without portraits a row takes a third less time.
        n_at_once: numbers of persons forgotten together.
        seeds: of the fine-tuning; several give the spread.
        portrait_seeds: noise that no training has seen; n pictures a person.
        n_members: only the first so many of the random order are forgotten one at a time; None: all of them.
        n_others_drawn: how many other members are drawn after each forgetting; None draws all of them. The others take turns, so
            that over all members everybody is drawn equally often.
    """

    model_set: str
    neutral_terms: tuple[str, ...] = ("human", "person", "actor", "adult", "child")
    target: Literal["stand_in", "neutral_term"] = "stand_in"
    drawn_term: str = "human"
    n_at_once: tuple[int, ...] = (4, 16, 32)
    seeds: tuple[int, ...] = (0,)
    portrait_seeds: tuple[int, ...] = (0, 1, 2, 3)
    n_members: int | None = None
    n_others_drawn: int | None = 4

    def __post_init__(self) -> None:
        require(self.target in ("stand_in", "neutral_term"), "target must be stand_in or neutral_term.")

    @property
    def terms(self) -> tuple[str, ...]:
        """The neutral terms of the rows: one, which is only shown, where names are remapped to stand-ins."""
        return self.neutral_terms if self.target == "neutral_term" else (self.drawn_term,)


class Evaluation:
    """A model set under evaluation; what does not change from run to run is computed once."""

    def __init__(self, config: EvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world, so nobody's membership is known.
        """
        self.config, self.evaluated = config, EvaluatedSet.load(config.model_set, settings)
        self.clip, self.members = self.evaluated.original, self.evaluated.members
        self.gallery = self.evaluated.gallery()
        self.prompts = self.evaluated.prompts(self.gallery)
        self.before = outcomes_by_name(self.gallery.attack(self.prompts, self.members))
        self.portraits = PortraitNaming.of(self.clip, self.members, settings)
        self.rows = KeptRows(rows_file(self.clip, settings))
        self.texts_hash = texts_hash(self.clip.model_set.text)
        self.drawing_hash = self.portraits.drawing_hash(config.portrait_seeds) if self.portraits is not None else None
        self._latest: tuple[PlanEntry, tuple[ResolvedConfig, Defence]] | None = None

    def original(self) -> dict[str, Any]:
        """How well the original knows its members, and that it knows nobody else."""
        figures = original_figures(self.evaluated, self.gallery, self.prompts)
        return {**figures, "portraits_named": self._drawn(self.clip, self.members)}

    def forgotten(self, names: Sequence[str], term: str, seed: int) -> dict[str, Any]:
        """One fine-tuning and everything measured after it but portraits."""
        config, defence = self._defence(names, term, seed)
        defended = defence.defended
        after = outcomes_by_name(self.gallery.attack(prompt_embeddings(defended.text, self.gallery, None), self.members))
        others = [name for name in self.members if name not in names and self.before[name].recognised]
        captions = measuring_captions(config.persons, term, seed)
        accuracy = utility(Pair(self.clip, defended), self.evaluated.world.things)
        return {
            "names": list(names), "target": config.target, "neutral_term": term, "seed": seed,
            "n_recognised_before": sum(bool(self.before[name].recognised) for name in names),
            "correct_templates": [after[name].correct_templates for name in names],
            "others_kept": share_recognised([after[name] for name in others]),
            **similarities(Pair(self.clip.text, defended.text), captions, config.persons, term),
            "object_top1_change": change(accuracy["top1_original"], accuracy["top1_defended"]),
            "n_steps": {encoder: outcome.n_steps_done for encoder, outcome in defence.tuned.items()},
            "seconds": sum(outcome.seconds for outcome in defence.tuned.values()),
        }  # fmt: skip

    def drawn(self, names: Sequence[str], term: str, seed: int) -> dict[str, Any]:
        """The portraits after the same fine-tuning: by name, the share that is named so, of the forgotten and of some others."""
        defended = self._defence(names, term, seed)[1].defended
        others = self._others_drawn(names)
        return {
            "portraits_named": self._drawn(defended, names),
            "others_portraits_named": self._drawn(defended, others) if others else None,
        }

    def run_config(self, names: Sequence[str], term: str, seed: int) -> ResolvedConfig:
        """What `forget` would be given."""
        config = ForgetConfig(tuple(map(Person, names)), self.config.model_set, term, seed=seed, target=self.config.target)
        return self.clip.model_set.resolved(config)

    def _defence(self, names: Sequence[str], term: str, seed: int) -> tuple[ResolvedConfig, Defence]:
        """The config with its stand-ins, and the defence; the latest is kept, because all of an entry is measured in a row."""
        entry = tuple(names), term, seed
        if self._latest is None or self._latest[0] != entry:
            config = self.evaluated.with_stand_ins(self.run_config(names, term, seed), self.gallery)
            self._latest = entry, (config, self.evaluated.defend(config, {}))
        return self._latest[1]

    def _drawn(self, clip: Clip, names: Sequence[str]) -> dict[str, float] | None:
        return self.portraits.shares(clip, names, self.config.portrait_seeds) if self.portraits is not None else None

    def _others_drawn(self, names: Sequence[str]) -> list[str]:
        """Other members whose portraits are drawn."""
        others = [name for name in self.members if name not in names]
        if self.config.n_others_drawn is None:
            return others
        start = self.members.index(names[0]) * self.config.n_others_drawn
        return [others[(start + i) % len(others)] for i in range(min(self.config.n_others_drawn, len(others)))]

    def plan(self) -> list[PlanEntry]:
        """All (names, neutral term, seed) to be forgotten: many at once first, then the terms in turns, members in random order.

        So whatever is finished when it is stopped is a fair sample of the whole.
        """
        n, first = len(self.members), self.config.terms[0]
        orders = {seed: torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist() for seed in self.config.seeds}
        groups = [(tuple(self.members[i] for i in order[:n]), first, seed) for seed, order in orders.items() for n in self.config.n_at_once]
        alone = [(self.members[i], seed) for seed, order in orders.items() for i in order[: self.config.n_members]]
        singles = [((name,), term, seed) for name, seed in alone for term in self.config.terms]
        return groups + singles

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """Everything; rows that an earlier, interrupted evaluation of the same weights and settings finished are kept.

        Several processes at once share the work: each takes rows that no other has begun.

        `finished_only` computes no row that is missing.
        """
        plan, original_key = self.plan(), json.dumps(["original", self.drawing_hash])
        if not finished_only:
            self.rows.kept(original_key, self.original)
            busy = self._fill(plan, self.rows.free, report)
            self._fill(busy, self.rows.kept, report)  # what other processes had begun and may not have finished
        finished = self.rows.finished()
        rows = [self._row(entry, finished) for entry in plan if self.key(*entry) in finished]
        report(Progress(len(plan), len(plan), "done"))
        return {
            "model_set": self.config.model_set, "weights": self.clip.text.weights_hash,
            "original": finished.get(original_key), "rows": rows,
        }  # fmt: skip

    def key(self, names: Sequence[str], term: str, seed: int) -> str:
        """Of what `forgotten` measures: all that it depends on, beside the weights, after which the file is named."""
        config = self.run_config(names, term, seed)
        return json.dumps([names, config.target, term, seed, repr(config.text_schedule), self.texts_hash])

    def drawn_key(self, names: Sequence[str], term: str, seed: int) -> str:
        """Of what `drawn` measures: the same, whom else is drawn, and with what."""
        return json.dumps([self.key(names, term, seed), self.config.n_others_drawn, self.drawing_hash])

    def _measurements(self, entry: PlanEntry) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
        """Key and computation of each measurement of an entry."""
        measurements: list[tuple[str, Callable[[], dict[str, Any]]]] = [(self.key(*entry), partial(self.forgotten, *entry))]
        if entry[1] == self.config.drawn_term and self.portraits is not None:
            measurements.append((self.drawn_key(*entry), partial(self.drawn, *entry)))
        return measurements

    def _row(self, entry: PlanEntry, finished: dict[str, dict[str, Any]]) -> dict[str, Any]:
        row = dict(NOT_DRAWN)
        for key, _ in self._measurements(entry):
            row.update(finished.get(key, {}))
        return row

    def _fill(self, plan: Sequence[PlanEntry], keep: Callable[..., Any], report: Report) -> list[PlanEntry]:
        """Compute what is missing; returns the entries that another process is working on."""
        busy = []
        for number, entry in enumerate(plan):
            report(Progress(number, len(plan), f"{len(entry[0])} forgotten, {entry[1]}"))
            if any(keep(key, compute) is None for key, compute in self._measurements(entry)):
                busy.append(entry)
        return busy


def evaluate(
    config: EvaluationConfig, settings: Settings, report: Report = no_report, out: Path | None = None, finished_only: bool = False
) -> dict[str, Any]:
    """Evaluate a set, or only gather what is finished; the result is also written to `out` where one is given.

    Raises:
        ConfigError: the set has no world.
        InputError: the folder of `out` is missing, which is told before anything is computed.
    """
    if out is not None:
        check_writable(out)
    result = Evaluation(config, settings).run(report, finished_only)
    if out is not None:
        write_json(out, result)
    return result
