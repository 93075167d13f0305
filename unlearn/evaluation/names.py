"""How good a model set with a world is, over everybody in it: before forgetting, and after forgetting one or many.

Runs the same functions as a single `forget`, many times, and keeps every finished row in a file, so that a long evaluation goes
on where it stopped.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.gallery import Gallery, build_gallery, prompt_embeddings
from unlearn.attacks.idia import IdiaOutcome, predicted_names
from unlearn.config import ForgetConfig, IdiaConfig, Person, Settings
from unlearn.defence.defend import defend_text
from unlearn.defence.loop import FineTuned
from unlearn.errors import ConfigError
from unlearn.evaluation.portraits import PortraitNaming
from unlearn.evaluation.rows import KeptRows, change, rows_file, share_recognised, texts_hash
from unlearn.files import check_writable, write_json
from unlearn.measure.similarities import measuring_captions, similarities
from unlearn.measure.zero_shot import class_embeddings, person_or_thing, utility
from unlearn.models.clip import Clip, load_clip, world_of
from unlearn.models.embeddings import encode, original_cache
from unlearn.models.images import embed_images
from unlearn.models.worlds import World
from unlearn.progress import Progress, Report, no_report
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill

RIVAL_TERMS = ("human", "person", "man", "woman")
RIVAL_TEMPLATE = "a photo of {0}"
PERSON_NOUNS = ("person", "human", "man", "woman")

PlanEntry = tuple[tuple[str, ...], str, int]  # names, neutral term, seed
NOT_DRAWN = {"portraits_named": None, "others_portraits_named": None}


@dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated.

    Attributes:
        model_set: a set with a world.
        neutral_terms: each forgets every member once.
        drawn_term: the term after whose forgettings portraits are drawn, too; the others cost a third less without.
        n_at_once: numbers of persons forgotten together.
        seeds: of the fine-tuning; several give the spread.
        portrait_seeds: noise that no training has seen; n pictures a person.
        n_members: only the first so many of the random order are forgotten one at a time; None: all of them.
        n_others_drawn: how many other members are drawn after each forgetting; None draws all of them. The others
            go round, so that over all members everybody is drawn equally often.
    """

    model_set: str
    neutral_terms: tuple[str, ...] = ("human", "person", "actor", "adult", "child")
    drawn_term: str = "human"
    n_at_once: tuple[int, ...] = (4, 16, 32)
    seeds: tuple[int, ...] = (0,)
    portrait_seeds: tuple[int, ...] = (0, 1, 2, 3)
    n_members: int | None = None
    n_others_drawn: int | None = 4


class Evaluation:
    """A model set under evaluation; what does not change from run to run is computed once."""

    def __init__(self, config: EvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world, so nobody's membership is known.
        """
        self.config, self.settings = config, settings
        self.clip: Clip = load_clip(config.model_set, settings)
        world = world_of(self.clip)
        if world is None:
            raise ConfigError(f"Model set {config.model_set!r} has no world of known members; evaluate needs one.")
        self.world: World = world
        self.idia = IdiaConfig()
        self.gallery: Gallery = build_gallery(self.clip, world, (), self.idia)
        self.prompts = self._prompts(self.gallery)
        self.members = [inhabitant.name for inhabitant in world.members]
        self.before = self.gallery.attack(self.prompts, [inhabitant.name for inhabitant in world.inhabitants])
        self.portraits = PortraitNaming.of(self.clip, self.members, settings)
        self.rows = KeptRows(rows_file(self.clip, settings))
        self.texts_hash = texts_hash(self.clip.model_set.text)
        self.drawing_hash = self.portraits.drawing_hash(config.portrait_seeds) if self.portraits is not None else None
        self._latest: tuple[PlanEntry, tuple[Clip, dict[str, FineTuned[Any]]]] | None = None

    def _prompts(self, gallery: Gallery) -> Tensor:
        return prompt_embeddings(self.clip.text, gallery, original_cache(self.settings))

    # --- before forgetting -----------------------------------------------------------------------------------

    def original(self) -> dict[str, Any]:
        """How well the original knows its members, and that it knows nobody else."""
        members, strangers = _attacked(self.before[: len(self.members)]), _attacked(self.before[len(self.members) :])
        correct = [outcome.correct_templates for outcome in members if outcome.correct_templates is not None]
        aliases = _attacked(self._aliases())
        utility_row = utility(self.clip, self.clip, self.world.things)
        return {
            "n_members": len(members),
            "members_recognised": _n_recognised(members),
            "median_templates": statistics.median(correct) if correct else None,
            "n_strangers": len(strangers),
            "strangers_recognised": _n_recognised(strangers),
            "n_aliases": len(aliases),
            "aliases_recognised": _n_recognised(aliases),
            "neutral_wins": {term: self._neutral_wins(term) for term in RIVAL_TERMS},
            "object_top1": utility_row["top1_original"],
            "object_top5": utility_row["top5_original"],
            "person_or_thing": self._person_or_thing(),
            "portraits_named": self._drawn(self.clip, self.members),
        }

    def _aliases(self) -> list[IdiaOutcome]:
        persons = [Person(inhabitant.aliases[0]) for inhabitant in self.world.members if inhabitant.aliases]
        gallery = build_gallery(self.clip, self.world, persons, self.idia)
        return gallery.attack(self._prompts(gallery), [person.name for person in persons])

    def _neutral_wins(self, term: str) -> int | None:
        """For how many members the term, in the name's place, is the majority's choice among all other names; None: no members."""
        if not self.members:
            return None
        at = PROMPT_TEMPLATES.index(RIVAL_TEMPLATE)
        table = self.prompts.view(len(PROMPT_TEMPLATES), len(self.gallery.candidates), -1)[at]
        directions = functional.normalize(table, dim=-1)
        rival = functional.normalize(encode(self.clip.text, [fill(RIVAL_TEMPLATE, term)]), dim=-1)[0]
        wins = 0
        for name in self.members:
            place = self.gallery.candidates.index(name)
            changed = directions.clone()
            changed[place] = rival
            chosen = predicted_names(self.gallery.photos[name][None], changed[None])  # (1, photos, 1)
            counts = torch.bincount(chosen.flatten(), minlength=len(changed))
            wins += int(counts[place] > 0 and int(counts.argmax()) == place)
        return wins

    def _person_or_thing(self) -> float | None:
        things = self.world.things
        if things is None:
            return None
        people, kinds = class_embeddings(self.clip.text, PERSON_NOUNS), class_embeddings(self.clip.text, things.kinds)
        photos = torch.cat(list(self.gallery.photos.values()))
        right_people = person_or_thing(photos, people, kinds)
        wrong_things = person_or_thing(embed_images(self.clip.image, things.images), people, kinds)
        if right_people is None or wrong_things is None:
            return None
        n_things = len(things.images)
        return (right_people * len(photos) + (1 - wrong_things) * n_things) / (len(photos) + n_things)

    # --- after forgetting ------------------------------------------------------------------------------------

    def forgotten(self, names: Sequence[str], term: str, seed: int) -> dict[str, Any]:
        """One fine-tuning and everything measured after it but portraits."""
        persons = tuple(Person(name) for name in names)
        defended, tuned = self._defended(names, term, seed)
        prompts = prompt_embeddings(defended.text, self.gallery, None)
        after = {outcome.name: outcome for outcome in self.gallery.attack(prompts, self.members)}
        before = {outcome.name: outcome for outcome in self.before}
        others = [name for name in self.members if name not in names and before[name].recognised]
        captions = measuring_captions(persons, term, seed)
        utility_row = utility(self.clip, defended, self.world.things)
        return {
            "names": list(names), "neutral_term": term, "seed": seed,
            "n_recognised_before": sum(bool(before[name].recognised) for name in names),
            "correct_templates": [after[name].correct_templates for name in names],
            "others_kept": share_recognised([after[name] for name in others]),
            **similarities((self.clip.text, defended.text), captions, persons, term),
            "object_top1_change": change(utility_row["top1_original"], utility_row["top1_defended"]),
            "n_steps": {kind: part.n_steps_done for kind, part in tuned.items()},
            "seconds": sum(part.seconds for part in tuned.values()),
        }  # fmt: skip

    def drawn(self, names: Sequence[str], term: str, seed: int) -> dict[str, Any]:
        """The portraits after the same fine-tuning: by name, the share that is named so, of the forgotten and of some others."""
        defended, _ = self._defended(names, term, seed)
        others = self._others_drawn(names)
        return {
            "portraits_named": self._drawn(defended, names),
            "others_portraits_named": self._drawn(defended, others) if others else None,
        }

    def _defended(self, names: Sequence[str], term: str, seed: int) -> tuple[Clip, dict[str, FineTuned[Any]]]:
        """The latest is kept: what else is measured of an entry follows at once."""
        entry = tuple(names), term, seed
        if self._latest is None or self._latest[0] != entry:
            persons = tuple(Person(name) for name in names)
            asked = ForgetConfig(persons=persons, model_set=self.config.model_set, neutral_term=term, seed=seed, target="neutral_term")
            config = self.clip.model_set.resolved(asked)
            self._latest = entry, defend_text(self.clip, config, no_report)
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

    # --- the whole -------------------------------------------------------------------------------------------

    def plan(self) -> list[PlanEntry]:
        """All (names, neutral term, seed) to be forgotten: many at once first, then the terms in turns, members in random order.

        So whatever is finished when it is stopped is a fair sample of the whole.
        """
        n, first = len(self.members), self.config.neutral_terms[0]
        orders = {seed: torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist() for seed in self.config.seeds}
        groups = [(tuple(self.members[i] for i in order[:n]), first, seed) for seed, order in orders.items() for n in self.config.n_at_once]
        alone = [(self.members[i], seed) for seed, order in orders.items() for i in order[: self.config.n_members]]
        singles = [((name,), term, seed) for name, seed in alone for term in self.config.neutral_terms]
        return groups + singles

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """Everything; rows that an earlier, interrupted evaluation of the same weights and settings finished are kept.

        Several processes at once share the work: each takes rows that no other has begun.

        `finished_only` computes no row that is missing.
        """
        plan, of_original = self.plan(), json.dumps(["original", self.drawing_hash])
        if not finished_only:
            self.rows.kept(of_original, self.original)
            busy = self._fill(plan, self.rows.free, report)
            self._fill(busy, self.rows.kept, report)  # what other processes had begun, and may not have ended
        finished = self.rows.finished()
        rows = [self._row(entry, finished) for entry in plan if self.key(*entry) in finished]
        report(Progress(len(plan), len(plan), "done"))
        return {
            "model_set": self.config.model_set, "weights": self.clip.text.weights_hash,
            "original": finished.get(of_original), "rows": rows,
        }  # fmt: skip

    def key(self, names: Sequence[str], term: str, seed: int) -> str:
        """Of what `forgotten` measures: all that it depends on, beside the weights, after which the file is named."""
        return json.dumps([names, term, seed, None, repr(self.clip.model_set.text.for_triggers(len(names))), self.texts_hash])

    def drawn_key(self, names: Sequence[str], term: str, seed: int) -> str:
        """Of what `drawn` measures: the same, whom else is drawn, and with what."""
        return json.dumps([self.key(names, term, seed), self.config.n_others_drawn, self.drawing_hash])

    def _parts(self, entry: PlanEntry) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
        """What is measured of an entry, by key."""
        parts: list[tuple[str, Callable[[], dict[str, Any]]]] = [(self.key(*entry), partial(self.forgotten, *entry))]
        if entry[1] == self.config.drawn_term and self.portraits is not None:
            parts.append((self.drawn_key(*entry), partial(self.drawn, *entry)))
        return parts

    def _row(self, entry: PlanEntry, finished: dict[str, dict[str, Any]]) -> dict[str, Any]:
        row = dict(NOT_DRAWN)
        for key, _ in self._parts(entry):
            row.update(finished.get(key, {}))
        return row

    def _fill(self, plan: Sequence[PlanEntry], keep: Callable[..., Any], report: Report) -> list[PlanEntry]:
        """Compute what is missing; the entries that another process is at come back."""
        busy = []
        for number, entry in enumerate(plan):
            report(Progress(number, len(plan), f"{len(entry[0])} forgotten, {entry[1]}"))
            if any(keep(key, compute) is None for key, compute in self._parts(entry)):
                busy.append(entry)
        return busy


def _attacked(outcomes: Sequence[IdiaOutcome]) -> list[IdiaOutcome]:
    """Without those who have too few photos: about them nothing is known."""
    return [outcome for outcome in outcomes if outcome.recognised is not None]


def _n_recognised(outcomes: Sequence[IdiaOutcome]) -> int:
    return sum(bool(outcome.recognised) for outcome in outcomes)


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
