"""The third column of a run: what the set's second CLIP, which never met the person, makes of the same photos, names and labels.

Only members whom that model was trained without have it; for everybody else, and for sets without such a model, nothing is
computed and nothing is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from unlearn.attacks.figures import Agreement, Standing, ThreeModels
from unlearn.attacks.gallery import Gallery, prompt_embeddings
from unlearn.attacks.idia import IdiaOutcome
from unlearn.attacks.own_photos import OwnPhotos, embedded
from unlearn.attacks.standing import correlation, profile, standing
from unlearn.config import ResolvedConfig
from unlearn.measure.probes import ProbedModel
from unlearn.measure.zero_shot import probabilities
from unlearn.models.embeddings import EmbeddingCache
from unlearn.models.images import embed_images
from unlearn.models.never_met import NeverMetModel
from unlearn.models.suite import Suite
from unlearn.models.world_photos import anonymous_photos, world_photos
from unlearn.models.worlds import World, known_names
from unlearn.runs.evidence import Compared
from unlearn.runs.json_types import from_json
from unlearn.runs.measuring import evaluation_photos
from unlearn.runs.metrics import Metrics, PersonMetrics
from unlearn.runs.records import AttackRecord, PredictionRow, ProbeRow, ProbeSide, Verdict, Vote
from unlearn.runs.results import read_part, write_results
from unlearn.texts.prompts import PROMPT_TEMPLATES

N_UNKNOWN = 200  # names that neither model knows, whose profiles say what two trainings agree in anyhow


@dataclass(frozen=True)
class ThirdColumn:
    """The second CLIP at the attack of a run.

    Attributes:
        model: the second CLIP.
        gallery: the run's candidates; of the photos only those of the persons whom the model never met.
        prompts: its embeddings (templates * candidates, d) of the gallery's prompts.
        world: of the set.
    """

    model: NeverMetModel
    gallery: Gallery
    prompts: Tensor
    world: World

    @classmethod
    def of(cls, model: NeverMetModel, compared: Compared, photos: OwnPhotos, cache: EmbeddingCache | None) -> ThirdColumn | None:
        """For the attacked persons of a run; None where none of them was left out.

        Args:
            model: the second CLIP.
            compared: the two others, as the attack saw them.
            photos: of a user, by the names of the run.
            cache: keeps its embeddings of the candidates that are the same in all runs.
        """
        world, gallery = compared.world, compared.galleries.original
        names = [person.name for person in compared.config.persons if person.name in gallery.photos]
        if world is None or not (names := [name for name in names if model.never_met(name, world)]):
            return None
        shown = {name: _embedded(model, world, name, photos if name in gallery.own else {}) for name in names}
        own = replace(gallery, photos=shown)
        return cls(model, own, prompt_embeddings(model.clip.text, own, cache), world)

    @property
    def names(self) -> list[str]:
        """The attacked persons of the run whom the model never met."""
        return list(self.gallery.photos)

    def outcomes(self) -> dict[str, IdiaOutcome]:
        """Name -> outcome of the attack by the second CLIP."""
        return {outcome.name: outcome for outcome in self.gallery.attack(self.prompts, self.names)}

    def figures(self, compared: Compared, outcomes: Mapping[str, IdiaOutcome]) -> dict[str, ThreeModels]:
        """Name -> how the three models see the person; `outcomes` are its own."""
        n_candidates = len(self.gallery.base_names)
        tables = (*(table[:, :n_candidates] for table in compared.tables), self.prompts.view(len(PROMPT_TEMPLATES), n_candidates, -1))
        photos = (*(gallery.photos for gallery in compared.galleries), self.gallery.photos)
        faces = [anonymous_photos(clip.image, self.world) for clip in (*compared.models, self.model.clip)]
        numbers = {name: number for number, name in enumerate(self.gallery.candidates)}
        unknown = self._unknown(compared)
        measured = {}
        for name in self.names:
            stands = [standing(shown[name], table, numbers[name]) for shown, table in zip(photos, tables, strict=True)]
            agreed = None if any(shown is None for shown in faces) else _agreement(tables, faces, numbers[name], unknown)  # type: ignore[arg-type]
            measured[name] = _three(stands, outcomes[name], agreed, len(numbers), len(faces[0]) if faces[0] is not None else 0)
        return measured

    def _unknown(self, compared: Compared) -> list[int]:
        """Candidates that belong to nobody in the world and were not given in the run."""
        borne = compared.numbers(known_names(self.world)) | set(self.gallery.replaced)
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


def with_never_met_model(out: Path, metrics: Metrics, column: ThirdColumn, compared: Compared, photos: OwnPhotos) -> Metrics:
    """Add the third column to a run's metrics, and to its files of the attack and of the predictions, which are written already."""
    outcomes = column.outcomes()
    figures = column.figures(compared, outcomes)
    attacks = read_part(out, "idia")
    persons = tuple(with_third(record, outcomes.get(record.name)) for record in attacks.persons)
    rows = _predicted(read_part(out, "predictions"), column, photos)
    probes = _probed(read_part(out, "probes"), column, compared.config)
    write_results(out, idia=replace(attacks, persons=persons), predictions=rows, probes=probes)
    return replace(metrics, persons=tuple(_measured(person, figures) for person in metrics.persons))


def _measured(person: PersonMetrics, figures: dict[str, ThreeModels]) -> PersonMetrics:
    return replace(person, never_met_model=figures.get(person.name))


def with_third(record: AttackRecord, outcome: IdiaOutcome | None) -> AttackRecord:
    """The record with the verdict and the votes of the second CLIP."""
    if outcome is None:
        return record
    pairs = zip(record.templates, outcome.templates, strict=True) if record.templates else ()
    votes = tuple(replace(votes, never_met=Vote.of(vote)) for votes, vote in pairs)
    return replace(record, never_met=Verdict.of(outcome), templates=votes)


def _predicted(rows: Sequence[PredictionRow], column: ThirdColumn, photos: OwnPhotos) -> tuple[PredictionRow, ...]:
    """The rows of those whom the second CLIP never met, with its shares of the same labels for the same photos."""
    shown: Counter[int] = Counter()
    clip, completed = column.model.clip, []
    for row in rows:
        if row.name in column.names:
            image = evaluation_photos(row.name, column.world, photos)[shown[row.person_index]]
            (shares,) = probabilities(clip, embed_images(clip.image, image[None]), row.labels)
            row = replace(row, never_met=tuple(shares))
        shown[row.person_index] += 1
        completed.append(row)
    return tuple(completed)


def _probed(rows: Sequence[ProbeRow], column: ThirdColumn, config: ResolvedConfig) -> tuple[ProbeRow, ...]:
    """The rows of those whom the second CLIP never met, with what it makes of the same texts."""
    probed = ProbedModel(column.model.clip, column.gallery, column.prompts, None)
    meanings: dict[tuple[int, str], ProbeSide] = {}
    for index, person in enumerate(config.persons):
        texts = [row.text for row in rows if row.person_index == index]
        if person.name in column.names and texts:
            sides = probed.meanings(texts, person.name, config.targets[person.name])
            meanings |= {(index, text): from_json(ProbeSide, side) for text, side in zip(texts, sides, strict=True)}
    return tuple(replace(row, never_met=meanings.get((row.person_index, row.text))) for row in rows)


def never_met_model(suite: Suite, compared: Compared, photos: OwnPhotos) -> ThirdColumn | None:
    """The third column of a run; None where the set has no second CLIP, or where it met everybody of the run."""
    if not compared.is_attacked:
        return None
    model = suite.never_met(person.name for person in compared.config.persons)
    return None if model is None else ThirdColumn.of(model, compared, photos, suite.embeddings)
