"""False recall, trace and never met of one row of the evaluation: the figures that every run has in its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from unlearn.attacks.gallery import Gallery
from unlearn.config import ResolvedConfig
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.worlds import World
from unlearn.runs.evidence import Compared, measured_false_recall, measured_never_met, measured_trace


def evidence_figures(
    models: Pair[Clip], gallery: Gallery, prompts: Pair[Tensor], config: ResolvedConfig, world: World
) -> dict[str, Any]:
    """The figures of a row; None where a figure was not measured.

    Args:
        models: with one image encoder, so that both see the photos alike.
        gallery: of the attack.
        prompts: embeddings of its prompts by each model.
        config: of the run.
        world: of the set.
    """
    compared = Compared(models, Pair(gallery, gallery), prompts, config, world)
    recall, traced = measured_false_recall(compared), measured_trace(compared)
    attacked: Sequence[str] = [person.name for person in config.persons if person.name in gallery.photos]
    met = measured_never_met(compared, attacked)
    return {
        "false_recalled": recall.recalled_defended if recall is not None else None,
        "rank_blind": traced.rank_blind if traced is not None else None,
        "rank_with_original": traced.rank_with_original if traced is not None else None,
        "n_traced": traced.n_names if traced is not None else None,
        "never_met": met.statistic if met is not None else None,
        "never_met_p": met.p_value if met is not None else None,
    }
