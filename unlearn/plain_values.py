"""Plain values, as JSON and the command line have them -> dataclasses of settings; their kinds are checked by the annotations.

Knows no particular setting; ranges are checked by the dataclasses themselves. What is unknown or of a wrong kind raises
`ConfigError`, whose message never repeats the value: it may be a name.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unlearn.errors import ConfigError

Settings = TypeVar("Settings")
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "none"}


def from_plain(kind: type[Settings], values: object, prefix: str) -> Settings:
    """A dataclass of settings from an object of JSON; those inside it from objects, tuples from lists.

    Args:
        kind: the dataclass; fields that are left out take their defaults.
        values: a mapping with string keys, or the error of somebody who wrote something else.
        prefix: put before the name of a field in messages, as "The setting portraits.".

    Raises:
        ConfigError: an unknown field, a value of a wrong kind, or a field missing that has no default.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{prefix.rstrip('. ')} takes {_described(kind)}.")
    ready = {str(name): field_value(kind, str(name), value, prefix) for name, value in values.items()}
    for field in dataclasses.fields(cast(Any, kind)):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in ready and not has_default:
            raise ConfigError(f"{prefix}{field.name} is missing; give it.")
    return kind(**ready)


def field_value(kind: type, name: str, value: object, prefix: str) -> Any:
    """The value as the field of this name wants it; arguments and errors as of `from_plain`."""
    hints = get_type_hints(kind)
    if name not in hints:
        raise ConfigError(f"{prefix}{name} does not exist; use one of {', '.join(hints)}.")
    return _converted(hints[name], value, f"{prefix}{name}")


def _converted(hint: Any, value: object, path: str) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and NoneType in options:
        return None
    wanted = next(option for option in options if option is not NoneType)
    if dataclasses.is_dataclass(wanted):
        return value if isinstance(value, cast(type, wanted)) else from_plain(cast(type, wanted), value, f"{path}.")
    if get_origin(wanted) is tuple and isinstance(value, list | tuple):
        kinds = get_args(wanted)
        kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
        if len(kinds) == len(value):
            return tuple(_converted(one, part, f"{path}[{i}]") for i, (one, part) in enumerate(zip(kinds, value, strict=True)))
    elif _fits(wanted, value):
        return value
    raise ConfigError(f"{path} takes {_described(hint)}.")


def _fits(hint: Any, value: object) -> bool:
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(cast(float, value)) <= sys.float_info.max  # JSON as Python reads it knows NaN and Infinity
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(hint, type) and isinstance(value, hint)


def _described(hint: Any) -> str:
    """What the annotation allows, in words."""
    origin, kinds = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_described(kind) for kind in kinds)
    if origin is Literal:
        return " or ".join(map(str, kinds))
    if origin is tuple:
        number = "a list" if kinds[-1] is Ellipsis else f"a list of {len(kinds)}"
        return f"{number}, each {_described(kinds[0])}"
    if dataclasses.is_dataclass(hint):
        return f"an object with fields out of {', '.join(field.name for field in dataclasses.fields(hint))}"
    return _WORDS.get(hint, "another kind of value")
