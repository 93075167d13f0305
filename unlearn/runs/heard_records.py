"""heard.json: which captions a forgotten name means to the models, as `runs.records` has the other files. Loads no model."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.runs.records import BeforeAfter


@dataclass(frozen=True)
class HeardCaption:
    """A caption, and the cosine of its embedding with that of a name."""

    text: str
    similarity: float


@dataclass(frozen=True)
class Heard(BeforeAfter[tuple[HeardCaption, ...]]):
    """A row of heard.json: the captions nearest to a person's name, the nearest first.

    Attributes:
        original, defended: by each model.
        unknown: those nearest to a name that the original never met, by the original; the control.
        n_captions: among which they were looked for.
        person_index: number of the person in the run's config.
    """

    unknown: tuple[HeardCaption, ...] = ()
    n_captions: int = 0
    person_index: int = 0
