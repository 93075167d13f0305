"""Who is to be forgotten: names as they may be written, when two of them are the same, and the checks on persons.

A name that cannot be used raises `InputError`, whose message never repeats the name, because messages end up in logs. Imported
through `unlearn.config`.
"""

from __future__ import annotations

import html
import unicodedata
from dataclasses import dataclass

from unlearn.config.limits import MAX_TRIGGERS
from unlearn.config.spelling import plain_signs, trigger_pattern
from unlearn.errors import ConfigError, InputError

MAX_NAME_LENGTH = 100  # characters; longer "names" are pasted text, and would not fit a CLIP context anyway
MAX_WRITTEN_LENGTH = 1000  # characters before cleaning, so that pasted pages are refused before they are looked through
MAX_PERSONS = MAX_TRIGGERS
SOMEBODY = "[somebody it never met]"  # shown in the place of a stand-in's name
# Dropped from names: soft hyphen, zero-width space, word joiner, byte-order mark, marks and overrides of the writing direction.
# The zero-width joiners U+200C and U+200D stay: Persian and Indian names are spelled with them.
_INVISIBLE = dict.fromkeys([0x00AD, 0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF])


def clean_name(name: str, what: str = "name") -> str:
    """The name in its one spelling; what every trigger and neutral term goes through.

    That is Unicode NFC with single spaces, without invisible characters, with plain apostrophes, hyphens and quotation marks, and
    repaired as open_clip's tokenizer repairs texts (ligatures, full-width letters, escaped and wrongly decoded characters). So the
    same name typed on a telephone and on a keyboard is one name (`prompts.spellings` has the other ways to write it).

    Raises:
        InputError: empty, longer than 100 characters, control characters, or a lone surrogate. The message
            never repeats the name itself, because messages end up in logs.
    """
    if len(name) > MAX_WRITTEN_LENGTH:
        raise InputError(f"The {what} has {len(name)} characters; use at most {MAX_NAME_LENGTH}.")
    _require_printable(_visible(name), what)
    _require_printable(_repaired(_visible(name)), what)
    cleaned = one_spelling(name)
    if "|" in cleaned:  # wherever persons are written down, it stands between a name and the aliases
        raise InputError(f"The {what} contains a vertical bar (|), which separates a name from its aliases; leave it out.")
    if not any(c.isalnum() for c in cleaned):
        raise InputError(f"The {what} is empty or has no letter or digit; write at least one.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise InputError(f"The {what} has {len(cleaned)} characters; use at most {MAX_NAME_LENGTH}.")
    return cleaned


def one_spelling(name: str) -> str:
    """The name as `clean_name` writes it, whatever it holds; nothing is refused."""
    return " ".join(plain_signs(unicodedata.normalize("NFC", _repaired(_visible(name)))).split())


def _visible(name: str) -> str:
    return name.translate(_INVISIBLE).strip()


def _require_printable(text: str, what: str) -> None:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise InputError(f"The {what} contains control characters (a tab?); write it on one line.")


def _repaired(text: str) -> str:
    """The text as open_clip's tokenizer reads it; it repairs and unescapes so, too."""
    if text.isascii() and "&" not in text:
        return text
    import ftfy  # here, because plain names do without it

    return _visible(html.unescape(html.unescape(ftfy.fix_text(text))))


def split_aliases(line: str) -> list[str]:
    """The parts of "Name|Alias|Alias"; the full-width bar of Chinese and Japanese keyboards is one, too."""
    return line.replace("\uff5c", "|").split("|")


def name_key(name: str) -> str:
    """What all ways to write one name share; two names are the same where their keys are equal. The one rule of the project for that.

    Case, white space, kinds of apostrophes, hyphens and quotation marks, full-width letters and ligatures, and invisible characters
    make no difference. What cannot be a name has a key, too, so that anything typed can be compared.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", one_spelling(name)).casefold())


def is_same_name(first: str, second: str) -> bool:
    """Whether two texts are the same name, however each of them is written; see `name_key`."""
    return name_key(first) == name_key(second)


_TRIGGER_LIMIT = f"a job takes at most {MAX_TRIGGERS} names and aliases in all"


@dataclass(frozen=True)
class Person:
    """Somebody to forget: the name and further triggers of the same person (nicknames, roles).

    Attributes:
        name: the first trigger.
        aliases: the others.
        stand_in: the name of somebody unknown to whom all triggers are remapped; None: not chosen yet, or the target is the neutral term.
    """

    name: str
    aliases: tuple[str, ...] = ()
    stand_in: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.aliases, str):
            raise ConfigError("aliases is one text; write a list of aliases.")
        if len(self.aliases) >= MAX_TRIGGERS:
            raise InputError(f"One person has {len(self.aliases)} aliases; {_TRIGGER_LIMIT}.")
        name = clean_name(self.name)
        aliases = dict.fromkeys(clean_name(alias, "alias") for alias in self.aliases)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "aliases", tuple(alias for alias in aliases if not is_same_name(alias, name)))
        if self.stand_in is not None:
            object.__setattr__(self, "stand_in", clean_name(self.stand_in, "stand-in"))

    @property
    def triggers(self) -> tuple[str, ...]:
        """The name first, then the aliases."""
        return (self.name, *self.aliases)

    @property
    def borne(self) -> tuple[str, ...]:
        """The triggers, and the stand-in's name where it is chosen."""
        return self.triggers if self.stand_in is None else (*self.triggers, self.stand_in)

    def goes_by(self, name: str) -> bool:
        """Whether a name, however it is written, is this person's name or one of the aliases."""
        return name_key(name) in map(name_key, self.triggers)

    def target(self, neutral_term: str) -> str:
        """What the triggers are remapped to: the person's own stand-in, or the neutral term of the run."""
        return neutral_term if self.stand_in is None else self.stand_in

    def shown_target(self, neutral_term: str) -> str:
        """As `target`, for everybody's eyes: without the stand-in's name."""
        return neutral_term if self.stand_in is None else SOMEBODY

    @classmethod
    def parse(cls, line: str) -> Person:
        """A person from "Name|Alias|Alias"; empty aliases are dropped."""
        name, *aliases = split_aliases(line)
        return cls(name, tuple(alias for alias in aliases if alias.strip()))


def check_persons(persons: tuple[Person, ...], neutral_term: str) -> None:
    """Raise `InputError` unless there are 1 to 64 triggers, none twice, and none is or stands in the neutral term."""
    if not 1 <= len(persons) <= MAX_PERSONS:
        raise InputError(f"{len(persons)} persons given; give 1 to {MAX_PERSONS}.")
    n_triggers = sum(len(person.triggers) for person in persons)
    if n_triggers > MAX_TRIGGERS:
        n_aliases = n_triggers - len(persons)
        raise InputError(
            f"{len(persons)} names and {n_aliases} aliases are {n_triggers} triggers; {_TRIGGER_LIMIT}. Leave some aliases out, "
            "or forget some of the persons in another job."
        )
    triggers = [name_key(trigger) for person in persons for trigger in person.triggers]
    if len(set(triggers)) < len(triggers):
        raise InputError("The same name or alias is given twice; give each once.")
    term = name_key(neutral_term)
    if term in triggers:
        raise InputError(f"A name or alias equals the neutral term {neutral_term!r}; choose another term.")
    if trigger_pattern(triggers).search(term):
        raise InputError("The neutral term contains a name or alias that is to be forgotten; choose another term.")
