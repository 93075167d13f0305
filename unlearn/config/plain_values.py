"""Plain values, as JSON and the command line have them -> dataclasses of settings; their kinds are checked by the annotations.

What is unknown or of a wrong kind raises `ConfigError`, whose message never repeats the value: it may be a name.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unlearn.errors import ConfigError

Settings = TypeVar("Settings")
MAX_WHOLE = 2**63 - 1  # what the job database and torch take
_WORDS = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "none", Any: "anything",
    dict: "an object", Path: "a path",
}  # fmt: skip


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
    return checked_among(get_type_hints(kind), name, value, prefix)


def checked_among(kinds: Mapping[str, Any], name: str, value: object, prefix: str) -> Any:
    """The value as the annotation of this name wants it; `kinds` has all that there are. Errors as of `from_plain`."""
    if name not in kinds:
        shown = name if re.fullmatch(r"[A-Za-z]\w{0,39}", name, re.ASCII) else "A field"  # anything else may be a name of somebody
        raise ConfigError(f"{prefix}{shown} does not exist; use one of {', '.join(kinds)}.")
    return checked(kinds[name], value, f"{prefix}{name}")


def checked(hint: Any, value: object, path: str) -> Any:
    """The value as an annotation wants it: lists become tuples and objects dataclasses where it says so.

    Args:
        hint: a plain type, a `Literal`, a dataclass, `tuple[...]`, `list[...]`, `dict[str, Any]`, `Any`, or a union of such.
        value: as JSON has it.
        path: what messages call the value, as "names[2]".

    Raises:
        ConfigError: it is of another kind.
    """
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and NoneType in options:
        return None
    kinds = [option for option in options if option is not NoneType]
    if len(kinds) == 1:
        return _converted(kinds[0], hint, value, path)
    for option in kinds:
        try:
            return _converted(option, hint, value, path)
        except ConfigError:
            continue
    raise ConfigError(f"{path} takes {_described(hint)}.")


def _converted(kind: Any, hint: Any, value: object, path: str) -> Any:
    """As `checked`, for one of the options of `hint`."""
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, cast(type, kind)) else from_plain(cast(type, kind), value, f"{path}.")
    inner = get_args(kind)
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        inner = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        if len(inner) == len(value):
            return tuple(checked(one_kind, item, f"{path}[{i}]") for i, (one_kind, item) in enumerate(zip(inner, value, strict=True)))
    elif get_origin(kind) is list and isinstance(value, list):
        return [checked(inner[0], item, f"{path}[{i}]") for i, item in enumerate(value)]
    elif get_origin(kind) is dict and isinstance(value, dict):
        return {checked(inner[0], key, f"A key of {path}"): checked(inner[1], item, f"A value of {path}") for key, item in value.items()}
    elif kind is Path and isinstance(value, str) and _is_text(value):
        return Path(value)
    elif _fits(kind, value):
        if isinstance(value, str) and not _is_text(value):
            raise ConfigError(f"{path} holds characters that are no text (half of a surrogate pair); write it anew.")
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise ConfigError(f"{path} has more than 64 bits; use a smaller number.")
        return value
    raise ConfigError(f"{path} takes {_described(hint)}.")


def _is_text(value: str) -> bool:
    """False where half of a surrogate pair stands alone: it can be neither stored nor sent."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits(hint: Any, value: object) -> bool:
    if hint is Any:
        return True
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
    if origin in (tuple, list):
        number = f"a list of {len(kinds)}" if origin is tuple and kinds[-1] is not Ellipsis else "a list"
        return f"{number}, each {_described(kinds[0])}"
    if dataclasses.is_dataclass(hint):
        return f"an object with fields out of {', '.join(field.name for field in dataclasses.fields(hint))}"
    return _WORDS.get(origin or hint, "another kind of value")


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)
