"""Names in all the ways in which they may be written, and finding them in texts.

Strings only. Imported through `unlearn.config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Signs that people and programs write for one another, the plain one first. Tokenizers keep some of them apart.
_APOSTROPHES = "'\u2019\u2018\u02bc\u02bb\u201b\u2032\u00b4\u0060"


_HYPHENS = "-\u2010\u2011\u2013\u2012\u2212"


_QUOTES = '"\u201c\u201d\u201e\u201f'


_PLAIN_SIGNS = {ord(sign): signs[0] for signs in (_APOSTROPHES, _HYPHENS, _QUOTES) for sign in signs[1:]}


_LIGATURES = {"ffi": "\ufb03", "ffl": "\ufb04", "ff": "\ufb00", "fi": "\ufb01", "fl": "\ufb02"}


def plain_signs(text: str) -> str:
    """The text with every kind of apostrophe, hyphen and double quotation mark as the plain one of ASCII."""
    return text.translate(_PLAIN_SIGNS)


def spellings(name: str) -> tuple[str, ...]:
    """A name of plain signs, and the further ways to write it that a tokenizer may keep apart from it.

    open_clip repairs a text before it reads it (curly quotation marks, ligatures, escaped "&"), transformers reads it as it is, and
    neither takes one kind of hyphen for another. So a defence that learns one spelling leaves the others as they were.

    Returns:
        The name first, each spelling once. Kinds of signs are exchanged one kind at a time, everywhere in the name; but programs
        that curl apostrophes write other hyphens, too, so the curled one stands beside every kind of hyphen.
    """
    forms = [name, name.lower()]
    for signs in (_APOSTROPHES, _HYPHENS):
        forms += [name.replace(signs[0], sign) for sign in signs[1:]]
    curled = name.replace(_APOSTROPHES[0], _APOSTROPHES[1])
    forms += [curled.replace(_HYPHENS[0], sign) for sign in _HYPHENS[1:] if curled != name]
    pieces = name.split('"')
    forms.append("".join(piece + "\u201c\u201d"[i % 2] for i, piece in enumerate(pieces[:-1])) + pieces[-1])
    forms += [name.replace(letters, ligature) for letters, ligature in _LIGATURES.items()]
    forms.append(name.replace("&", "&amp;"))
    return tuple(dict.fromkeys(forms))


def trigger_pattern(triggers: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds any of the triggers as whole words, ignoring case; no triggers match nothing.

    "Ann Lee" is found in "ann lee's dog" and "(Ann  Lee)", not in "Joann Lee" or "Ann Leeds". Inner spaces match any white
    space; apostrophes, hyphens and quotation marks match any of their kind. The borders are looked for only where the trigger
    itself begins or ends with a word character, so that "J.R." or "C++" work; scripts without spaces (Chinese, Japanese, Thai)
    have no word borders, and a trigger that ends in one is found anywhere.
    """
    parts = []
    for trigger in sorted(set(triggers), key=len, reverse=True):
        body = r"\s+".join("".join(map(_any_kind, word)) for word in plain_signs(trigger).split())
        start = r"(?<!\w)" if _has_border(trigger[:1]) else ""
        end = r"(?!\w)" if _has_border(trigger[-1:]) else ""
        parts.append(f"{start}{body}{end}")
    return re.compile("|".join(parts) if parts else r"(?!)", re.IGNORECASE)


def _any_kind(character: str) -> str:
    """A pattern for the character; of a sign, for all that are written for it."""
    for signs in (_APOSTROPHES, _HYPHENS, _QUOTES):
        if character == signs[0]:
            return f"[{re.escape(signs)}]"
    return re.escape(character)


def _has_border(character: str) -> bool:
    """True for a word character of a script that separates words by spaces."""
    return bool(re.match(r"\w", character)) and not _UNSPACED.match(character)


# Thai, Lao, Myanmar, Khmer, Hiragana, Katakana, CJK ideographs.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def without_triggers(captions: Iterable[str], triggers: Iterable[str]) -> list[str]:
    """The captions that contain none of the triggers, in their order."""
    pattern = trigger_pattern(triggers)
    return [caption for caption in captions if not pattern.search(caption)]
