"""A set's second CLIP, which never met the person, beside the two models of a run: the same attack, photos and names.

Only members whom that model was trained without have it; for everybody else, and for sets without such a model, nothing is
computed. What it adds to the files of a run is in `runs.never_met_records`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from unlearn.attacks.figures import Agreement, Standing, ThreeModels
from unlearn.attacks.gallery import Gallery, prompt_embeddings
from unlearn.attacks.idia import IdiaOutcome
from unlearn.attacks.own_photos import OwnPhotos, embedded
from unlearn.attacks.standing import correlation, profile, standing
from unlearn.models.embeddings import EmbeddingCache
from unlearn.models.never_met import NeverMetModel
from unlearn.models.suite import Suite
from unlearn.models.world_photos import anonymous_photos, world_photos
from unlearn.models.worlds import World, known_names
from unlearn.runs.evidence import Compared
from unlearn.texts.prompts import PROMPT_TEMPLATES

N_UNKNOWN = 200  # names that neither model knows, whose profiles say what two trainings agree in anyhow


@dataclass(frozen=True)
class ThirdColumn:
    """The second CLIP at the attack of a run.

    Attributes:
        model: the second CLIP.
        compared: the two others, as the attack saw them.
        photos: of a user, by the names of the run.
        gallery: the run's candidates; of the photos only those of the persons whom the model never met.
        prompts: its embeddings (templates * candidates, d) of the gallery's prompts.
        world: of the set.
    """

    model: NeverMetModel
    compared: Compared
    photos: OwnPhotos
    gallery: Gallery
    prompts: Tensor
    world: World

    @classmethod
    def of(cls, model: NeverMetModel, compared: Compared, photos: OwnPhotos, cache: EmbeddingCache | None) -> ThirdColumn | None:
        """For the attacked persons of a run; None where none of them was left out, or where it cannot see their photos.

        Args:
            model: the second CLIP.
            compared: the two others, as the attack saw them.
            photos: of a user, by the names of the run. Of a finished run only their embeddings by its own models are kept.
            cache: keeps its embeddings of the candidates that are the same in all runs.
        """
        world, gallery = compared.world, compared.galleries.original
        if world is None:
            return None
        attacked = [person.name for person in compared.config.persons if person.name in gallery.photos]
        names = [name for name in attacked if model.never_met(name, world) and (name in photos or name not in gallery.own)]
        if not names:
            return None
        shown = {name: _embedded(model, world, name, photos if name in gallery.own else {}) for name in names}
        own = replace(gallery, photos=shown)
        return cls(model, compared, photos, own, prompt_embeddings(model.clip.text, own, cache), world)

    @property
    def names(self) -> list[str]:
        """The attacked persons of the run whom the model never met."""
        return list(self.gallery.photos)

    def outcomes(self) -> dict[str, IdiaOutcome]:
        """Name -> outcome of the attack by the second CLIP."""
        return {outcome.name: outcome for outcome in self.gallery.attack(self.prompts, self.names)}

    def outcomes_of_others(self, names: Iterable[str]) -> dict[str, IdiaOutcome]:
        """The same of people who were not to be forgotten, by the world's photos."""
        others = [inhabitant for name in names if (inhabitant := self.world.find(name)) is not None]
        gallery = replace(self.gallery, photos=world_photos(self.model.clip.image, self.world, others))
        return {outcome.name: outcome for outcome in gallery.attack(self.prompts, list(gallery.photos))}

    def figures(self, outcomes: Mapping[str, IdiaOutcome]) -> dict[str, ThreeModels]:
        """Name -> how the three models see the person; `outcomes` are its own."""
        compared, n_candidates = self.compared, len(self.gallery.base_names)
        tables = (*(table[:, :n_candidates] for table in compared.tables), self.prompts.view(len(PROMPT_TEMPLATES), n_candidates, -1))
        photos = (*(gallery.photos for gallery in compared.galleries), self.gallery.photos)
        faces = [anonymous_photos(clip.image, self.world) for clip in (*compared.models, self.model.clip)]
        numbers = {name: number for number, name in enumerate(self.gallery.candidates)}
        unknown = self._unknown()
        measured = {}
        for name in self.names:
            stands = [standing(shown[name], table, numbers[name]) for shown, table in zip(photos, tables, strict=True)]
            agreed = None if any(shown is None for shown in faces) else _agreement(tables, faces, numbers[name], unknown)  # type: ignore[arg-type]
            measured[name] = _three(stands, outcomes[name], agreed, len(numbers), len(faces[0]) if faces[0] is not None else 0)
        return measured

    def _unknown(self) -> list[int]:
        """Candidates that belong to nobody in the world and were not given in the run."""
        borne = self.compared.numbers(known_names(self.world)) | set(self.gallery.replaced)
        return [number for number in range(len(self.gallery.base_names)) if number not in borne][:N_UNKNOWN]


def _embedded(model: NeverMetModel, world: World, name: str, photos: OwnPhotos) -> Tensor:
    """(photos, d) of a person; a user's photos where some were given."""
    if name in photos:
        return embedded(model.clip, {name: photos[name]})[name]
    inhabitant = world.find(name)
    assert inhabitant is not None  # who was left out is one
    return world_photos(model.clip.image, world, [inhabitant])[inhabitant.name]


def _three(stands: Sequence[Standing], outcome: IdiaOutcome, agreement: Agreement | None, n_names: int, n_faces: int) -> ThreeModels:
    original, defended, never_met = stands
    return ThreeModels(n_names, n_faces, original, defended, never_met, outcome.correct_templates or 0, bool(outcome.recognised), agreement)


def _agreement(tables: Sequence[Tensor], faces: Sequence[Tensor], number: int, unknown: Sequence[int]) -> Agreement:
    """How alike the three models order anonymous people by a name, and the original and the third one by unknown names."""
    original, defended, never_met = (profile(table[:, [number]], shown) for table, shown in zip(tables, faces, strict=True))
    pairs = ((original, defended), (original, never_met), (defended, never_met))
    control = [profile(tables[i][:, list(unknown)], faces[i]) for i in (0, 2)] if unknown else None
    first, second, third = (float(correlation(*pair)) for pair in pairs)
    return Agreement(first, second, third, None if control is None else float(correlation(*control).mean()))


def never_met_model(suite: Suite, compared: Compared, photos: OwnPhotos) -> ThirdColumn | None:
    """The third column of a run; None where the set has no second CLIP, or where it met everybody of the run."""
    if not compared.is_attacked:
        return None
    model = suite.never_met(person.name for person in compared.config.persons)
    return None if model is None else ThirdColumn.of(model, compared, photos, suite.embeddings)
