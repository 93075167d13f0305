"""Lines as people write them -> persons; asks back where a line looks like several names.

"Marcus Bellwyn, Clara Quarnby" would otherwise be one unknown person, and nothing would be said. Double quotes around a name
insist that it is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from unlearn.config.persons import Person, split_aliases
from unlearn.errors import InputError

_QUOTES = {'"': '"', "“": "”", "”": "”", "„": "“", "«": "»", "‹": "›", "＂": "＂", "「": "」"}
_COMMAS = ",，、،﹐､"
# "Or" is a name, too; a dash or a dot without spaces joins the parts of one.
_MARKS = re.compile(
    r"[,，、،﹐､;；؛&＆+/／\t\n\r•—―¦>]|\s(?:\\|--?|–|·|(?i:and|und|et)|or|(?i:vs)\.?)\s|(?<=[\"”“»])\s+(?=[\"“„«][^\"]+[\"”“»]$)"
)
_LIST_MARK = re.compile(r"(?:[-*•–]|\d{1,3}[.)])(?=\s+\S)")
# What stands behind a comma of one name: "King, Jr.", "Lovelace, Ph.D., FRS".
_SUFFIX = re.compile(
    r"(?:(?i:jr|sr|jnr|snr|junior|senior|esq|esquire|ph\.?\s?d|the (?:elder|younger|first|second|third))|I{1,3}|IV|VI{0,3}"
    r"|[2-9](?:nd|rd|th)|M\.?D|D\.?D\.?S|J\.?D|LL\.?[BM]|MBA|M\.?Sc|B\.?Sc|M\.A|B\.A|CPA|RN|[OMCKD]BE|KCB|FRS|QC|KC|MP)\.?"
)
_OF_A_NAME = re.compile(r"\b(?:[sdwc]/o|a/l|a/p)\b", re.IGNORECASE)  # "Ravi s/o Kumar": son of


def written_person(line: str, place: str) -> Person:
    """A person from a line "Name|Alias|Alias" as somebody wrote it; a part in double quotes is taken as it is.

    Args:
        line: what was written.
        place: what messages call the line, as "Line 2" or "names[0]".

    Raises:
        InputError: the name or an alias looks like several, or cannot be used.
    """
    name, *aliases = split_aliases(line)
    return Person(written_name(name, place), tuple(written_name(alias, place, "alias") for alias in aliases if alias.strip()))


def line_of(name: str, aliases: Sequence[str] = ()) -> str:
    """The line that `written_person` reads as this person; what looks like several names is put in double quotes."""
    return "|".join(_insisting(part) for part in (name, *aliases))


def _insisting(name: str) -> str:
    for text in (name, *(f"{opening}{name}{closing}" for opening, closing in _QUOTES.items())):
        try:
            read = written_name(text, "")
        except InputError:
            continue
        if read == name:
            return text
    return name


def written_name(text: str, place: str, what: Literal["name", "alias"] = "name") -> str:
    """One name or alias as it was written, without the quotes that insist on it; errors as of `written_person`."""
    stripped = text.strip(f" {_COMMAS};")  # a list's last comma belongs to no name
    if (inside := _quoted(stripped)) is not None:
        return inside
    where = place if what == "name" else f"An alias of {place[:1].lower()}{place[1:]}"
    mark, begin = _mark_between_names(stripped), _LIST_MARK.match(stripped)
    if mark is None and begin is not None:
        insist = f'if it belongs to the {what}, put all in double quotes ("...")'
        raise InputError(f"{where} begins with “{begin.group()}”, as in a list. Leave that out; {insist}.")
    if mark is None:
        return stripped
    one_each = "write one person a line" if what == "name" else "write each alias behind a | of its own"
    insist = f'if all of it is one {what}, put it in double quotes ("...")'
    if mark in _COMMAS:
        raise InputError(f"{where} has a comma. For several {_plural(what)}, {one_each}; for one, write the first name first; {insist}.")
    raise InputError(f"{where} looks like several {_plural(what)}: it has {_shown(mark)}. If so, {one_each}; {insist}.")


def _plural(what: str) -> str:
    return "aliases" if what == "alias" else "names"


def _shown(mark: str) -> str:
    words = {"\t": "a tab", "\n": "a line break", "\r": "a line break"}
    return words.get(mark) or (f"“{mark.strip()}”" if mark.strip() else "two parts in quotes")


def _quoted(text: str) -> str | None:
    """What stands between double quotes around all of a text; None where there are none."""
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 3 or not text.endswith(closing) or closing in text[1:-1]:
        return None
    return text[1:-1]


def _mark_between_names(text: str) -> str | None:
    """The first mark that stands between letters as it does between two names; None where the text is one name."""
    spared = _OF_A_NAME.sub("son of", text)
    for mark in _MARKS.finditer(spared):
        before, behind = spared[: mark.start()], spared[mark.end() :]
        if not (_has_letters(before) and _has_letters(behind)):
            continue
        if mark.group() in _COMMAS and all(_SUFFIX.fullmatch(part.strip()) for part in re.split(f"[{_COMMAS}]", behind)):
            return None  # every comma from here on is one before a suffix
        return mark.group()
    return None


def _has_letters(text: str) -> bool:
    return any(letter.isalnum() for letter in text)
