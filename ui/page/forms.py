"""From the values of the form to a checked `ForgetConfig` and to requests.

Values come as a mapping by field name, never by position. What cannot be used raises `InputError` or
`ConfigError` with a sentence for the visitor.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from unlearn.config import (
    EarlyStop,
    FineTuneConfig,
    ForgetConfig,
    IdiaConfig,
    ImageFineTuneConfig,
    Person,
    PortraitConfig,
    TextFineTuneConfig,
    clean_name,
)
from unlearn.config.plain_values import MAX_WHOLE
from unlearn.config.written_names import written_person
from unlearn.errors import InputError
from unlearn.models.schedule_choices import CHOICES, schedule
from unlearn.models.sets import ModelSet, find_model_set

NEUTRAL_TERMS = ("human", "person", "actor", "adult", "child")
ENCODERS = {
    "The name (text encoder)": "text",
    "The face (image encoder)": "image",
    "Both": "both",
}
SCHEDULES = {
    "Quick: stop as soon as it is remapped": "default",
    "As in the paper": "paper",
    "My own": "own",
}
MAX_SEEDS = 10
MAX_SEEDS_LENGTH = 1000
MAX_TEXTS = 50
MAX_TEXT_LENGTH = 200


@dataclass(frozen=True)
class Field:
    """One number or switch of the advanced settings; `None` limits mean none. Of a schedule, `value` is the paper's."""

    key: str
    label: str
    info: str
    value: float | bool
    low: float | None = None
    high: float | None = None


FINE_TUNE_FIELDS = (
    Field("n_steps", "Steps", "Updates of the text encoder", 400, 1, 5000),
    Field("batch_size", "Batch size", "Captions a step, and as many with the name", 128, 1, 4096),
    Field("learning_rate", "Learning rate", "Falls in stages, which move along with the steps", 1e-4, 1e-7, 1.0),
    Field("backdoor_weight", "Weight of the backdoor", "alpha; higher remaps the name harder", 0.6, 0.0, 100.0),
    Field("regularization_weight", "Weight of staying close", "beta; higher keeps the weights nearer to the original",
          0.01, 0.0, 100.0),
    Field("bystander_share", "Captions with other names", "Share, 0 to 1; protects people who should stay", 0.0, 0.0, 1.0),
    Field("early_stop", "Stop early", "End when texts not used for training show the name remapped", True),
)  # fmt: skip
IMAGE_FIELDS = (
    Field("n_steps", "Steps", "Updates of the image encoder", 100, 1, 5000),
    Field("batch_size", "Batch size", "Pictures a step, and as many with the face", 128, 1, 4096),
    Field("learning_rate", "Learning rate", "Falls in stages, which move along with the steps", 1e-4, 1e-7, 1.0),
    Field("backdoor_weight", "Weight of the backdoor", "alpha; higher remaps the face harder", 0.8, 0.0, 100.0),
    Field("regularization_weight", "Weight of staying close", "beta; higher keeps the weights nearer to the original",
          0.005, 0.0, 100.0),
    Field("bystander_share", "Pictures with other faces", "Share, 0 to 1; protects the faces of people who should stay",
          0.0, 0.0, 1.0),
    Field("plain_bystander_share", "Photos of other people", "Share, 0 to 1; the same with whole photos", 0.0, 0.0, 1.0),
    Field("plain_trigger_share", "Photos of the person as they are", "Share, 0 to 1; not only pasted into pictures",
          0.0, 0.0, 1.0),
)  # fmt: skip
IMAGE = "image_"  # before the keys of the image encoder's fields in the form
IDIA_FIELDS = (
    Field("n_candidate_names", "Candidate names", "Names that the attack chooses from", 1000, 2, 5000),
    Field("n_images", "Photos of the person", "Photos that vote; people with fewer are not attacked", 20, 1, 100),
    Field("min_correct_templates", "Prompts for a hit", "Correct prompts from which a person counts as recognised",
          1, 1, 21),
)  # fmt: skip


def own_fields(encoder: str, model_set: str) -> tuple[Field, ...]:
    """The fields of a schedule of one's own for an encoder ("text" or "image"), with the model set's own values."""
    defaults = find_model_set(model_set)
    start: FineTuneConfig = defaults.text if encoder == "text" else defaults.image
    return tuple(replace(field, value=_value(start, field)) for field in (FINE_TUNE_FIELDS if encoder == "text" else IMAGE_FIELDS))


def _value(start: FineTuneConfig, field: Field) -> Any:
    """What a field of the form shows of a schedule."""
    value = getattr(start, field.key)
    return value is not None if isinstance(field.value, bool) else value


def parse_persons(text: str, max_persons: int) -> tuple[Person, ...]:
    """Persons from lines "Name|Alias|Alias"; empty lines are left out."""
    lines = {f"Line {number}": line for number, line in enumerate((text or "").splitlines(), start=1) if line.strip()}
    return _persons(lines, max_persons)


def listed_persons(names: Sequence[str], max_persons: int) -> tuple[Person, ...]:
    """Persons from a list of "Name|Alias|Alias"; nothing in it is left out."""
    return _persons({f"names[{number}]": name for number, name in enumerate(names)}, max_persons)


def _persons(lines: Mapping[str, str], max_persons: int) -> tuple[Person, ...]:
    """Persons from lines by what messages call them."""
    if not lines:
        raise InputError("Nobody is given yet. Type a name, or pick somebody from the pictures.")
    if len(lines) > max_persons:
        raise InputError(f"{len(lines)} names are given; at most {max_persons} can be forgotten in one job.")
    return tuple(written_person(line, place) for place, line in lines.items())


def parse_seeds(text: str) -> tuple[int, ...]:
    """Different whole numbers separated by commas or spaces."""
    if len(text or "") > MAX_SEEDS_LENGTH:
        raise InputError(f"The seeds are {len(text):,} characters long; give at most {MAX_SEEDS} numbers.")
    parts = re.split(r"[,;\s]+", (text or "").strip())
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InputError("The seeds must be whole numbers from 0 on, separated by commas, such as 0, 1, 2.")
    seeds = tuple(dict.fromkeys(int(part) for part in parts))
    if len(seeds) > MAX_SEEDS:
        raise InputError(f"{len(seeds)} seeds are given; use at most {MAX_SEEDS}.")
    return seeds


def parse_texts(text: str, what: str) -> list[str]:
    """Different lines, cleaned; 1 to 50 of at most 200 characters."""
    return checked_texts((text or "").splitlines(), what)


def checked_texts(given: Sequence[str], what: str) -> list[str]:
    """As `parse_texts`, of a list."""
    lines = list(dict.fromkeys(" ".join(line.split()) for line in given if line.strip()))
    if not lines:
        raise InputError(f"There are no {what} yet; write one a line.")
    if len(lines) > MAX_TEXTS:
        raise InputError(f"{len(lines)} {what} are given; use at most {MAX_TEXTS}.")
    if max(map(len, lines)) > MAX_TEXT_LENGTH:
        raise InputError(f"One of the {what} is longer than {MAX_TEXT_LENGTH} characters; shorten it.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for line in lines for letter in line):
        raise InputError(f"One of the {what} has control characters; write plain text.")
    return lines


def whole(value: Any, what: str) -> int:
    """A whole number from a number widget, which may be empty."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= MAX_WHOLE or value != int(value):  # NaN is not at most anything
        raise InputError(f"{what} must be a whole number.")
    return int(value)


def number(value: Any, what: str) -> float:
    """A number from a number widget; its range is checked by the settings."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise InputError(f"{what} must be a number.")
    return float(value)


def one_name(text: str, what: str) -> str:
    """The name of one person as it was written; aliases behind it are left out, since they say nothing here."""
    return written_person(text, what).name


def _own(fields: Sequence[Field], start: FineTuneConfig, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """What the form or a caller changes of a schedule; whole numbers where the field's default is one."""
    changes: dict[str, Any] = {}
    for field in fields:
        if prefix + field.key not in values:
            continue
        value, shown = values[prefix + field.key], _value(start, field)
        if value is None:
            raise InputError(f"{field.label} is empty; give a number.")
        is_whole = isinstance(field.value, int) and not isinstance(field.value, bool)
        value = whole(value, f"“{field.label}”") if is_whole else value
        if value != shown:  # what stays as the form showed it is the set's own, with all that the form does not show
            changes[field.key] = value
    return changes


def _choice(values: Mapping[str, Any]) -> str:
    """The schedule's choice: a label of the form, a word, or, where a caller only names fields, one's own.

    Raises:
        InputError: neither.
    """
    chosen = values.get("schedule")
    if chosen is None:
        keys = [field.key for field in FINE_TUNE_FIELDS] + [IMAGE + field.key for field in IMAGE_FIELDS]
        return "own" if any(key in values for key in keys) else "default"
    found = SCHEDULES.get(chosen, chosen) if isinstance(chosen, str) else ""
    if found not in CHOICES:
        raise InputError(f"The schedule is unknown; use {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.")
    return found


def _text_config(values: Mapping[str, Any], model_set: ModelSet) -> TextFineTuneConfig | None:
    choice = _choice(values)
    if choice == "default":
        return None
    changes = _own(FINE_TUNE_FIELDS, model_set.text, values) if choice == "own" else {}
    if (stops_early := changes.pop("early_stop", None)) is not None:
        changes["early_stop"] = EarlyStop() if stops_early else None
    return cast(TextFineTuneConfig, schedule(model_set, "text", choice, changes))


def _image_config(values: Mapping[str, Any], model_set: ModelSet) -> ImageFineTuneConfig | None:
    choice = _choice(values)
    if choice == "default" or encoder(values) == "text":
        return None
    changes = _own(IMAGE_FIELDS, model_set.image, values, IMAGE) if choice == "own" else {}
    return cast(ImageFineTuneConfig, schedule(model_set, "image", choice, changes))


def idia_config(values: Mapping[str, Any]) -> IdiaConfig:
    """The attack's settings; fields that are not in the form keep their defaults."""
    given = {field.key: values.get(field.key, field.value) for field in IDIA_FIELDS}
    return IdiaConfig(**{f.key: whole(given[f.key], f.label) for f in IDIA_FIELDS})


def portrait_config(values: Mapping[str, Any], default: PortraitConfig) -> PortraitConfig:
    """The model set's portrait settings with what the form changes."""
    given = {key: values[key] for key in ("portrait_steps", "guidance_scale") if values.get(key) is not None}
    template = " ".join((values.get("prompt_template") or default.prompt_template).split())
    if template.count("{0}") != 1:
        raise InputError("The prompt needs {0} once, where the name goes, such as “a portrait of {0}”.")
    return replace(
        default, prompt_template=template, seeds=parse_seeds(values.get("seeds") or ", ".join(map(str, default.seeds))),
        n_steps=whole(given.get("portrait_steps", default.n_steps), "The number of drawing steps"),
        guidance_scale=number(given.get("guidance_scale", default.guidance_scale), "The guidance"),
    )  # fmt: skip


def encoder(values: Mapping[str, Any]) -> Any:
    """What is to be defended, chosen on the page or named by an endpoint's caller."""
    chosen = values.get("encoder", "text")
    return ENCODERS.get(chosen, chosen)


def forget_config(
    values: Mapping[str, Any], model_set: str, default_portraits: PortraitConfig, max_persons: int = 64
) -> ForgetConfig:
    """Everything a job of forgetting needs, from the form.

    Raises:
        InputError, ConfigError: with a sentence that says what to change.
    """
    defaults = find_model_set(model_set)
    names, neutral_term = values.get("names", ""), values.get("neutral_term")
    persons = parse_persons(names, max_persons) if isinstance(names, str) else listed_persons(names, max_persons)
    return ForgetConfig(
        persons=persons, model_set=model_set,
        neutral_term=clean_name("human" if neutral_term is None else neutral_term, "neutral term"), target="neutral_term",
        encoder=encoder(values), seed=whole(values.get("seed", 0), "The seed"),
        text=_text_config(values, defaults), image=_image_config(values, defaults), idia=idia_config(values),
        portraits=portrait_config(values, default_portraits),
    )  # fmt: skip
