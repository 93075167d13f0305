"""dial.json, denoising.json and seal.json, as `runs.records` has the other files. Loads no model.

All files that are named here are relative to the run's folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unlearn.runs.records import BeforeAfter


@dataclass(frozen=True)
class DialPosition:
    """A model so far on the way from the original (share 0) to the defended one (share 1).

    Attributes:
        share: the lambda of weights = original + lambda * (defended - original).
        picture: the file of its portrait; those of the ends are the run's own portraits. None where nothing was drawn.
        correct_templates: by how many templates it recognises the person; None where the person was not attacked.
    """

    share: float
    picture: str | None = None
    correct_templates: int | None = None


@dataclass(frozen=True)
class Dial:
    """A row of dial.json: one person at every position, in order.

    Attributes:
        seed: of the portraits.
        person_index: number of the person in the run's config.
        is_drawn_anew: False where the portraits between the ends are the original's, because the encoder that draws was not defended.
    """

    positions: tuple[DialPosition, ...]
    seed: int = 0
    person_index: int = 0
    is_drawn_anew: bool = True


@dataclass(frozen=True)
class DenoisingMoment(BeforeAfter[str]):
    """The pictures of both models after so many denoising steps; 0 is the noise that both begin with."""

    n_steps: int


@dataclass(frozen=True)
class Denoising:
    """A row of denoising.json: how both portraits of a seed grow from the same noise.

    Attributes:
        distances: relative distance of both latents after 0, 1, 2... denoising steps.
        parted_at: the first step after which the distance is more than `parted_share` of the last one; None where both stay alike.
        moments: of which pictures are kept, the last ones being the run's own portraits.
    """

    distances: tuple[float, ...]
    parted_at: int | None
    parted_share: float
    moments: tuple[DenoisingMoment, ...]
    seed: int = 0
    person_index: int = 0


@dataclass(frozen=True)
class Seal:
    """seal.json: what the run's files were when it was finished, so that a later change shows.

    Attributes:
        created: time in UTC, ISO 8601; empty in older runs, which have no seal.
        weights, pictures: file -> its SHA-256.
        original_hash: of the weights of the original text encoder that draws; None for sets that do not draw.
    """

    created: str = ""
    weights: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    original_hash: str | None = None
