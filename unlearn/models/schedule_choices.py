"""How an encoder is fine-tuned, by choice: the one function for page, endpoints and command line.

    default    the model set's own schedule
    paper      the paper's for this kind of encoder
    own        the model set's own, with some fields changed

Whatever the choice, single fields may be changed; what nobody changed stays as the choice has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from unlearn.config import FineTuneConfig, ImageFineTuneConfig, TextFineTuneConfig
from unlearn.config.limits import MAX_STEPS, require_range
from unlearn.errors import ConfigError
from unlearn.models.sets import ModelSet

CHOICES = ("default", "paper", "own")
# no part of the paper's setting
SOURCES = (
    "generic_images", "other_faces", "average_face_photos", "face_targets", "n_generic_images", "n_average_faces", "n_drawn_images",
    "n_drawn_faces", "drawn_steps",
)  # fmt: skip

AnySchedule = TypeVar("AnySchedule", bound=FineTuneConfig)


def schedule(
    model_set: ModelSet, encoder: Literal["text", "image"], choice: str, changes: Mapping[str, Any], start: FineTuneConfig | None = None
) -> TextFineTuneConfig | ImageFineTuneConfig:
    """The schedule of one encoder.

    Args:
        model_set: whose defaults are meant.
        encoder: "text" or "image".
        choice: one of `CHOICES`.
        changes: fields of the result. With another `n_steps` the milestones and the earliest stop move along, and many names
            do not stretch it, unless these fields are given, too.
        start: of an earlier run, in the place of the set's defaults.

    Raises:
        ConfigError: no such choice, or a value out of range.
    """
    if choice not in CHOICES:
        raise ConfigError(f"The schedule is {choice[:40]!r}; use {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.")
    if encoder == "text":
        text = start if isinstance(start, TextFineTuneConfig) else model_set.text
        return _changed(model_set.paper_text() if choice == "paper" else text, changes)
    image = start if isinstance(start, ImageFineTuneConfig) else model_set.image
    if choice == "paper":
        image = model_set.paper_image(**{name: getattr(image, name) for name in SOURCES})
    return _changed(image, changes)


def _changed(base: AnySchedule, changes: Mapping[str, Any]) -> AnySchedule:
    n_steps = changes.get("n_steps", base.n_steps)
    follows: dict[str, Any] = {}
    if "n_steps" in changes and isinstance(base, TextFineTuneConfig):
        follows["steps_per_trigger"] = 0
    require_range("n_steps", n_steps, 1, MAX_STEPS)  # first: what follows it would be told in its place
    if n_steps != base.n_steps:
        follows["lr_milestones"] = tuple(max(1, step * n_steps // base.n_steps) for step in base.lr_milestones)
        if base.early_stop is not None:
            follows["early_stop"] = replace(base.early_stop, min_steps=base.early_stop.min_steps * n_steps // base.n_steps)
    return replace(base, **{**follows, **changes})
