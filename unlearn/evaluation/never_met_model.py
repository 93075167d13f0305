"""How far the original, the defended and a model that never met the forgotten person lie apart, in a row of the evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unlearn.attacks.gallery import Gallery
from unlearn.config import ResolvedConfig
from unlearn.evaluation.evaluated_set import EvaluatedSet
from unlearn.evaluation.rows import files_hash
from unlearn.models.clip import Clip
from unlearn.models.never_met import left_out
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.runs.evidence import Compared
from unlearn.runs.json_types import to_json
from unlearn.runs.never_met_model import never_met_model


@dataclass(frozen=True)
class BesideNeverMet:
    """Measures rows of those whom the set's second CLIP never met; nobody's where the set has none.

    Attributes:
        evaluated: the set.
        gallery, prompts: of the attack, by the original.
    """

    evaluated: EvaluatedSet
    gallery: Gallery
    prompts: Tensor

    def concerns(self, names: Sequence[str]) -> bool:
        """Whether one of them was left out."""
        folder, world = self.evaluated.original.model_set.never_met, self.evaluated.world
        return folder is not None and any(world.find(name) in left_out(folder, world) for name in names)

    def key(self, row_key: str) -> str:
        """Of the measurement that belongs to a row; it changes with the second CLIP."""
        folder = self.evaluated.original.model_set.never_met
        assert folder is not None  # `concerns` says so
        return json.dumps(["never met", row_key, files_hash(sorted(folder.iterdir()))])

    def figures(self, config: ResolvedConfig, defended: Clip, defended_prompts: Tensor) -> dict[str, Any]:
        """{never_met_model: name -> fields of `ThreeModels`, and the original's and the defended model's right prompts}."""
        models, world, gallery = Pair(self.evaluated.original, defended), self.evaluated.world, self.gallery
        prompts = Pair(self.prompts, defended_prompts)
        compared = Compared(models, Pair(gallery, gallery), prompts, config, world)
        suite = suite_of(models.original.model_set.name, self.evaluated.settings)
        column = never_met_model(suite, compared, {})
        measured = column.figures(column.outcomes()) if column is not None else {}
        before, after = ({outcome.name: outcome for outcome in gallery.attack(table, list(measured))} for table in prompts)
        counts = {name: Pair(before[name], after[name]).map(lambda outcome: outcome.correct_templates)._asdict() for name in measured}
        return {"never_met_model": {name: {**to_json(models), "right_prompts": counts[name]} for name, models in measured.items()}}
