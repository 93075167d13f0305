"""What speaks for and against a run: whom the forgotten names are wrongly taken for, who can tell them, whether they are like strangers.

Builds on the embeddings of the attack; what has to be embedded besides is a few names, terms and photos. Each figure has a module
of its own among `unlearn.attacks`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor, cat

from unlearn.attacks import false_recall, never_met, trace
from unlearn.attacks.figures import FalseRecall, NeverMet, Trace
from unlearn.attacks.gallery import Gallery
from unlearn.config import Person, ResolvedConfig, name_key
from unlearn.measure.probes import misspelled
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.images import embed_pixels
from unlearn.models.pair import Pair
from unlearn.models.world_photos import anonymous_photos
from unlearn.models.worlds import World, known_names
from unlearn.runs.metrics import Metrics
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.sentences import MISSING
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill_all

MISSPELLED_IN = 1  # number of the template in which all names are misspelled; further ones find nobody better
N_UNATTACKED = 3  # templates for the names where no prompt was embedded for an attack
TERMS = ("human", "person", "man", "woman", "actor", "actress", "adult", "child")  # an attacker's guesses at the neutral term
AGAIN = "Run it again for this figure; everything else is saved."


@dataclass(frozen=True)
class Compared:
    """The original and the defended model as the attack saw them.

    Attributes:
        models: the CLIPs.
        galleries: photos and candidate names as each model sees them.
        prompts: embeddings (templates * candidates, d) of the galleries' prompts by each model; without rows where nobody has photos.
        config: of the run.
        world: of the model set.
        other_faces: uint8 (n, 3, side, side) of people whom nobody asked to forget, for sets without a world.
    """

    models: Pair[Clip]
    galleries: Pair[Gallery]
    prompts: Pair[Tensor]
    config: ResolvedConfig
    world: World | None
    other_faces: Tensor | None = None

    @property
    def is_attacked(self) -> bool:
        """True where the attack's prompts were embedded."""
        return len(self.prompts.original) > 0

    @property
    def templates(self) -> tuple[str, ...]:
        """Those of the tables of names."""
        return PROMPT_TEMPLATES if self.is_attacked else PROMPT_TEMPLATES[:N_UNATTACKED]

    @cached_property
    def names(self) -> list[str]:
        """The candidates, and behind them the forgotten names that are none."""
        candidates = self.galleries.original.candidates
        known = set(map(name_key, candidates))
        return [*candidates, *(person.name for person in self.config.persons if name_key(person.name) not in known)]

    @cached_property
    def tables(self) -> Pair[Tensor]:
        """Embeddings (templates, names, d) of the names by each model; of the original's if the text encoder was left as it was."""
        original, defended = self.models
        table = self._table(original.text, self.prompts.original)
        return Pair(table, table if defended.text is original.text else self._table(defended.text, self.prompts.defended))

    def _table(self, encoder: TextEncoder, prompts: Tensor) -> Tensor:
        n_candidates = len(self.galleries.original.base_names)
        if not self.is_attacked:
            return embedded_names(encoder, self.names, self.templates)
        table = prompts.view(len(self.templates), n_candidates, -1)
        if added := self.names[n_candidates:]:
            table = cat([table, embedded_names(encoder, added, self.templates)], dim=1)
        return table

    @cached_property
    def _keys(self) -> list[str]:
        return [name_key(name) for name in self.names]

    def numbers(self, names: Collection[str]) -> set[int]:
        """Where names stand in the tables, however they are written."""
        keys = set(map(name_key, names))
        return {number for number, key in enumerate(self._keys) if key in keys}

    @cached_property
    def strangers(self) -> list[str]:
        """Strangers of the world with photos, but for those who are to be forgotten; without a world, drawn controls."""
        forgotten = {name_key(person.name) for person in self.config.persons}
        photos = self.galleries.original.photos
        if self.world is None:
            return self.drawn_controls
        inhabitants = self.world.inhabitants
        return [one.name for one in inhabitants if not one.member and one.name in photos and name_key(one.name) not in forgotten]

    @property
    def drawn_controls(self) -> list[str]:
        """Names that the original does not know, with pictures that it drew of them."""
        gallery, persons = self.galleries.original, {person.name for person in self.config.persons}
        return [name for name in gallery.photos if name in gallery.drawn and name not in persons]


def embedded_names(encoder: TextEncoder, names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """(templates, names, d) embeddings of the names in the templates."""
    return encode(encoder, fill_all(templates, names)).view(len(templates), len(names), -1)


def measured_evidence(metrics: Metrics, compared: Compared, mishaps: Mishaps) -> Metrics:
    """The metrics with the three figures; one that fails costs itself alone."""
    attacked = [person.name for person in metrics.persons if person.idia.defended.recognised is not None]
    with mishaps.spared(MISSING["false_recall"], AGAIN):
        metrics = replace(metrics, false_recall=measured_false_recall(compared))
    with mishaps.spared(MISSING["trace"], AGAIN):
        metrics = replace(metrics, trace=measured_trace(compared))
    with mishaps.spared(MISSING["never_met"], AGAIN):
        metrics = replace(metrics, never_met=measured_never_met(compared, attacked))
    return metrics


def measured_false_recall(compared: Compared) -> FalseRecall | None:
    """In how many strangers and anonymous people a forgotten name wins; None without such people, or without an attack."""
    faces = Pair(*(_faces(compared, side) for side in (0, 1)))
    if not compared.is_attacked or not faces.original:
        return None
    persons, gallery = compared.config.persons, compared.galleries.original
    forgotten = compared.numbers([trigger for person in persons for trigger in person.triggers])
    borne = compared.numbers(known_names(compared.world)) | set(gallery.replaced)
    unknown = set(range(len(gallery.base_names))) - forgotten - borne
    original, defended = (false_recall.winners(*side) for side in zip(faces, compared.tables, strict=True))
    return false_recall.false_recall(original, defended, forgotten, unknown)


def _faces(compared: Compared, side: int) -> list[Tensor]:
    """People whom nobody asked to forget, as one of the models sees them: (photos, d) each."""
    encoder, photos = compared.models[side].image, compared.galleries[side].photos
    faces = [photos[name] for name in compared.strangers]
    if compared.world is None:
        others = compared.other_faces
        anonymous = embed_pixels(encoder, others) if others is not None and len(others) else None
    else:
        anonymous = anonymous_photos(encoder, compared.world)
    return [*faces, *(anonymous[:, None] if anonymous is not None else ())]


def measured_trace(compared: Compared) -> Trace | None:
    """The attack "who was forgotten?" on the candidates, the forgotten names and the decoys; None where no name was remapped in CLIP."""
    original, defended = (model.text for model in compared.models)
    if defended is original:
        return None
    config, templates = compared.config, compared.templates
    main = compared.numbers([person.name for person in config.persons])
    aliases = compared.numbers([alias for person in config.persons for alias in person.aliases]) - main
    kept = [number for number in range(len(compared.names)) if number not in aliases]
    names = [compared.names[number] for number in kept] + [decoy.name for decoy in config.decoys]
    shown = compared.tables if len(kept) == len(compared.names) else compared.tables.map(lambda table: table[:, kept])
    tables = Pair(*(_with_decoys(text, table, config.decoys, templates)
                    for text, table in zip((original, defended), shown, strict=True)))  # fmt: skip
    terms = dict.fromkeys((config.neutral_term, *(compared.world.neutral_terms if compared.world is not None else ()), *TERMS))
    (slips,) = embedded_names(defended, [misspelled(name) for name in names], templates[MISSPELLED_IN : MISSPELLED_IN + 1])
    scores = trace.signs(tables.defended, embedded_names(defended, list(terms), templates), slips, MISSPELLED_IN)
    forgotten = [place for place, number in enumerate(kept) if number in main]
    return trace.trace(scores, trace.movement(*tables), forgotten, len(config.decoys))


def _with_decoys(encoder: TextEncoder, table: Tensor, decoys: Sequence[Person], templates: Sequence[str]) -> Tensor:
    return cat([table, embedded_names(encoder, [decoy.name for decoy in decoys], templates)], dim=1) if decoys else table


def measured_never_met(compared: Compared, attacked: Sequence[str]) -> NeverMet | None:
    """The places of the attacked persons against those of the strangers, by the defended model; None where one of the groups is empty.

    Like is compared with like: persons with photos against strangers with photos, or, if there are none, drawn persons against drawn
    controls.
    """
    gallery = compared.galleries.defended
    is_drawn = all(name in gallery.drawn for name in attacked)
    others = compared.drawn_controls if is_drawn else compared.strangers
    numbers = {name: number for number, name in enumerate(compared.names)}
    persons, strangers = (
        {numbers[name]: gallery.photos[name] for name in names if name in gallery.photos and (name in gallery.drawn) == is_drawn}
        for names in (attacked, others)
    )
    if not persons or not strangers:
        return None
    places = never_met.places({**persons, **strangers}, compared.tables.defended)
    return never_met.never_met(places[: len(persons)], places[len(persons) :])
