"""What the opponent works with, from a run: both models' tables of names, the photos, and who is known about the model set."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor
from torch.nn import functional

from unlearn.attacks.gallery import Gallery, build_gallery, gallery_with_strangers, prompt_embeddings
from unlearn.attacks.recovery.context import Context, Subject
from unlearn.attacks.recovery.sight import Sight
from unlearn.config import Person, ResolvedConfig, Settings
from unlearn.config.spelling import without_triggers
from unlearn.models.embeddings import run_cache
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.progress import Report
from unlearn.runs.evidence import Compared
from unlearn.runs.never_met_model import ThirdColumn, never_met_model
from unlearn.runs.photos import kept_photos
from unlearn.runs.results import Run
from unlearn.texts.captions import generate_captions
from unlearn.texts.prompts import PROMPT_TEMPLATES

N_CAPTIONS = 300
CAPTION_SEED = 20_000  # far from those of the fine-tuning and the measuring


class Opponent:
    """One run as the opponent sees it; what all its attacks share is computed once.

    Args:
        compared: the run's models, galleries and prompts.
        third: a model that never met some of the persons; None: there is none.
    """

    def __init__(self, compared: Compared, third: ThirdColumn | None = None) -> None:
        self._compared, self._third = compared, third
        n_names = len(compared.galleries.original.base_names)
        original = _table(compared.prompts.original, n_names)
        is_same = compared.prompts.defended is compared.prompts.original
        self._tables = Pair(original, original if is_same else _table(compared.prompts.defended, n_names))

    def subject(self, person: Person) -> Subject | None:
        """A person as both models see it; None without photos."""
        sights = [self._sight(side, person.name) for side in (0, 1)]
        before, after = sights
        if before is None or after is None:
            return None
        world = self._compared.world
        inhabitant = world.find(person.name) if world is not None else None
        names = [*person.aliases, *(inhabitant.person.triggers if inhabitant is not None else ())]
        aliases = tuple(dict.fromkeys(name for name in names if name != person.name))
        descriptions = inhabitant.descriptions if inhabitant is not None else ()
        return Subject(person.name, Pair(before, after), aliases, descriptions, self._third_sight(person.name))

    def _sight(self, side: int, name: str) -> Sight | None:
        return _sight(self._compared.models[side].text, self._compared.galleries[side], self._tables[side], name)

    def _third_sight(self, name: str) -> Sight | None:
        """Of a model that never met the person; None where there is none, or where it met this one."""
        if self._third is None or name not in self._third.names:
            return None
        gallery = self._third.gallery
        return _sight(self._third.model.clip.text, gallery, _table(self._third.prompts, len(gallery.base_names)), name)

    @property
    def config(self) -> ResolvedConfig:
        """Of the run."""
        return self._compared.config

    @property
    def is_text_defended(self) -> bool:
        """Whether the text encoder of CLIP was fine-tuned."""
        original, defended = self._compared.models
        return defended.text is not original.text

    @property
    def is_face_defended(self) -> bool:
        """Whether the image encoder was fine-tuned."""
        original, defended = self._compared.models
        return defended.image is not original.image

    @cached_property
    def _strangers(self) -> tuple[Subject, ...]:
        """Those with photos; the best rivals of their photos are looked up once for all persons and tries."""
        subjects = (self.subject(Person(name)) for name in self._compared.strangers)
        return tuple(subject for subject in subjects if subject is not None)

    def context(self, subject: Subject, seed: int) -> Context:
        """All that the attacks on somebody need; budget, trace and clock are the caller's."""
        compared = self._compared
        config = compared.config
        captions = without_triggers(
            generate_captions(N_CAPTIONS, seed=CAPTION_SEED + seed), [trigger for person in config.persons for trigger in person.triggers]
        )
        return Context(
            models=compared.models,
            subject=subject,
            strangers=self._strangers,
            everybody=compared.galleries.map(_everybody),
            captions=tuple(captions),
            learning_rate=config.text.learning_rate,
            seed=seed,
        )


def _table(prompts: Tensor, n_names: int) -> Tensor:
    """(templates, names, d), of unit length."""
    return functional.normalize(prompts.float(), dim=-1).view(len(PROMPT_TEMPLATES), n_names, -1)


def attacked_photos(gallery: Gallery, name: str) -> Tensor | None:
    """(images, d), of unit length: the photos by which the usual attack judges somebody; None where there are too few."""
    photos, n_images = gallery.photos.get(name), gallery.n_photos_needed(name)
    if photos is None or len(photos) < n_images:
        return None
    return functional.normalize(photos[:n_images].float(), dim=-1)


def _sight(encoder: TextEncoder, gallery: Gallery, table: Tensor, name: str) -> Sight | None:
    """What a model sees of somebody; None where there are too few photos."""
    photos = attacked_photos(gallery, name)
    if photos is None:
        return None
    own = {name, *gallery.same.get(name, ())}
    numbers = tuple(number for number, candidate in enumerate(gallery.candidates) if candidate in own)
    return Sight(encoder, photos, tuple(gallery.candidates), table, gallery.config.min_correct_templates, numbers)


def _everybody(gallery: Gallery) -> dict[str, Tensor]:
    return {name: functional.normalize(photos.float(), dim=-1) for name, photos in gallery.photos.items()}


def opponent_of(run: Run, settings: Settings, report: Report) -> Opponent:
    """The opponent of a finished run."""
    compared = compared_run(run, settings, report)
    return Opponent(compared, never_met_model(suite_of(run.config.model_set, settings), compared, {}))


def compared_run(run: Run, settings: Settings, report: Report) -> Compared:
    """The models, galleries and prompts of a finished run, as the run itself had them."""
    config = run.config
    suite = suite_of(config.model_set, settings)
    resolved, models = suite.model_set.resolved(config), suite.pair(run.folder)
    own = kept_photos(run.folder, config.persons)
    is_face_defended = models.defended.image is not models.original.image
    make = build_gallery if is_face_defended else gallery_with_strangers  # faces are told from everybody's
    gallery = make(suite.clip, suite.world, config.persons, config.idia, own.original)
    galleries = Pair(
        gallery, make(models.defended, suite.world, config.persons, config.idia, own.defended) if is_face_defended else gallery
    )
    before = after = prompt_embeddings(suite.clip.text, gallery, suite.embeddings, report)
    if models.defended.text is not suite.clip.text:
        after = prompt_embeddings(models.defended.text, gallery, run_cache(run.folder, settings), report)
    return Compared(models, galleries, Pair(before, after), resolved, suite.world)
