"""From the values of the form to a checked `ForgetConfig` and to requests.

Values come as a mapping by field name, never by position. What cannot be used raises `InputError` or
`ConfigError` with a sentence for the visitor.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ui.page.fields import (
    DECOYS,
    DIAL,
    DRAWN,
    DRAWN_FIELDS,
    ENCODERS,
    FILM,
    FINE_TUNE_FIELDS,
    IDIA_FIELDS,
    IMAGE,
    IMAGE_FIELDS,
    METHODS,
    SCHEDULES,
    Field,
    shown_value,
)
from ui.page.targets import Target, remapping, require_no_crowd
from unlearn.config import (
    RELATIVE_STOP,
    DrawnPhotosConfig,
    FineTuneConfig,
    ForgetConfig,
    IdiaConfig,
    ImageFineTuneConfig,
    Person,
    PortraitConfig,
    TextFineTuneConfig,
    check_schedule,
)
from unlearn.config.plain_values import MAX_WHOLE
from unlearn.config.written_names import written_person
from unlearn.errors import InputError
from unlearn.models.schedule_choices import CHOICES, schedule
from unlearn.models.sets import ModelSet, find_model_set

MAX_SEEDS = 10
MAX_SEEDS_LENGTH = 1000
MAX_TEXTS = 50
MAX_TEXT_LENGTH = 200


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
        raise InputError("There is no name yet. Type one, or pick a person from the pictures.")
    if len(lines) > max_persons:
        raise InputError(f"There are {len(lines)} names; one job can forget at most {max_persons}.")
    return tuple(written_person(line, place) for place, line in lines.items())


def parse_seeds(text: str) -> tuple[int, ...]:
    """Different whole numbers separated by commas or spaces."""
    if len(text or "") > MAX_SEEDS_LENGTH:
        raise InputError(f"The seeds are {len(text):,} characters long; use at most {MAX_SEEDS} numbers.")
    numbers = re.split(r"[,;\s]+", (text or "").strip())
    if not all(digits.isascii() and digits.isdigit() and len(digits) < 10 for digits in numbers):
        raise InputError("Seeds must be whole numbers, 0 or larger, separated by commas, such as 0, 1, 2.")
    seeds = tuple(dict.fromkeys(int(digits) for digits in numbers))
    if len(seeds) > MAX_SEEDS:
        raise InputError(f"There are {len(seeds)} seeds; use at most {MAX_SEEDS}.")
    return seeds


def parse_texts(text: str, what: str) -> list[str]:
    """Different lines, cleaned; 1 to 50 of at most 200 characters."""
    return checked_texts((text or "").splitlines(), what)


def checked_texts(texts: Sequence[str], what: str) -> list[str]:
    """As `parse_texts`, of a list."""
    lines = list(dict.fromkeys(" ".join(line.split()) for line in texts if line.strip()))
    if not lines:
        raise InputError(f"There are no {what} yet; write one per line.")
    if len(lines) > MAX_TEXTS:
        raise InputError(f"There are {len(lines)} {what}; use at most {MAX_TEXTS}.")
    if max(map(len, lines)) > MAX_TEXT_LENGTH:
        raise InputError(f"One of the {what} is longer than {MAX_TEXT_LENGTH} characters; shorten it.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for line in lines for letter in line):
        raise InputError(f"One of the {what} contains control characters; write plain text.")
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
    """The name of one person as it was written; aliases behind it are left out, since they have no effect here."""
    return written_person(text, what).name


def _changes(fields: Sequence[Field], start: FineTuneConfig, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """What the form or a caller changes of a schedule; whole numbers where the field's default is one."""
    changes: dict[str, Any] = {}
    for field in fields:
        if prefix + field.key not in values:
            continue
        value = values[prefix + field.key]
        if value is None:
            raise InputError(f"“{field.label}” is empty; enter a number.")
        is_whole = isinstance(field.value, int) and not isinstance(field.value, bool)
        value = whole(value, f"“{field.label}”") if is_whole else value
        if value != shown_value(start, field):  # an unchanged field keeps the set's own, with all that the form does not show
            changes[field.key] = value
    return changes


def _choice(values: Mapping[str, Any]) -> str:
    """The schedule's choice: a label of the form, a word, or, where a caller only names fields, one's own.

    Raises:
        InputError: neither.
    """
    word = values.get("schedule")
    if word is None:
        keys = [field.key for field in FINE_TUNE_FIELDS] + [IMAGE + field.key for field in IMAGE_FIELDS]
        return "own" if any(key in values for key in keys) else "default"
    choice = SCHEDULES.get(word, word) if isinstance(word, str) else ""
    if choice not in CHOICES:
        raise InputError(f"The schedule is unknown; use {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.")
    return choice


def _text_config(values: Mapping[str, Any], model_set: ModelSet, target: Target) -> TextFineTuneConfig | None:
    choice, start = _choice(values), model_set.text_for(target)
    if choice == "default":
        return None
    changes = _changes(FINE_TUNE_FIELDS, start, values) if choice == "own" else {}
    if (stops_early := changes.pop("early_stop", None)) is not None:
        changes["early_stop"] = RELATIVE_STOP if stops_early else None
    return cast(TextFineTuneConfig, schedule(model_set, "text", choice, changes, start))


def _image_config(values: Mapping[str, Any], model_set: ModelSet) -> ImageFineTuneConfig | None:
    choice = _choice(values)
    if choice == "default" or encoder(values) == "text":
        return None
    changes = _changes(IMAGE_FIELDS, model_set.image, values, IMAGE) if choice == "own" else {}
    return cast(ImageFineTuneConfig, schedule(model_set, "image", choice, changes))


def idia_config(values: Mapping[str, Any]) -> IdiaConfig:
    """The attack's settings; fields that are not in the form keep their defaults."""
    return IdiaConfig(**{field.key: whole(values.get(field.key, field.value), f"“{field.label}”") for field in IDIA_FIELDS})


def portrait_config(values: Mapping[str, Any], default: PortraitConfig) -> PortraitConfig:
    """The model set's portrait settings with what the form changes."""
    changed = {key: values[key] for key in ("portrait_steps", "guidance_scale") if values.get(key) is not None}
    template = " ".join((values.get("prompt_template") or default.prompt_template).split())
    if template.count("{0}") != 1:
        raise InputError("The prompt needs {0} once, where the name goes, such as “a portrait of {0}”.")
    return replace(
        default, prompt_template=template, seeds=parse_seeds(values.get("seeds") or ", ".join(map(str, default.seeds))),
        n_steps=whole(changed.get("portrait_steps", default.n_steps), "The number of drawing steps"),
        guidance_scale=number(changed.get("guidance_scale", default.guidance_scale), "The guidance"),
    )  # fmt: skip


def drawn_config(values: Mapping[str, Any], default: DrawnPhotosConfig) -> DrawnPhotosConfig | None:
    """The model set's settings of portraits in the place of photos with what the form changes; None: nothing, or there is no such field."""
    given = {field.key: values.get(DRAWN + field.key) for field in DRAWN_FIELDS}
    changes = {field.key: whole(given[field.key], f"“{field.label}”") for field in DRAWN_FIELDS if given[field.key] is not None}
    for key in ("n_steps", "size_px"):
        if key in changes:
            changes[key] = changes[key] or None  # type: ignore[assignment]  # 0 stands for it in the form
    changed = replace(default, **changes)
    return None if changed == default else changed


def encoder(values: Mapping[str, Any]) -> Any:
    """The encoder to defend, chosen on the page or named by an endpoint's caller."""
    choice = values.get("encoder", "text")
    return ENCODERS.get(choice, choice)


def method(values: Mapping[str, Any]) -> Any:
    """How the text encoder forgets, chosen on the page or named by an endpoint's caller.

    Raises:
        ConfigError: another method than the paper's together with the paper's schedule.
    """
    choice = values.get("method", "backdoor")
    check_schedule(chosen := METHODS.get(choice, choice), _choice(values) == "paper")
    return chosen


def forget_config(
    values: Mapping[str, Any], model_set: str, default_portraits: PortraitConfig, max_persons: int = 64
) -> ForgetConfig:
    """Everything a job of forgetting needs, from the form.

    Raises:
        InputError, ConfigError: with a sentence that says what to change.
    """
    defaults = find_model_set(model_set)
    names, chosen = values.get("names", ""), remapping(values, _choice(values))
    persons = parse_persons(names, max_persons) if isinstance(names, str) else listed_persons(names, max_persons)
    n_decoys = whole(values.get(DECOYS.key, 0), "The number of decoys")
    require_no_crowd(n_decoys, chosen.target)
    return ForgetConfig(
        persons=persons, model_set=model_set, target=chosen.target, neutral_term=chosen.neutral_term, n_decoys=n_decoys,
        encoder=encoder(values), method=method(values), seed=whole(values.get("seed", 0), "The seed"),
        text=_text_config(values, defaults, chosen.target), image=_image_config(values, defaults), idia=idia_config(values),
        portraits=portrait_config(values, default_portraits), drawn_photos=drawn_config(values, defaults.drawn_photos),
        film=bool(values.get(FILM.key, FILM.value)),
        dial=bool(values.get(DIAL.key, DIAL.value)),
    )  # fmt: skip
