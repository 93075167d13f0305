"""What the user says of the request that a run answers: all of it optional, checked here, and written nowhere but into the document."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from unlearn.errors import ConfigError, InputError

MAX_NUMBER, MAX_ROLE = 60, 80  # characters
RETEST_MONTHS = 6  # after the run, where no date is given
FIELDS = ("request_number", "request_date", "role", "retest", "with_name", "person")
UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")  # categories of characters that print nothing, or turn the text around them


@dataclass(frozen=True)
class Details:
    """The fields of a document that no run knows.

    Attributes:
        request_number: of the organisation's own files; "" where it is filled in by hand.
        request_date: when the request came in.
        role: who asked, such as "the person" or "a lawyer".
        retest: when the run is to be tested again; None: `RETEST_MONTHS` after it.
        with_name: whether the document shows names, and what real people look like.
        person: number of the person in the run, for what is written about one person.
    """

    request_number: str = ""
    request_date: date | None = None
    role: str = ""
    retest: date | None = None
    with_name: bool = False
    person: int = 0


def details_of(values: Mapping[str, Any]) -> Details:
    """The details from texts as a form, a command line or a call has them; an empty text was not given.

    Raises:
        ConfigError: an unknown field.
        InputError: a text that is too long or cannot be printed, a date that is none, or a person that cannot be one.
    """
    if unknown := set(values) - set(FIELDS):
        n = len(unknown)
        raise ConfigError(f"{n} {'field is' if n == 1 else 'fields are'} no details of a document; use {', '.join(FIELDS)}.")
    return Details(
        _line(values.get("request_number"), "The request number", MAX_NUMBER),
        _date(values.get("request_date"), "The date of the request"),
        _line(values.get("role"), "The role of who asked", MAX_ROLE),
        _date(values.get("retest"), "The retest date"),
        _flag(values.get("with_name")),
        _number(values.get("person")),
    )


def _line(value: object, what: str, most: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{what} is no text; write it as one line.")
    text = " ".join(value.split())
    if len(text) > most:
        raise InputError(f"{what} has {len(text)} characters; use at most {most}.")
    if any(unicodedata.category(sign) in UNSEEN for sign in text):
        raise InputError(f"{what} has characters that cannot be printed; write it with letters, digits and signs.")
    return text


def _date(value: object, what: str) -> date | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass
    raise InputError(f"{what} is no date; write it as year, month and day, such as 2027-05-28.")


def _flag(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return bool(value)
    if value in ("", "on", "true", "false"):
        return value in ("on", "true")
    raise InputError("with_name takes true or false.")


def _number(value: object) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000:
        return value
    raise InputError("person takes the number of a person in the run, from 0.")


def months_later(start: date, months: int) -> date:
    """The same day so many months later, or the last day of that month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(start.day, (following - date(year, month + 1, 1)).days))
