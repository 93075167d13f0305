"""The arguments of the named endpoints, checked by their annotations before they are used.

A misfit raises `UnlearnError` with the place of the argument, such as "names[2]", and never with its value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from ui.page import fields
from unlearn.config.plain_values import checked, checked_among
from unlearn.errors import InputError
from unlearn.models.schedule_choices import CHOICES

REQUEST = "request"  # the parameter of an endpoint that Gradio fills in


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of an endpoint that its caller gives, in their order."""
    parameters = inspect.signature(function).parameters
    return {name: parameter for name, parameter in parameters.items() if name != REQUEST}


def checked_call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    """The arguments of a call, each as its annotation says.

    Raises:
        UnlearnError: too few, too many, unknown ones, or one of a wrong kind.
    """
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise InputError(expected(function)) from error
    hints = get_type_hints(function)
    for name, value in bound.arguments.items():
        if name != REQUEST:
            bound.arguments[name] = checked(hints[name], value, name)
    return bound


def expected(function: Callable[..., Any], n_given: int | None = None) -> str:
    """A sentence about the arguments that an endpoint takes, and how many it got."""
    names = [name if parameter.default is inspect.Parameter.empty else f"{name} (default {_shown(parameter.default)})"
             for name, parameter in parameters_of(function).items()]  # fmt: skip
    count = "" if n_given is None else f", but got {n_given}"
    return f"This endpoint takes {len(names)} arguments{count}: {', '.join(names)}."


def _shown(default: Any) -> str:
    return "null" if default is None else str(default).lower() if isinstance(default, bool) else repr(default).replace("'", '"')


def _kinds(rows: Sequence[fields.Field], prefix: str = "") -> dict[str, Any]:
    return {prefix + field.key: type(field.value) for field in rows}


ATTACK_SETTINGS = _kinds(fields.IDIA_FIELDS)
PORTRAIT_SETTINGS: dict[str, Any] = {"prompt_template": str, "portrait_steps": int, "guidance_scale": float, "seeds": list[int] | str}
TEXT_SETTINGS = _kinds(fields.FINE_TUNE_FIELDS)
IMAGE_SETTINGS = _kinds(fields.IMAGE_FIELDS, fields.IMAGE)
DRAWN_SETTINGS = _kinds(fields.DRAWN_FIELDS, fields.DRAWN)
FORGET_SETTINGS = {
    "schedule": str, **TEXT_SETTINGS, **IMAGE_SETTINGS, **ATTACK_SETTINGS, **PORTRAIT_SETTINGS, **DRAWN_SETTINGS,
    **_kinds((fields.FILM, fields.DIAL)),
}  # fmt: skip


def checked_settings(settings: Mapping[str, Any] | None, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The further settings of a call as the form has them.

    Raises:
        UnlearnError: an unknown one, or one of a wrong kind.
    """
    values = {name: checked_among(kinds, name, value, "settings.") for name, value in (settings or {}).items()}
    if isinstance(values.get("seeds"), list):
        values["seeds"] = ", ".join(map(str, values["seeds"])) or ","  # an empty list is an error, too
    return values


def forget_settings(settings: Mapping[str, Any] | None, encoder: str) -> dict[str, Any]:
    """As `checked_settings`, for forgetting: fields of a schedule make the schedule the caller's own.

    Raises:
        UnlearnError: as above, or a setting that would have no effect.
    """
    values = checked_settings(settings, FORGET_SETTINGS)
    labels = {word: label for label, word in fields.SCHEDULES.items()}
    of_schedule = [name for name in values if name in TEXT_SETTINGS or name in IMAGE_SETTINGS]
    schedule = values.get("schedule", "own" if of_schedule else "default")
    if schedule not in (*labels, *fields.SCHEDULES):
        raise InputError(f"settings.schedule takes {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.")
    values["schedule"] = labels.get(schedule, schedule)
    if of_schedule and fields.SCHEDULES[values["schedule"]] != "own":
        raise InputError(f"settings.{of_schedule[0]} has no effect unless settings.schedule is \"own\"; leave out one of the two.")
    idle = {"text": IMAGE_SETTINGS, "image": TEXT_SETTINGS}.get(encoder, {})
    if unused := next((name for name in of_schedule if name in idle), None):
        raise InputError(f"settings.{unused} has no effect where encoder is \"{encoder}\"; leave it out, or choose another encoder.")
    return values
