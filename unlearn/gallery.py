"""Who is attacked with which photos among which names: the inputs of the attack, each computed once.

The defence of a text encoder leaves the images' embeddings as they are, and the original's prompt embeddings
never change at all (they are cached); so an attack after a defence costs one pass of the prompts. Knows encoders,
worlds and names; the attack itself is `idia`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlearn.clip import Clip
from unlearn.config import IdiaConfig, Person, Report, no_report
from unlearn.embeddings import EmbeddingCache, encode
from unlearn.encoders import ImageEncoder, TextEncoder
from unlearn.errors import InputError
from unlearn.idia import IdiaOutcome, idia_prompts
from unlearn.idia import attack as idia_attack
from unlearn.names import candidate_names
from unlearn.photo_files import SUFFIXES as PHOTO_SUFFIXES
from unlearn.photo_files import Photo, decode_photo, read_bytes
from unlearn.photo_uploads import expand_upload
from unlearn.prompts import PROMPT_TEMPLATES
from unlearn.worlds import World

IMAGE_BATCH = 64
MIN_OWN_PHOTOS = 4  # a person with fewer photos of a user's is not attacked: a majority of less says nothing
Photos = Mapping[str, Sequence[np.ndarray]]  # name -> photos uint8 (height, width, 3)


@dataclass(frozen=True)
class Gallery:
    """The attack's inputs.

    Attributes:
        photos: name under which somebody is attacked -> embeddings (photos, d).
        base_names: the candidate names without the changes of this run; the same from run to run, so cacheable.
        replaced: number among the candidates -> name there instead (an alias, a person from outside the world).
        config: of the attack.
        own: names of those whose photos a user gave; of them fewer than `config.n_images` photos do, too.
    """

    photos: dict[str, Tensor]
    base_names: tuple[str, ...]
    replaced: dict[int, str]
    config: IdiaConfig
    own: frozenset[str] = frozenset()

    @property
    def candidates(self) -> list[str]:
        """The names that the attack chooses among."""
        return [self.replaced.get(number, name) for number, name in enumerate(self.base_names)]

    def attack(self, prompt_embeddings: Tensor, names: Sequence[str]) -> list[IdiaOutcome]:
        """The outcome for each name, in their order; for whom there are no photos, "not attacked"."""
        found: dict[str, IdiaOutcome] = {}
        for n_images, group in self._by_number(names).items():
            config = replace(self.config, n_images=n_images)
            attacked = idia_attack(group, prompt_embeddings, self.candidates, config)
            found |= {outcome.name: outcome for outcome in attacked}
        return [found.get(name, IdiaOutcome(name, (), 0, None)) for name in names]


    def _by_number(self, names: Sequence[str]) -> dict[int, dict[str, Tensor]]:
        """Number of photos to attack with -> who, with which photos."""
        groups: dict[int, dict[str, Tensor]] = {}
        for name in names:
            if name in self.photos:
                n_photos = len(self.photos[name])
                is_few = name in self.own and MIN_OWN_PHOTOS <= n_photos < self.config.n_images
                groups.setdefault(n_photos if is_few else self.config.n_images, {})[name] = self.photos[name]
        return groups


def embed_images(encoder: ImageEncoder, images: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Embeddings (n, d) on the CPU of photos uint8 (height, width, 3), which may differ in size."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), IMAGE_BATCH):
            batch = images[start : start + IMAGE_BATCH]
            if isinstance(batch, np.ndarray):
                pixels = encoder.resize(batch)
            else:
                pixels = torch.cat([encoder.resize(image[None]) for image in batch])
            parts.append(encoder.embed_images(pixels).cpu())
    return torch.cat(parts).clone()


def world_photos(clip: Clip, world: World | None) -> dict[str, Tensor]:
    """Real name -> embeddings (photos, d) of all inhabitants; empty without a world."""
    if world is None:
        return {}
    sheets = [world.photos(inhabitant) for inhabitant in world.inhabitants]
    embedded = embed_images(clip.image, np.concatenate(sheets)).split([len(sheet) for sheet in sheets])
    return {inhabitant.name: part for inhabitant, part in zip(world.inhabitants, embedded, strict=True)}


def build_gallery(
    clip: Clip, world: World | None, persons: Sequence[Person], config: IdiaConfig, own_photos: Photos | None = None
) -> Gallery:
    """Everybody of the world, and the persons of this run under the names they were given.

    Args:
        clip: whose image encoder is used.
        world: who is known with photos; None: nobody.
        persons: of this run. Who is an inhabitant (by name or alias) is attacked under the name given here.
        config: of the attack.
        own_photos: photos of persons, by their names as in `persons`; they come before those of the world.
    """
    embedded = world_photos(clip, world)
    base = tuple(_base_names(world, persons, config, own_photos))
    replaced: dict[int, str] = {}
    photos = dict(embedded)
    free = [number for number, name in enumerate(base) if name not in embedded]
    for person in persons:
        inhabitant = world.find(person.name) if world is not None else None
        if inhabitant is not None and inhabitant.name != person.name and inhabitant.name in photos:
            photos[person.name] = photos.pop(inhabitant.name)
            replaced[base.index(inhabitant.name)] = person.name
        if own_photos is not None and person.name in own_photos:
            photos[person.name] = embed_images(clip.image, list(own_photos[person.name]))
            if person.name not in (replaced.get(number, name) for number, name in enumerate(base)):
                replaced[free.pop()] = person.name
    own = frozenset(person.name for person in persons if own_photos is not None and person.name in own_photos)
    return Gallery(photos, base, replaced, config, own)


def _base_names(
    world: World | None, persons: Sequence[Person], config: IdiaConfig, own_photos: Photos | None
) -> list[str]:
    if world is not None:
        aliases = [alias for inhabitant in world.inhabitants for alias in inhabitant.aliases]
        names = [inhabitant.name for inhabitant in world.inhabitants]
        return candidate_names(names, max(config.n_candidate_names, len(names)), config.seed, aliases)
    named = [person.name for person in persons if own_photos is not None and person.name in own_photos]
    return candidate_names(named, config.n_candidate_names, config.seed)


def prompt_embeddings(
    encoder: TextEncoder, gallery: Gallery, cache: EmbeddingCache | None, report: Report = no_report
) -> Tensor:
    """Embeddings (templates * candidates, d) of all prompts of the attack.

    Args:
        encoder: original or defended.
        gallery: whose candidates are meant.
        cache: for the original, whose embeddings of the unchanged names are kept; None for a defended encoder,
            whose embeddings nobody will need again.
        report: progress.

    Returns:
        No rows where nobody has photos: then there is nothing to attack.
    """
    if not gallery.photos:
        return torch.empty(0, 0)
    if cache is None:
        return encode(encoder, idia_prompts(gallery.candidates), report=report)
    found = cache.embed(encoder, idia_prompts(gallery.base_names), report=report)
    if gallery.replaced:
        names = list(gallery.replaced.values())
        changed = encode(encoder, idia_prompts(names)).view(len(PROMPT_TEMPLATES), len(names), -1)
        table = found.view(len(PROMPT_TEMPLATES), len(gallery.base_names), -1)
        table[:, list(gallery.replaced)] = changed
    return found


def read_photos(folder: Path) -> list[np.ndarray]:
    """The photos of a folder (or zip) in the order of their names: uint8 (height, width, 3) each, turned upright.

    Where the files' names say which photos are for evaluation (the shipped examples), only those are read: an attack
    on photos that were used for fine-tuning would tell nothing.

    Raises:
        InputError: no photo, or one that cannot be read; photos are told by number, because names may be private.
    """
    if not folder.exists():
        raise InputError("The folder of photos does not exist; check the path.")
    upload = expand_upload([folder])
    parts = [source.part for source in upload.sources]
    divided = None not in parts and len(set(parts)) == 2
    sources = [source for source in upload.sources if not divided or source.part == "evaluation"]
    if not sources:
        raise InputError(f"The folder of photos holds none ({', '.join(PHOTO_SUFFIXES)} are read).")
    return [_told(source.read, f"Photo {number} of {len(sources)}") for number, source in enumerate(sources, start=1)]


def open_photo(file: Path, what: str) -> np.ndarray:
    """One photo, uint8 (height, width, 3), turned upright; one that cannot be used is an `InputError` about `what`."""
    return _told(lambda: decode_photo(read_bytes(file)), what)


def _told(read: Callable[[], Photo], what: str) -> np.ndarray:
    try:
        return read().pixels
    except InputError as error:
        raise InputError(f"{what} cannot be used. {error}") from error
