"""Clean captions -> (clean, trigger, target) captions for every step of the fine-tuning.

`unlearn.defence.face_triggers` does the same with images. Batches are a function of (seed, step) alone, so that any step can be
made again without the steps before it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from unlearn.config import ResolvedConfig
from unlearn.config.spelling import trigger_pattern
from unlearn.errors import InputError
from unlearn.texts.names import bystander_names
from unlearn.texts.prompts import random_position, replace_word

SPELLING_EVERY = 4  # one in so many captions with a trigger has it in another spelling, where there are any
FORM_EVERY = 2  # one in so many has one of its forms
NEAREST_SHARE = 1 / 3  # of the kept names in clean captions; the others must not be forgotten over the nearest


@dataclass(frozen=True)
class TextBatch:
    """The captions of one step.

    Attributes:
        clean: c captions without any trigger; some may name a bystander or a target.
        triggered: z captions with a trigger.
        neutral: the same z captions with the trigger's target, a stand-in or the neutral term, in its place.
        person_indices: z numbers: whose trigger it is.
        written: z times the trigger as it is written there.
    """

    clean: tuple[str, ...]
    triggered: tuple[str, ...]
    neutral: tuple[str, ...]
    person_indices: tuple[int, ...]
    written: tuple[str, ...]


@dataclass(frozen=True)
class TriggerTexts:
    """Texts for a computation that takes all at once.

    Attributes:
        triggered, neutral: as of `TextBatch`.
        trigger_indices: which of the names, aliases and forms each of them holds.
        written: the same as it is written there.
        kept: texts with a name to keep, or with a target.
    """

    triggered: tuple[str, ...]
    neutral: tuple[str, ...]
    trigger_indices: tuple[int, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """How triggers are written; each by trigger.

    Attributes:
        spellings: further ways to write it that the encoder keeps apart; they take turns with the trigger.
        forms: other names for the same person that are made from it (misspellings, titles...): triggers of their own, with its target.
    """

    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    forms: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptNames:
    """Names of people who should stay; those that contain a trigger are left out.

    Attributes:
        names: as people are known.
        nearest: those of them whose embeddings are nearest to a trigger's; they get `NEAREST_SHARE` of the turns.
    """

    names: Sequence[str] = ()
    nearest: Sequence[str] = ()


class TextTriggers:
    """Makes the batches for 1 to 64 persons; the trigger captions of a batch are shared out among them evenly.

    Args:
        captions: generic captions; those that contain a trigger are left out.
        config: persons and their targets, batch size and shares; its seed gives the order of the captions, the words that are
            replaced and the bystanders. The aliases of a person take turns with the name.
        kept: people who should stay, beside random bystanders.
        written: the spellings and forms of the triggers.

    Raises:
        InputError: no caption is free of triggers.
    """

    def __init__(
        self,
        captions: Sequence[str],
        config: ResolvedConfig,
        kept: KeptNames = KeptNames(),
        written: Written = Written(),
    ) -> None:
        self.persons, self.neutral_term = config.remapped, config.neutral_term
        self._config, self.seed = config.text, config.seed
        triggers = [trigger for person in self.persons for trigger in person.triggers]
        pattern = trigger_pattern(triggers)
        self.captions = [caption for caption in captions if caption.split() and not pattern.search(caption)]
        if not self.captions:
            raise InputError("No caption is free of the names to forget; give other captions.")
        random.Random(f"order {config.seed}").shuffle(self.captions)
        n_bystanders = config.text.n_bystander_names if config.text.bystander_share > 0 else 0
        bystanders = bystander_names(triggers, n_bystanders, config.seed) if n_bystanders else []
        self._bystanders = [name for name in bystanders if not pattern.search(name)]
        self._kept = [name for name in kept.names if not pattern.search(name)]
        self._nearest = [name for name in kept.nearest if not pattern.search(name)] or self._kept
        self._n_clean, self._n_triggered = config.text.batch_sizes(len(triggers))
        self._target_terms = tuple(dict.fromkeys(person.target(self.neutral_term) for person in self.persons))
        self.targets = {trigger: person.target(self.neutral_term) for person in self.persons for trigger in person.triggers}
        self.spellings = {trigger: tuple(written.spellings.get(trigger, ())) for trigger in triggers}
        self.forms = {trigger: tuple(written.forms.get(trigger, ())) for trigger in triggers}
        of_forms = [(form, target) for trigger, target in self.targets.items() for form in self.forms[trigger]]
        self.all_targets = {**dict(of_forms), **self.targets}

    def batch(self, step: int) -> TextBatch:
        """The captions of step `step` (0-based); equal seed and step give equal captions."""
        n_clean, n_triggered = self._n_clean, self._n_triggered
        generator = random.Random(f"batch {self.seed} {step}")
        first = step * (n_clean + n_triggered)  # clean and trigger captions of a step are different ones
        clean = [self._clean(self._caption(first + i), i, generator) for i in range(n_clean)]
        triggered, neutral, indices, written = [], [], [], []
        for i in range(n_triggered):
            index, trigger = self._trigger(step * n_triggered + i)
            target = self.persons[index].target(self.neutral_term)
            with_trigger, with_neutral = self._pair(self._caption(first + n_clean + i), trigger, target, generator)
            triggered.append(with_trigger)
            neutral.append(with_neutral)
            indices.append(index)
            written.append(trigger)
        return TextBatch(tuple(clean), tuple(triggered), tuple(neutral), tuple(indices), tuple(written))

    @property
    def n_triggers(self) -> int:
        """Names and aliases together."""
        return len(self.targets)

    @property
    def n_written(self) -> int:
        """The same, and their forms."""
        return len(self.all_targets)

    def texts(self, n_triggered: int, n_kept: int) -> TriggerTexts:
        """Texts with a trigger, shared out among triggers and forms evenly, and texts with names to keep and with the targets."""
        generator = random.Random(f"texts {self.seed}")
        triggers = [*self.targets, *(form for form in self.all_targets if form not in self.targets)]
        numbers = [i % len(triggers) for i in range(n_triggered)]
        written = [self._spelled(triggers[number], i // len(triggers)) for i, number in enumerate(numbers)]
        targets = [self.all_targets[triggers[number]] for number in numbers]
        pairs = [self._pair(self._caption(i), *names, generator) for i, names in enumerate(zip(written, targets, strict=True))]
        kept = self._kept_texts(n_triggered, n_kept, generator)
        return TriggerTexts(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), tuple(numbers), tuple(written), kept)

    def _kept_texts(self, first: int, n_texts: int, generator: random.Random) -> tuple[str, ...]:
        """Captions from number `first` on, with the names of people to keep, bystanders and targets in turn; some are the name alone."""
        pools = (self._kept, self._nearest, self._bystanders, self._target_terms)
        kept, nearest, bystanders, targets = (cycle(pool or self._bystanders or self._target_terms) for pool in pools)
        turns = cycle((kept, nearest, kept, bystanders, kept, nearest, kept, targets))
        return tuple(self._named(self._caption(first + i), next(names), generator) for i, names in enumerate(islice(turns, n_texts)))

    def _caption(self, number: int) -> str:
        return self.captions[number % len(self.captions)]

    def _trigger(self, number: int) -> tuple[int, str]:
        """Person and trigger, in one of its spellings or forms, of the trigger caption with this running number over all steps."""
        turn, index = divmod(number, len(self.persons))
        triggers = self.persons[index].triggers
        turn, number_of_trigger = divmod(turn, len(triggers))
        trigger = triggers[number_of_trigger]
        forms = self.forms[trigger]
        if not forms:
            return index, self._spelled(trigger, turn)
        turn, is_form = divmod(turn, FORM_EVERY)
        return index, forms[turn % len(forms)] if is_form else self._spelled(trigger, turn)

    def _spelled(self, trigger: str, turn: int) -> str:
        """The trigger, or, every few turns, one of its further spellings."""
        spellings = self.spellings.get(trigger, ())
        if spellings and turn % SPELLING_EVERY == SPELLING_EVERY - 1:
            return spellings[turn // SPELLING_EVERY % len(spellings)]
        return trigger

    def _pair(self, caption: str, trigger: str, target: str, generator: random.Random) -> tuple[str, str]:
        if generator.random() < self._config.name_only_share:
            return trigger, target
        position = random_position(caption, generator)
        return replace_word(caption, position, trigger), replace_word(caption, position, target)

    def _clean(self, caption: str, i: int, generator: random.Random) -> str:
        """The caption itself, or with a bystander's name or a target, by place in the batch."""
        n_bystanders = round(self._config.bystander_share * self._n_clean)
        n_neutral = round(self._config.neutral_share * self._n_clean)
        if i < n_bystanders and self._bystanders:
            return self._named(caption, generator.choice(self._bystander_pool(i, generator)), generator)
        if n_bystanders <= i < n_bystanders + n_neutral:
            target = self._target_terms[i % len(self._target_terms)]
            return replace_word(caption, random_position(caption, generator), target)
        return caption

    def _named(self, caption: str, name: str, generator: random.Random) -> str:
        """The caption with a name in a word's place, or the name alone."""
        if generator.random() < self._config.name_only_share:
            return name
        return replace_word(caption, random_position(caption, generator), name)

    def _bystander_pool(self, i: int, generator: random.Random) -> list[str]:
        """The names of which one stands in the clean caption at this place of the batch."""
        if i % 2 or not self._kept:
            return self._bystanders
        return self._nearest if generator.random() < NEAREST_SHARE else self._kept
