"""Who is attacked with which photos among which names: the inputs of the attack, each computed once.

The defence of a text encoder leaves the images' embeddings as they are, and the original's prompt embeddings
never change at all (they are cached); so an attack after a defence costs one pass of the prompts. The attack itself
is `idia`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from unlearn.attacks.idia import IdiaOutcome, idia_prompts
from unlearn.attacks.idia import attack as idia_attack
from unlearn.attacks.own_photos import OwnPhotos, drawn_names, embedded
from unlearn.config import ForgetConfig, IdiaConfig, Person, name_key
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import EmbeddingCache, encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.models.world_photos import world_photos
from unlearn.models.worlds import World
from unlearn.progress import Report, no_report
from unlearn.texts.names import candidate_names, random_names
from unlearn.texts.prompts import PROMPT_TEMPLATES


@dataclass(frozen=True)
class Gallery:
    """The attack's inputs.

    Attributes:
        photos: name under which somebody is attacked -> embeddings (photos, d).
        base_names: the candidate names without the changes of this run: the world's and random ones. The same from run to
            run, and none of them was given by a user, so their embeddings may be kept.
        replaced: number among the candidates -> name there instead (an alias, a person from outside the world).
        config: of the attack.
        own: names of those whose photos are not the world's; of them fewer than `config.n_images` photos do, too.
        drawn: of these the names whose pictures the original Stable Diffusion drew.
        same: name -> other candidates that are names of the same person; they are no rivals to it.
    """

    photos: dict[str, Tensor]
    base_names: tuple[str, ...]
    replaced: dict[int, str]
    config: IdiaConfig
    own: frozenset[str] = frozenset()
    same: Mapping[str, frozenset[str]] = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()

    @property
    def candidates(self) -> list[str]:
        """The names that the attack chooses among."""
        return [self.replaced.get(number, name) for number, name in enumerate(self.base_names)]

    def attack(self, prompt_embeddings: Tensor, names: Sequence[str]) -> list[IdiaOutcome]:
        """The outcome for each name, in their order; for whom there are no photos, "not attacked"."""
        outcomes: dict[str, IdiaOutcome] = {}
        candidates = self.candidates
        for (n_images, left_out), group in self._groups(names).items():
            config = replace(self.config, n_images=n_images)
            chosen, table = candidates, prompt_embeddings
            if left_out:
                places = [number for number, name in enumerate(candidates) if name not in left_out]
                chosen = [candidates[number] for number in places]
                table = table.view(len(PROMPT_TEMPLATES), len(candidates), -1)[:, places].flatten(0, 1)
            attacked = idia_attack(group, table, chosen, config)
            outcomes |= {outcome.name: replace(outcome, is_drawn=outcome.name in self.drawn) for outcome in attacked}
        return [outcomes.get(name, IdiaOutcome(name, (), 0, None)) for name in names]

    def n_photos_needed(self, name: str) -> int:
        """How many photos of somebody the attack takes; who has fewer is not attacked."""
        n_photos = len(self.photos.get(name, ()))
        is_few = name in self.own and self.config.min_images <= n_photos < self.config.n_images
        return n_photos if is_few else self.config.n_images

    def _groups(self, names: Sequence[str]) -> dict[tuple[int, frozenset[str]], dict[str, Tensor]]:
        """(Number of photos to attack with, candidates left out) -> who, with which photos."""
        groups: dict[tuple[int, frozenset[str]], dict[str, Tensor]] = {}
        for name in names:
            if name in self.photos:
                key = (self.n_photos_needed(name), self.same.get(name, frozenset()))
                groups.setdefault(key, {})[name] = self.photos[name]
        return groups


def build_gallery(
    clip: Clip, world: World | None, persons: Sequence[Person], config: IdiaConfig, own_photos: OwnPhotos | None = None
) -> Gallery:
    """Everybody of the world, and the persons of this run under the names they were given.

    Args:
        clip: whose image encoder is used.
        world: who is known with photos; None: nobody.
        persons: of this run. Who is an inhabitant (by name or alias) is attacked under the name given here.
        config: of the attack.
        own_photos: photos of persons, by their names as in `persons`, which come before those of the world; and of controls.
    """
    photos = world_photos(clip.image, world, world.inhabitants) if world is not None else {}
    return _gallery(world, persons, config, photos, _Own.of(clip, own_photos))


def gallery_with_strangers(
    clip: Clip, world: World | None, persons: Sequence[Person], config: IdiaConfig, own_photos: OwnPhotos | None = None
) -> Gallery:
    """The gallery for attacks on the persons of a run and on strangers: that of `build_gallery`, without the other members' photos.

    Arguments as of `build_gallery`.
    """
    inhabitants = world.inhabitants if world is not None else ()
    shown = [one for one in inhabitants if not one.member or any(map(one.person.goes_by, (person.name for person in persons)))]
    photos = world_photos(clip.image, world, shown) if world is not None else {}
    return _gallery(world, persons, config, photos, _Own.of(clip, own_photos))


def personal_gallery(clip: Clip, world: World | None, person: Person, config: IdiaConfig, own_photos: OwnPhotos | None = None) -> Gallery:
    """The gallery for an attack on one person alone: the candidates of `build_gallery`, but nobody else's photos are embedded.

    Arguments as of `build_gallery`.
    """
    own = _Own.of(clip, own_photos)
    inhabitant = world.find(person.name) if world is not None else None
    photos = world_photos(clip.image, world, [inhabitant]) if world is not None and inhabitant is not None and not own.photos else {}
    return _gallery(world, [person], config, photos, own)


class _Own(NamedTuple):
    """Photos that are not the world's: name -> embeddings (photos, d); and the names whose pictures were drawn."""

    photos: dict[str, Tensor]
    drawn: frozenset[str]

    @classmethod
    def of(cls, clip: Clip, own_photos: OwnPhotos | None) -> _Own:
        return cls(embedded(clip, own_photos), drawn_names(own_photos))


def _gallery(world: World | None, persons: Sequence[Person], config: IdiaConfig, photos: dict[str, Tensor], own: _Own) -> Gallery:
    """The gallery of embedded photos.

    Args:
        world, persons, config: as of `build_gallery`.
        photos: real name of an inhabitant -> embeddings (photos, d).
        own: of the other photos.
    """
    base = tuple(_base_names(world, config))
    seats = _Seats(base, [inhabitant.name for inhabitant in world.inhabitants] if world is not None else ())
    names_of: dict[str, list[str]] = {}  # real name -> names in `persons`; more than one where two persons of a run are the same
    for person in persons:
        inhabitant = world.find(person.name) if world is not None else None
        if inhabitant is not None:
            names = names_of.setdefault(inhabitant.name, [])
            seats.give(person.name, instead=None if names else inhabitant.name)
            names.append(person.name)
    for name in own.photos:
        seats.give(name)
    shown = {name: embedded for name, embedded in photos.items() if name not in names_of}
    shown |= {name: photos[real_name] for real_name, names in names_of.items() if real_name in photos for name in names}
    same = {name: frozenset(names) - {name} for names in names_of.values() for name in names if len(names) > 1}
    return Gallery({**shown, **own.photos}, base, seats.replaced, config, frozenset(own.photos), same, own.drawn)


class _Seats:
    """Who stands where among the candidate names: a name given in a run takes a place, and nobody stands there twice.

    Args:
        base: the candidates of every run.
        kept: of these the names that must stay, because their photos are attacked.
    """

    def __init__(self, base: Sequence[str], kept: Iterable[str]) -> None:
        known = set(kept)
        self._base = base
        self.replaced: dict[int, str] = {}
        self._place = {name_key(name): number for number, name in enumerate(base)}
        self._free = [number for number, name in enumerate(base) if name not in known]

    def give(self, name: str, instead: str | None = None) -> None:
        """Seat a name: where it stands already, however it is written there, in the place of `instead`, or in a free one.

        Raises:
            ConfigError: too few candidates for everybody.
        """
        place = self._place.pop(name_key(instead or name), None)
        if place is None:
            if not self._free:
                raise ConfigError("There are fewer candidate names than people to attack; raise their number.")
            place = self._free[-1]
            self._place.pop(name_key(self._base[place]), None)  # who is called so is seated elsewhere
        if place in self._free:
            self._free.remove(place)
        self._place[name_key(name)] = place
        if self._base[place] != name:
            self.replaced[place] = name


def _base_names(world: World | None, config: IdiaConfig) -> list[str]:
    """The candidates of every run; without a world random names only, of which the last ones make room for the persons of a run.

    With the persons seated these are the same names as `candidate_names` gives with the persons among them.
    """
    if world is None:
        return random_names(config.n_candidate_names, config.seed)
    aliases = [alias for inhabitant in world.inhabitants for alias in inhabitant.aliases]
    names = [inhabitant.name for inhabitant in world.inhabitants]
    return candidate_names(names, config.n_candidate_names, config.seed, aliases)


def prompt_embeddings(
    encoder: TextEncoder, gallery: Gallery, cache: EmbeddingCache | None, report: Report = no_report
) -> Tensor:
    """Embeddings (templates * candidates, d) of all prompts of the attack.

    Args:
        encoder: original or defended.
        gallery: whose candidates are meant.
        cache: keeps the embeddings of the names that are the same from run to run. Those of the names that were given for
            this run are computed each time (21 texts each), because the cache may outlive the run. None: nothing is kept.
        report: progress.

    Returns:
        No rows where nobody has photos: then there is nothing to attack.
    """
    if not gallery.photos:
        return torch.empty(0, 0)
    if cache is None:
        return encode(encoder, idia_prompts(gallery.candidates), report=report)
    embedded = cache.embed(encoder, idia_prompts(gallery.base_names), report=report)
    if gallery.replaced:
        names = list(gallery.replaced.values())
        changed = encode(encoder, idia_prompts(names)).view(len(PROMPT_TEMPLATES), len(names), -1)
        table = embedded.view(len(PROMPT_TEMPLATES), len(gallery.base_names), -1)
        table[:, list(gallery.replaced)] = changed
    return embedded


def defended_gallery(
    models: Pair[Clip], gallery: Gallery, world: World | None, config: ForgetConfig, photos: OwnPhotos | None
) -> Gallery:
    """The gallery as the defended CLIP sees it: the same where its image encoder is the original's."""
    if models.defended.image is models.original.image:
        return gallery
    return build_gallery(models.defended, world, config.persons, config.idia, photos)
