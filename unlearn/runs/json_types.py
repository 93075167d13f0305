"""Frozen dataclasses <-> plain values of JSON, by their annotations.

Reading tolerates what versions differ in: fields that a class does not know are skipped, fields that are left out take their
defaults. Everything else that does not fit is an error, whose message names the place and never repeats the value.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unlearn.config.plain_values import checked
from unlearn.errors import ConfigError, InputError

Value = TypeVar("Value")
_LEFT_OUT = "left out where None"


def absent() -> Any:
    """A field that JSON leaves out where it is None; other fields are written as null."""
    return dataclasses.field(default=None, metadata={_LEFT_OUT: True})


@cache
def field_types(kind: Any) -> dict[str, Any]:
    """Name of each field -> its type, with the parameters of a generic class filled in; a class's own fields come first."""
    origin = get_origin(kind) or kind
    if not dataclasses.is_dataclass(origin):
        return {}
    parameters = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    inherited: dict[str, Any] = {}
    for base in origin.__dict__.get("__orig_bases__", cast(type, origin).__bases__):
        inherited |= field_types(base)
    hints, names = get_type_hints(origin), {field.name for field in dataclasses.fields(origin)}
    own = {name: parameters.get(hints[name], hints[name]) for name in inspect.get_annotations(cast(type, origin)) if name in names}
    return {**{name: hint for name, hint in own.items() if name not in inherited}, **inherited, **own}


def to_json(value: Any) -> Any:
    """Plain values for JSON: dataclasses as objects, tuples as lists."""
    if dataclasses.is_dataclass(value):
        left_out = {field.name for field in dataclasses.fields(value) if _LEFT_OUT in field.metadata}
        named = {name: getattr(value, name) for name in field_types(cast(Any, type(value)))}
        return {name: to_json(part) for name, part in named.items() if part is not None or name not in left_out}
    if isinstance(value, tuple | list):
        return [to_json(part) for part in value]
    if isinstance(value, dict):
        return {name: to_json(part) for name, part in value.items()}
    return value


def from_json(kind: type[Value], value: object, path: str = "") -> Value:
    """The value as an annotation has it: objects become dataclasses, lists tuples.

    Args:
        kind: a dataclass, `tuple[...]`, `dict[str, ...]`, a plain type, a `Literal`, or one of these or None.
        value: as `json.loads` gives it.
        path: what messages call the value, as "persons[2]".

    Raises:
        InputError: it is of another kind, or a field is missing that has no default.
    """
    return cast(Value, _converted(kind, value, path))


def _converted(hint: Any, value: object, path: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None and NoneType in get_args(hint):
            return None
        options = [option for option in get_args(hint) if option is not NoneType]
        if len(options) == 1:
            return _converted(options[0], value, path)
    if hint in (int, float, bool) and type(value) is hint:  # the most frequent ones; a loss may be NaN
        return value
    if field_types(hint):
        return _object(hint, value, path)
    if get_origin(hint) is tuple:
        return _list(get_args(hint), value, path)
    if get_origin(hint) is dict and isinstance(value, Mapping):
        return {str(name): _converted(get_args(hint)[1], part, f"{path}[...]") for name, part in value.items()}
    try:
        return checked(hint, value, path or "The content")
    except ConfigError as error:
        raise InputError(str(error)) from error


def _object(kind: Any, value: object, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InputError(f"{path or 'The content'} is no object.")
    types, origin, ready = field_types(kind), get_origin(kind) or kind, {}
    for field in dataclasses.fields(origin):
        place = f"{path}.{field.name}" if path else field.name
        if field.name in value:
            ready[field.name] = _converted(types[field.name], value[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{place} is missing.")
    return origin(**ready)


def _list(kinds: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{path or 'The content'} is no list.")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise InputError(f"{path or 'The content'} has {len(value)} values, not {len(kinds)}.")
    return tuple(_converted(kind, part, f"{path}[{number}]") for number, (kind, part) in enumerate(zip(kinds, value, strict=True)))
