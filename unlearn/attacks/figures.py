"""The figures of the attacks beside the IDIA, as metrics.json holds them. The modules of their names compute them."""

from __future__ import annotations

from dataclasses import dataclass

DRAWN = "drawn by the original model, not photographs"  # what results say of pictures that stand in for photos


@dataclass(frozen=True)
class FalseRecall:
    """In how many people never seen a forgotten name wins.

    Attributes:
        n_faces: people attacked; each with all their photos, or one photo where there is no more of them.
        recalled_original, recalled_defended: in how many of them a forgotten name wins among the candidates.
        unknown_original, unknown_defended: the same for an unknown name, the mean over all of them; None where there is none.
    """

    n_faces: int
    recalled_original: int
    recalled_defended: int
    unknown_original: float | None
    unknown_defended: float | None


@dataclass(frozen=True)
class Trace:
    """Where the forgotten name that is found first stands among all; 1 is the first.

    Attributes:
        n_names: in the attacker's list.
        rank_blind: by the sign that finds it first, with the defended encoder alone.
        sign: that sign.
        chance_blind: probability in 0 to 1 that as many unmarked names would have been found so early.
        rank_with_original: by how far each name moved between the original and the defended encoder.
        n_decoys: names that were remapped as well, to hide the forgotten ones.
    """

    n_names: int
    rank_blind: int
    sign: str
    chance_blind: float
    rank_with_original: int
    n_decoys: int


@dataclass(frozen=True)
class NeverMet:
    """A two-sided rank test of forgotten persons against strangers.

    Attributes:
        statistic: probability that a forgotten person stands before a stranger, in 0 to 1; .5 is like a stranger, 1 is better known
            than any, 0 is pushed behind all.
        p_value: of the Mann-Whitney test, in 0 to 1; small: forgotten persons differ from strangers.
        least_p_value: the smallest that so few persons can give; where it is above .05, nothing can be refuted.
        n_persons, n_strangers: compared.
    """

    statistic: float
    p_value: float
    least_p_value: float
    n_persons: int
    n_strangers: int


@dataclass(frozen=True)
class Standing:
    """Where a person's own name stands among all candidates on the person's photos.

    Attributes:
        rank: of the mean similarity, the median over the templates; 1 is nearest to the photos.
        best_rank: in the template that finds the person best.
        place: how far the name stands before the mean of all, in standard deviations of all; the mean over photos and templates.
    """

    rank: float
    best_rank: int
    place: float


@dataclass(frozen=True)
class Agreement:
    """How alike two models order people by a name; each a correlation in -1 to 1.

    Attributes:
        original_defended, original_never_met, defended_never_met: by the forgotten name.
        unknown_original_never_met: by names that neither model knows, the mean; what two trainings agree in anyhow.
    """

    original_defended: float
    original_never_met: float
    defended_never_met: float
    unknown_original_never_met: float | None


@dataclass(frozen=True)
class ThreeModels:
    """A person as seen by the original, the defended, and a model that was trained without the person.

    Attributes:
        n_names, n_faces: candidates, and people on whom the models are compared.
        original, defended, never_met: where the name stands.
        correct_templates, recognised: the attack by the third model; those of the others stand elsewhere.
        agreement: None where there are no pictures of anonymous people.
    """

    n_names: int
    n_faces: int
    original: Standing
    defended: Standing
    never_met: Standing
    correct_templates: int
    recognised: bool
    agreement: Agreement | None
