"""The functions of the attacks that `catalogue` lists."""

from __future__ import annotations

from collections.abc import Mapping

from unlearn.attacks.recovery import faces, prompt_search, soft_tokens, training, weights, words
from unlearn.attacks.recovery.context import Attack

FUNCTIONS: Mapping[str, Attack] = {
    "surface-forms": words.surface_forms,
    "aliases": words.aliases,
    "descriptions": words.descriptions,
    "templates": words.templates,
    "languages": words.languages,
    "trace": words.trace,
    "soft-tokens": soft_tokens.soft_tokens,
    "soft-tokens-photos": soft_tokens.soft_tokens_photos,
    "hard-prompts": prompt_search.hard_prompts,
    "concept-vector": prompt_search.concept_vector,
    "ageing": training.ageing,
    "undoing": training.undoing,
    "layers": weights.layers,
    "photo-to-photo": faces.photo_to_photo,
    "linear-probe": faces.linear_probe,
    "reversal": weights.reversal,
}
